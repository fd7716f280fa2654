"""A row's key changes: its new row has the columns that its create lacks, in batches of any size and any order."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Retention
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID

STRING = ["null", "string"]
FIELDS = [ID, {"name": "n", "type": "int"}, {"name": "doc", "type": STRING}, {"name": "raw", "type": ["null", "bytes"]}]
Engines = Callable[..., Engine]
SIZES = [1, 2, 3, 4, 5, 7, 50]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text, raw bytea)".encode())
    name = TableName(schema, "t")
    return lambda **options: Engine(sink, pools(), group, name, options.pop("fields", FIELDS), **options)


def row(number: int, n: int = 0, doc: str | None = "doc", raw: bytes | None = b"\x00\xff") -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "doc": doc, "raw": raw}


def lacking(number: int, n: int = 0) -> dict[str, Any]:
    """A row of which only the small columns are known."""
    return row(number, n, UNAVAILABLE, UNAVAILABLE.encode())


WITHOUT_INDEX = "ALTER TABLE {s}.t DROP CONSTRAINT t_pkey"


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_new_key_takes_what_did_not_change(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, index: bool
) -> None:
    """From the row as it was, also when it was written in the same batch; null is a value too."""
    session.execute("" if index else WITHOUT_INDEX.format(s=schema).encode())
    engine = engines()
    engine.change("c", row(1, 0, "one"))
    engine.change("c", row(2, 0, None))
    engine.change("u", row(1, 1, "changed"))
    engine.move(row(1), lacking(11, 2))
    engine.move(row(2), lacking(12, 3))
    engine.change("u", lacking(11, 4))
    engine.change("c", row(1, 5, "again"))
    engine.run(size)

    raw = b"\x00\xff"
    assert engine.rows(session) == [(1, 5, "again", raw), (11, 4, "changed", raw), (12, 3, None, raw)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("size", SIZES)
def test_of_several_rows_with_the_old_key_nothing_is_taken(
    session: psycopg.Connection, engines: Engines, schema: str, size: int
) -> None:
    """Where no index keeps them apart; those with the new key are replaced."""
    session.execute(WITHOUT_INDEX.format(s=schema).encode())
    session.execute(
        f"INSERT INTO {schema}.t VALUES (1, 0, 'a'), (1, 0, 'b'), (2, 0, 'c'), (12, 0, ''), (12, 0, '')".encode()
    )
    engine = engines()
    engine.move(row(1), lacking(11, 1))
    engine.move(row(2), lacking(12, 1))
    engine.run(size)

    assert engine.rows(session) == [(12, 1, "c", None)]
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [(2, "record.moved")]


@pytest.mark.parametrize("size", SIZES)
def test_a_row_that_is_there_already_is_replaced_where_only_another_index_keeps_rows_apart(
    session: psycopg.Connection, engines: Engines, schema: str, size: int
) -> None:
    """Also when the record is read again; the old row goes first, and its unique value with it."""
    session.execute(WITHOUT_INDEX.format(s=schema).encode())
    session.execute(f"ALTER TABLE {schema}.t ADD UNIQUE (n)".encode())
    session.execute(f"INSERT INTO {schema}.t VALUES (11, 2, 'old'), (12, 3, 'old')".encode())
    engine = engines()
    engine.change("c", row(1, 0, "one"))
    engine.change("c", row(2, 1, "two"))
    engine.move(row(1), lacking(11, 2))
    engine.move(row(2), lacking(12, 3))
    engine.run(size)

    raw = b"\x00\xff"
    assert (engine.stopped, engine.letters(session)) == ({}, [])
    assert engine.rows(session) == [(11, 2, "one", raw), (12, 3, "two", raw)]


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("size", [1, 50])
def test_keys_that_the_table_takes_for_one_are_not_taken_together(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, index: bool
) -> None:
    """Apart, the last one stays."""
    session.execute(f"DROP TABLE {schema}.t; CREATE TABLE {schema}.t (id char(3) PRIMARY KEY, doc text)".encode())
    session.execute("" if index else WITHOUT_INDEX.format(s=schema).encode())
    session.execute(f"INSERT INTO {schema}.t VALUES ('a', 'one'), ('b', 'two')".encode())
    engine = engines(fields=[{"name": "id", "type": "string"}, {"name": "doc", "type": STRING}])
    for old, new in (("a", "c"), ("b", "c ")):
        engine.move({"id": old, "doc": None}, {"id": new, "doc": UNAVAILABLE})
    engine.run(size)

    refused = [(offset, kind) for _, offset, _, kind in engine.letters(session)]
    if size == 1:
        assert (engine.rows(session), refused) == ([("c  ", "two")], [])
    else:
        assert (engine.rows(session), refused) == ([], [(2, "record.key_merged"), (5, "record.key_merged")])


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_keys_may_follow_one_another(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, index: bool
) -> None:
    """One row goes through three keys, others take the keys that became free."""
    session.execute("" if index else WITHOUT_INDEX.format(s=schema).encode())
    engine = engines()
    for number in (1, 2, 3):
        engine.change("c", row(number, 0, f"row {number}"))
    engine.move(row(3), lacking(4, 1))
    engine.move(row(2), lacking(3, 1))
    engine.move(row(1), lacking(2, 1))
    engine.move(row(4), lacking(5, 2))
    engine.change("u", {**lacking(3, 3), "raw": None})
    engine.move(row(5), {**lacking(1, 3), "raw": b"new"})
    engine.change("d", row(2))
    engine.run(size)

    assert engine.rows(session) == [(1, 3, "row 3", b"new"), (3, 3, "row 2", None)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_halves_in_two_partitions_find_each_other(
    session: psycopg.Connection, engines: Engines, order: tuple[int, int], size: int
) -> None:
    """A create that comes first waits for the partition of its delete, and nothing becomes a letter."""
    engine = engines(partitions=2)
    engine.change("c", row(1, 0, "one"), partition=0)
    engine.change("c", row(2, 0, "two"), partition=0)
    engine.move(row(1), lacking(11, 1), partitions=(0, 1))
    engine.change("c", row(3), partition=1)
    engine.move(row(2), lacking(12, 1), partitions=(0, 1))
    engine.change("u", lacking(11, 2), partition=1)
    engine.run(size, order)

    raw = b"\x00\xff"
    assert engine.rows(session) == [(3, 0, "doc", raw), (11, 2, "one", raw), (12, 1, "two", raw)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_halves_that_wait_for_one_another_come_together_as_letters(
    session: psycopg.Connection, engines: Engines, order: tuple[int, int], size: int
) -> None:
    """Each partition has a create in front of a delete that the other waits for: one goes on, and comes back."""
    engine = engines(partitions=2)
    engine.change("c", row(1, 0, "one"), partition=0)
    engine.change("c", row(2, 0, "two"), partition=1)
    engine.move(row(1), lacking(11, 1), partitions=(0, 1))
    engine.change("u", lacking(11, 2), partition=1)
    engine.move(row(2), lacking(12, 1), partitions=(1, 0))
    engine.change("u", row(12, 2, "whole"), partition=0)
    engine.run(size, order)
    for _ in range(3):
        engine.come_back()

    assert engine.rows(session) == [(11, 2, "one", b"\x00\xff"), (12, 2, "whole", b"\x00\xff")]
    assert {state for _, _, state, _ in engine.letters(session)} <= {"applied", "superseded"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_chain_of_keys_waits_for_its_first_letter(
    session: psycopg.Connection, engines: Engines, order: tuple[int, int], size: int
) -> None:
    """A row whose create is a letter changes its key again: the delete waits behind it, so that nothing is lost."""
    engine = engines(partitions=2)
    engine.change("c", row(1, 0, "one"), partition=0)
    engine.change("c", row(2, 0, "two"), partition=1)
    engine.move(row(1), lacking(11, 1), partitions=(0, 1))
    engine.move(row(11), lacking(21, 2), partitions=(1, 0))
    engine.move(row(2), lacking(12, 1), partitions=(1, 0))
    engine.move(row(21), lacking(1, 3), partitions=(0, 0))
    engine.move(row(12), lacking(2, 2), partitions=(0, 1))
    engine.run(size, order)
    for _ in range(8):
        engine.come_back()

    assert engine.rows(session) == [(1, 3, "one", b"\x00\xff"), (2, 2, "two", b"\x00\xff")]
    assert {state for _, _, state, _ in engine.letters(session)} <= {"applied", "superseded"}


@pytest.mark.provokes("record.moved")
@pytest.mark.parametrize("size", [1, 100])
def test_without_its_other_half_a_create_is_a_letter(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """Nothing is made up for what it lacks; its neighbours are applied."""
    engine = engines()
    engine.change("c", row(2))
    engine.change("c", lacking(1))
    engine.change("c", row(3))
    engine.run(size)

    assert [found[0] for found in engine.rows(session)] == [2, 3]
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [(1, "record.moved")]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_nothing_is_kept_of_a_row_with_a_letter(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """What the letter would have changed is not in the table, so the new row would be a wrong one."""
    engine = engines()
    session.execute(f"ALTER TABLE {engine.table} ADD CHECK (n < 90)".encode())
    engine.change("c", row(1, 0, "old"))
    engine.change("u", row(1, 99, "new"))
    engine.move(row(1), lacking(11, 1))
    engine.run(size)

    assert engine.rows(session) == []
    assert [(offset, state, kind) for _, offset, state, kind in engine.letters(session)] == [
        (1, "superseded", "record.check"),
        (4, "retrying", "record.moved"),
    ]


@pytest.mark.parametrize("size", [1, 100])
def test_nothing_is_kept_of_a_row_with_a_damaged_change(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """The same, where the letter's record stands beside the delete."""
    engine = engines()
    engine.change("c", row(1, 0, "old"))
    engine.run()
    engine.damaged(row(1, 1, "new"))
    engine.move(row(1), lacking(11, 1))
    engine.run(size)

    assert engine.rows(session) == []
    assert [(offset, state, kind) for _, offset, state, kind in engine.letters(session)] == [
        (1, "superseded", "record.decode"),
        (4, "retrying", "record.moved"),
    ]


