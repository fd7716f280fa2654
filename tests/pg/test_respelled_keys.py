"""Keys that only change their spelling: their halves may come in any order, and the row is there in the end."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

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
