"""Keys that are no primary key: of a unique index of the source, or columns that the connector was told."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID
from tests.unit.avro import Writer, framed, key

FIELDS = [
    ID,
    {"name": "shop", "type": "string"},
    {"name": "code", "type": "int"},
    {"name": "doc", "type": ["null", "string"]},
]
KEY = ("shop", "code")


@pytest.fixture
def engines(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> Callable[..., Engine]:
    """Makes an engine of a table with these constraints, whose topic has a key of two columns."""

    def made(constraints: str, partitions: int = 2, **options: Any) -> Engine:
        columns = "id bigint, shop text NOT NULL, code int NOT NULL, doc text"
        session.execute(f"CREATE TABLE {schema}.t ({columns}{constraints})".encode())
        return Engine(sink, pools(), group, TableName(schema, "t"), FIELDS, KEY, partitions=partitions, **options)

    return made


UNIQUE = [
    ", PRIMARY KEY (id), UNIQUE (code, shop)",
    ", PRIMARY KEY (shop, code)",
    ", UNIQUE (shop, code) INCLUDE (doc), UNIQUE (id)",
]


@pytest.mark.parametrize("constraints", UNIQUE)
@pytest.mark.parametrize("size", [1, 3, 50])
def test_any_unique_index_over_just_these_columns_tells_rows_apart(
    session: psycopg.Connection, engines: Callable[..., Engine], constraints: str, size: int
) -> None:
    """Whatever the primary key is, in any order of the columns."""
    engine = engines(constraints)
    for code in (1, 2, 3):
        engine.change("c", {"id": code, "shop": "a", "code": code, "doc": f"{code}"}, partition=code % 2)
    engine.change("u", {"id": 11, "shop": "a", "code": 1, "doc": UNAVAILABLE}, partition=1)
    engine.change("d", {"id": 2, "shop": "a", "code": 2, "doc": None})
    gone = {"id": 3, "shop": "a", "code": 3, "doc": None}
    engine.move(gone, {"id": 3, "shop": "b", "code": 3, "doc": UNAVAILABLE}, partitions=(1, 1))
    engine.run(size)

    assert engine.rows(session) == [(3, "b", 3, "3"), (11, "a", 1, "1")]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


OTHERS = {
    "none": "",
    "the primary key": "ALTER TABLE {t} ADD PRIMARY KEY (id)",
    "more columns": "ALTER TABLE {t} ADD UNIQUE (shop, code, id)",
    "fewer columns": "ALTER TABLE {t} ADD UNIQUE (code)",
    "looked at too late": "ALTER TABLE {t} ADD UNIQUE (shop, code) DEFERRABLE",
    "not unique": "CREATE INDEX ON {t} (shop, code)",
    "of some rows": "CREATE UNIQUE INDEX ON {t} (shop, code) WHERE code > 0",
    "of an expression too": "CREATE UNIQUE INDEX ON {t} (shop, code, (id + 1))",
    "of nulls": "ALTER TABLE {t} ADD UNIQUE (shop, code), ALTER shop DROP NOT NULL",
}


@pytest.mark.parametrize("index", OTHERS.values(), ids=OTHERS.keys())
def test_no_other_index_does(session: psycopg.Connection, engines: Callable[..., Engine], index: str) -> None:
    """Of more columns, of others, or one that does not look at each row at once."""
    engine = engines("")
    if index:
        session.execute(index.format(t=engine.table).encode())
    engine.change("c", {"id": 1, "shop": "a", "code": 1, "doc": None})
    engine.run()

    assert [why.kind for why in engine.stopped.values()] == ["table.identity"]


@pytest.mark.parametrize("partitions", [1, 2])
@pytest.mark.parametrize("size", [1, 50])
def test_a_key_with_another_tables_schema_costs_its_record(
    session: psycopg.Connection, engines: Callable[..., Engine], partitions: int, size: int
) -> None:
    """Rows are neither told by that key nor does anything stop; a change that lacks columns waits behind the record."""
    other = Writer(key([FIELDS[2]], "shop.public.codes")).text
    engine = engines(", PRIMARY KEY (shop, code)", partitions, others={9: other})
    one, two = ({"id": 1, "shop": shop, "code": 5, "doc": "old"} for shop in ("a", "b"))
    engine.change("c", one)
    engine.change("c", two)
    engine.change("u", {**one, "doc": "new"})
    log = engine.topics.logs[engine.at[0]]
    log.keys[-1] = framed(9, (log.keys[-1] or b"")[5:])
    engine.change("u", {**one, "id": 7, "doc": UNAVAILABLE})
    engine.run(size)

    assert engine.stopped == {}
    assert engine.rows(session) == [(1, "a", 5, "old"), (1, "b", 5, "old")]
    assert engine.letters(session) == [(0, 2, "dead", "record.identity"), (0, 3, "held", "record.behind")]
    engine.change("u", {**one, "doc": "newest"})
    engine.run(size)
    assert sorted(engine.rows(session)) == [(1, "a", 5, "newest"), (1, "b", 5, "old")]
    assert {state for _, _, state, _ in engine.letters(session)} == {"superseded"}