def test_a_whole_create_needs_nothing(session: psycopg.Connection, engines: Engines) -> None:
    """Nor is anything read of a table whose creates can't lack columns."""
    fields = [ID, {"name": "n", "type": "int"}]
    engine = engines(fields=fields)
    engine.change("c", {"id": 1, "n": 0})
    engine.move({"id": 1, "n": 0}, {"id": 2, "n": 1})
    engine.run()

    assert engine.rows(session) == [(2, 1, None, None)]
    assert kept(session, engine) == 0


def kept(session: psycopg.Connection, engine: Engine) -> int:
    """How many rows have columns kept."""
    query = "SELECT count(*) FROM headrace.moved WHERE table_name = %s"
    found = session.execute(query, (str(engine.table),)).fetchone()
    assert found is not None
    return int(found[0])


def test_what_was_kept_is_deleted_after_its_time(
    session: psycopg.Connection, engines: Engines, sink: PostgresSink
) -> None:
    """Used or not."""
    engine = engines()
    engine.change("c", row(1))
    engine.move(row(1), lacking(2))
    engine.run()
    assert kept(session, engine) == 1
    sink.prune(Retention(moved=1.0))
    assert kept(session, engine) == 1

    session.execute("UPDATE headrace.moved SET kept_at = now() - interval '2 hours'")
    sink.prune(Retention(moved=1.0))
    assert kept(session, engine) == 0


