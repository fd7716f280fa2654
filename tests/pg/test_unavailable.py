"""Columns whose values the source did not have stay as they are, whatever shape stands for them."""

from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.landing import ID, Landing, rows

MARK = UNAVAILABLE.encode()
UUIDS = "b68a35a7-17ad-35b3-af2a-ae46edb4545a"


def optional(kind: Any) -> list[Any]:
    """A type that takes null."""
    return ["null", kind]


def array(kind: Any) -> list[Any]:
    """An array as Debezium writes it: its elements are optional."""
    return optional({"type": "array", "items": optional(kind)})


# by column: its type, a value, and what stands for it
SHAPES: dict[str, tuple[Any, Any, Any]] = {
    "word": (optional("string"), "long", UNAVAILABLE),
    "doc": (optional({"type": "string", "connect.name": "io.debezium.data.Json"}), '{"a": 1}', UNAVAILABLE),
    "raw": (optional("bytes"), b"\x00\xff", MARK),
    "hexed": (optional("string"), "00ff", MARK.hex()),
    "words": (array("string"), ["a", None], [UNAVAILABLE]),
    "raws": (array("bytes"), [b"a"], [MARK]),
    "ints": (array("int"), [1, 2], list(MARK)),
    "longs": (array("long"), [1, 2], list(MARK)),
    "ids": (array("string"), ["00000000-0000-0000-0000-000000000001"], [UUIDS]),
    "pairs": (optional({"type": "map", "values": optional("string")}), {"a": "b"}, {UNAVAILABLE: UNAVAILABLE}),
    "pairs_json": (
        optional({"type": "string", "connect.name": "io.debezium.data.Json"}),
        '{"a":"b"}',
        f'{{"{UNAVAILABLE}":"{UNAVAILABLE}"}}',
    ),
}
# a type that no column has: the row decoder reads its whole schema
ODD: dict[str, tuple[Any, Any, Any]] = {
    "any": (["null", "string", "long", "bytes"], 5, UNAVAILABLE),
    "any_raw": (["null", "string", "long", "bytes"], "x", MARK),
    "any_list": (["null", {"type": "array", "items": "string"}, "long"], ["x"], [UNAVAILABLE]),
}
NUMBER = 30


def landing(session: psycopg.Connection, sink: PostgresSink, schema: str, shapes: dict[str, Any]) -> Landing:
    """A table with a column for each shape."""
    types = {"raw": "bytea", "doc": "jsonb", "pairs_json": "jsonb"}
    columns = ", ".join(f'"{name}" {types.get(name, "text")}' for name in shapes)
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, {columns})".encode())
    fields = [{"name": name, "type": kind} for name, (kind, _, _) in shapes.items()]
    return Landing(sink, TableName(schema, "t"), [ID, {"name": "n", "type": "int"}, *fields])


def row(shapes: dict[str, Any], number: int, n: int, *unavailable: str) -> dict[str, Any]:
    """A row, some of whose values the source did not have."""
    return {"id": number, "n": n} | {name: said[2 if name in unavailable else 1] for name, said in shapes.items()}


@pytest.mark.parametrize("shapes", [pytest.param(SHAPES, id="columns"), pytest.param(SHAPES | ODD, id="no columns")])
@pytest.mark.parametrize("number", [pytest.param(1, id="row decoder"), pytest.param(NUMBER, id="columnar decoder")])
def test_no_shape_of_the_placeholder_reaches_a_cell(
    session: psycopg.Connection, sink: PostgresSink, schema: str, shapes: dict[str, Any], number: int
) -> None:
    """Each alone, and all together; in the batch of the row's own insert, and in one behind it."""
    table = landing(session, sink, schema, shapes)
    there = [("c", row(shapes, one, 0)) for one in range(number)]
    table.apply(*there)
    before = rows(session, table.table)
    for n, gone in enumerate([*((name,) for name in shapes), tuple(shapes)], 1):
        table.apply(*(("u", row(shapes, one, n, *gone)) for one in range(number)))
        assert rows(session, table.table) == [(one[0], n, *one[2:]) for one in before], gone
        table.apply(*there, *(("u", row(shapes, one, n, *gone)) for one in range(number)))
        assert rows(session, table.table) == [(one[0], n, *one[2:]) for one in before], gone


def test_updates_with_other_columns_each_set_their_own(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """One batch holds many sets of columns; each row keeps what its own event lacks."""
    table = landing(session, sink, schema, SHAPES)
    names = list(SHAPES)
    empty = {**dict.fromkeys(SHAPES), "n": 0}
    table.apply(*(("c", {**empty, "id": one}) for one in range(len(names))))
    plan = table.apply(*(("u", row(SHAPES, one, 1, name)) for one, name in enumerate(names)))
    found = rows(session, table.table)

    assert len(plan.writes) == len(names)
    for one, name in enumerate(names):
        lacking = [column for column, value in zip(names, found[one][2:], strict=True) if value is None]
        assert lacking == [name]


def test_a_key_that_the_source_did_not_have_names_no_row(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """A key may be long enough to be stored apart; which row is meant is not known then."""
    session.execute(f"CREATE TABLE {schema}.t (word text PRIMARY KEY, n int)".encode())
    fields = [{"name": "word", "type": "string"}, {"name": "n", "type": "int"}]
    table = Landing(sink, TableName(schema, "t"), fields, ("word",))
    plan = table.apply(
        ("c", {"word": "a", "n": 1}), ("u", {"word": UNAVAILABLE, "n": 2}), ("d", {"word": UNAVAILABLE, "n": 3})
    )

    assert rows(session, table.table) == [("a", 1)]
    assert [(letter.failure.kind, letter.place) for letter in plan.letters] == [("record.identity", None)] * 2
