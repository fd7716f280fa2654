"""Keys that only change their spelling: their halves may come in any order, and the row is there in the end."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from consumer.core.moves import BARE, NEW_KEY
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine

CODE = {"name": "code", "type": "string"}
COLUMNS = [CODE, {"name": "n", "type": "int"}]
Engines = Callable[..., Engine]
# in several batches, and as stages of one
sizes = pytest.mark.parametrize("size", [1, 50])


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of a table and a topic of two partitions."""

    def made(columns: str = "code numeric PRIMARY KEY, n int", fields: Any = COLUMNS, **options: Any) -> Engine:
        session.execute(f"CREATE TABLE {schema}.t ({columns})".encode())
        return Engine(sink, pools(), group, TableName(schema, "t"), fields, ("code",), partitions=2, **options)

    return made


def respelled(engine: Engine, size: int, old: dict[str, Any], new: dict[str, Any]) -> None:
    """The row is there; the create of its new spelling comes first, in another partition than the delete of the old."""
    engine.change("c", old)
    engine.run()
    engine.move(old, new, partitions=(0, 1), tombstone=False)
    engine.run(size, [1, 0])


@sizes
@pytest.mark.parametrize("column", ["numeric", "interval"])
def test_a_late_delete_of_the_old_spelling_leaves_the_row(
    session: psycopg.Connection, engines: Engines, size: int, column: str
) -> None:
    """Which has the new one then, by which it is deleted in its turn."""
    engine = engines(f"code {column} PRIMARY KEY, n int")
    one, other = {"numeric": ("1.0", "1.00"), "interval": ("P1M", "P30D")}[column]
    respelled(engine, size, {"code": one, "n": 1}, {"code": other, "n": 2})
    found = session.execute(f"SELECT code::text, n FROM {engine.table}".encode()).fetchall()
    assert found == [({"1.00": "1.00", "P30D": "30 days"}[other], 2)]

    engine.change("d", {"code": other, "n": 2}, partition=1)
    engine.run(size)
    assert (engine.rows(session), engine.letters(session)) == ([], [])


@pytest.mark.parametrize("name", [NEW_KEY, BARE])
def test_so_it_does_where_nothing_is_kept_for_the_new_one(
    session: psycopg.Connection, engines: Engines, name: str
) -> None:
    """Since letters of the row are open, or no column may be missing."""
    engine = engines()
    engine.change("c", {"code": "1.00", "n": 2}, partition=1)
    engine.change("d", {"code": "1.0", "n": 1})
    engine.topics.logs[engine.at[0]].headers[-1] = ((name, b"{}"),)
    engine.run(1, [1, 0])

    assert engine.rows(session) == [(Decimal("1.00"), 2)]


@sizes
@pytest.mark.parametrize("more", [{}, {"soft_deletes": "gone"}, {"versions": "v"}], ids=["plain", "soft", "version"])
def test_whatever_else_its_table_has(
    session: psycopg.Connection, engines: Engines, size: int, more: dict[str, str], schema: str
) -> None:
    """Marked rows and versions."""
    options = {name: {f"{schema}.t": column} for name, column in more.items()}
    engine = engines("code numeric PRIMARY KEY, n int, gone boolean, v bigint", **options)
    respelled(engine, size, {"code": "1.0", "n": 1}, {"code": "1.00", "n": 2})

    found = session.execute(f"SELECT code::text, n, coalesce(gone, false) FROM {engine.table}".encode()).fetchall()
    assert found == [("1.00", 2, False)]


@sizes
def test_by_its_version_an_update_that_is_late_too_changes_nothing(
    session: psycopg.Connection, engines: Engines, size: int, schema: str
) -> None:
    """Without one it would be taken for the newest."""
    engine = engines("code numeric PRIMARY KEY, n int, v bigint", versions={f"{schema}.t": "v"})
    old, new = {"code": "1.0", "n": 1}, {"code": "1.00", "n": 2}
    engine.change("c", old)
    engine.run()
    engine.change("u", old)
    engine.move(old, new, partitions=(0, 1), tombstone=False)
    engine.run(size, [1, 0])

    assert session.execute(f"SELECT code::text, n FROM {engine.table}".encode()).fetchall() == [("1.00", 2)]