def test_every_type_is_kept_as_it_was(session: psycopg.Connection, engines: Engines) -> None:
    """Columns of the target's own types come back bit for bit."""
    types = {
        "json": """'{"b":1,  "a":2}'""",
        "jsonb": """'{"b": 1, "a": [null]}'""",
        "text[]": """ARRAY['a,b', NULL, '"']""",
        "int8[]": "ARRAY[1, -2]",
        "bytea[]": r"ARRAY['\x00ff'::bytea]",
        "numeric": "'NaN'",
        "float8": "0.1 + 0.2",
        "timestamptz": "'infinity'",
        "interval": "'-1 mons +2 days 03:04:05.000006'",
        "char(5)": "'ab'",
        "bit(3)": "B'101'",
        "uuid[]": "ARRAY[gen_random_uuid()]",
    }
    engine = engines(fields=[ID, *({"name": f"c{number}", "type": STRING} for number in range(len(types)))])
    session.execute(f"DROP TABLE {engine.table}".encode())
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))
    session.execute(f"CREATE TABLE {engine.table} (id bigint PRIMARY KEY, {columns})".encode())
    session.execute(f"INSERT INTO {engine.table} VALUES (1, {', '.join(types.values())})".encode())
    session.execute(f"CREATE TABLE {engine.table.schema}.before AS SELECT * FROM {engine.table}".encode())
    gone = {f"c{number}": UNAVAILABLE for number in range(len(types))}
    engine.move({"id": 1, **gone}, {"id": 2, **gone})
    engine.run()

    parts = " AND ".join(f"(a.c{n}::text IS NOT DISTINCT FROM b.c{n}::text)" for n in range(len(types)))
    query = f"SELECT a.id, {parts} FROM {engine.table} AS a, {engine.table.schema}.before AS b"
    assert session.execute(query.encode()).fetchall() == [(2, True)]
