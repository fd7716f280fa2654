"""A row gets another key while a change of it waits: nothing that comes for its old key ends the waiting."""

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

FIELDS = [ID, {"name": "n", "type": ["null", "int"]}, {"name": "doc", "type": ["null", "string"]}]
Engines = Callable[..., Engine]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t, whose n is unique, with rows 1 and 2."""
    name = TableName(schema, "t")
    session.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, n int UNIQUE, doc text)".encode())

    def made(**options: Any) -> Engine:
        engine = Engine(sink, pools(), group, name, FIELDS, **options)
        for number in (1, 2):
            engine.change("c", row(number, number, f"doc {number}"))
        engine.run()
        return engine

    return made


def row(number: int, n: int, doc: str = UNAVAILABLE) -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "doc": doc}


@pytest.mark.parametrize("size", range(1, 7))
@pytest.mark.parametrize("compacted", [False, True], ids=["plain", "compacted"])
@pytest.mark.parametrize("again", [False, True], ids=["gone", "again"])
def test_the_new_row_gets_what_the_waiting_change_wrote(
    session: psycopg.Connection, engines: Engines, size: int, *, compacted: bool, again: bool
) -> None:
    """Its delete keeps that for it, so a tombstone and a new row of the old key wait behind that one."""
    engine = engines(compacted=compacted)
    # row 2 has that number still
    engine.change("u", row(1, 2, "new"))
    engine.move(row(1, 2), row(11, 2), tombstone=compacted)
    if again:
        engine.change("c", row(1, 7, "another"))
    engine.change("u", row(2, 3))
    engine.run(size)
    while "retrying" in {state for *_, state, _ in engine.letters(session)}:
        engine.come_back()

    others = [(1, 7, "another")] if again else []
    assert engine.rows(session) == [*others, (2, 3, "doc 2"), (11, 2, "new")]
    assert {state for *_, state, _ in engine.letters(session)} <= {"applied", "superseded"}
    assert engine.stopped == {}