@sizes
def test_a_table_of_keys_alone_keeps_the_row_too(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """Though nothing else of it is set."""
    engine = engines("code numeric PRIMARY KEY", [CODE])
    respelled(engine, size, {"code": "1.0"}, {"code": "1.00"})

    assert session.execute(f"SELECT code::text FROM {engine.table}".encode()).fetchall() == [("1.00",)]


def test_where_a_column_has_one_spelling_any_of_them_deletes_the_row(
    session: psycopg.Connection, engines: Engines
) -> None:
    """A scale, or blanks, are the column's own."""
    engine = engines("code numeric(9, 2) PRIMARY KEY, n int")
    engine.change("c", {"code": "1.5", "n": 1})
    engine.run()
    engine.change("d", {"code": "1.5", "n": 1})
    engine.run()

    assert engine.rows(session) == []


@sizes
@pytest.mark.parametrize("refusing", [False, True], ids=["plainly", "one by one"])
@pytest.mark.parametrize("column", ["numeric", "interval"])
def test_a_delete_takes_a_row_that_something_else_has_spelled(
    session: psycopg.Connection, engines: Engines, size: int, refusing: bool, column: str
) -> None:
    """An earlier version, or whoever filled the table: the source has no other row that it could be."""
    engine = engines(f"code {column} PRIMARY KEY, n int CHECK (n <> 13)")
    one, other, third = {"numeric": ("1.0", "1.00", "2"), "interval": ("P1M", "P30D", "P2M")}[column]
    session.execute(f"INSERT INTO {engine.table} VALUES ('{one}', 1)".encode())
    if refusing:
        engine.change("c", {"code": third, "n": 13})
    engine.change("d", {"code": other, "n": 1})
    engine.run(size)

    assert engine.rows(session) == []


@sizes
def test_deletes_and_halves_of_one_batch_are_told_apart(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """With the tombstones that follow them."""
    engine = engines(compacted=True)
    for code in ("1.0", "2.0"):
        engine.change("c", {"code": code, "n": 1})
    engine.run()
    session.execute(f"UPDATE {engine.table} SET code = 2 WHERE code = 2".encode())
    engine.change("d", {"code": "2.0", "n": 1})
    engine.tombstone({"code": "2.0"})
    engine.move({"code": "1.0", "n": 1}, {"code": "1.00", "n": 2}, partitions=(0, 1))
    engine.run(size, [1, 0])

    assert session.execute(f"SELECT code::text, n FROM {engine.table}".encode()).fetchall() == [("1.00", 2)]


@sizes
def test_rows_that_are_refused_beside_it_change_nothing(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """And one that is refused itself keeps its spelling until it is replayed."""
    engine = engines("code numeric PRIMARY KEY, n int CHECK (n <> 13)")
    engine.change("c", {"code": "2", "n": 13}, partition=1)
    engine.change("u", {"code": "3.00", "n": 13}, partition=1)
    session.execute(f"INSERT INTO {engine.table} VALUES (3.0, 3)".encode())
    respelled(engine, size, {"code": "1.0", "n": 1}, {"code": "1.00", "n": 2})

    found = session.execute(f"SELECT code::text, n FROM {engine.table} ORDER BY code".encode()).fetchall()
    assert found == [("1.00", 2), ("3.0", 3)]
    assert len(engine.letters(session)) == 2


@sizes
def test_rows_that_others_refer_to_are_upserted_beside_them(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """A foreign key's check holds a row against what changes its key, and against nothing else."""
    engine = engines()
    engine.change("c", {"code": "1.0", "n": 1})
    engine.run()
    with session.transaction():
        session.execute(f"SELECT FROM {engine.table} FOR KEY SHARE".encode())
        engine.change("u", {"code": "1.0", "n": 2})
        engine.run(size)
        assert engine.rows(session) == [(Decimal("1.0"), 2)]
