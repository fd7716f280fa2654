"""A row gets another key while a change of it waits: nothing that comes for its old key ends the waiting."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard
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


def through(engine: Engine, session: psycopg.Connection) -> None:
    """Everything, and letters as often as they come back."""
    engine.run()
    for _ in range(30):
        if "retrying" not in {state for *_, state, _ in engine.letters(session)}:
            break
        engine.come_back()


@pytest.mark.parametrize("again", [False, True], ids=["gone", "again"])
def test_a_delete_does_not_wait_behind_a_change_that_is_dead(
    session: psycopg.Connection, engines: Engines, *, again: bool
) -> None:
    """The row is gone at the source; what it should have kept is not there, so its new row waits for a person."""
    engine = engines()
    # row 2 keeps that number
    engine.change("u", row(1, 2, "new"))
    engine.move(row(1, 5), row(11, 5))
    if again:
        engine.change("c", row(1, 7, "another"))
    through(engine, session)

    assert engine.rows(session) == [*([(1, 7, "another")] if again else []), (2, 2, "doc 2")]
    states = [state for *_, state, _ in engine.letters(session)]
    assert states == ["superseded", "applied", "dead", *(["applied"] if again else [])]
    assert engine.stopped == {}


def test_a_delete_is_not_given_up_with_what_it_waits_for(
    session: psycopg.Connection, engines: Engines, group: str
) -> None:
    """Nothing would delete the row any more."""
    engine = engines()
    engine.change("u", row(1, 2, "new"))
    engine.move(row(1, 5), row(11, 5))
    engine.change("c", row(1, 7, "another"))
    engine.run()
    ((first,),) = session.execute("SELECT min(id) FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert discard(session, group, [first], "ticket 1").changed == (first,)
    through(engine, session)

    assert engine.rows(session) == [(1, 7, "another"), (2, 2, "doc 2"), (11, 5, "doc 1")]
    assert {state for *_, state, _ in engine.letters(session)} == {"discarded", "applied"}


def test_the_new_row_gets_its_columns_where_the_old_one_is_referred_to(
    session: psycopg.Connection, engines: Engines
) -> None:
    """Whoever refers to it goes on to the new row, which is there by then."""
    engine = engines()
    child = f"{engine.table}_child"
    session.execute(f"CREATE TABLE {child} (parent bigint REFERENCES {engine.table})".encode())
    session.execute(f"INSERT INTO {child} VALUES (1)".encode())
    engine.move(row(1, 1), row(11, 5))
    engine.run()
    assert engine.rows(session) == [(1, 1, "doc 1"), (2, 2, "doc 2"), (11, 5, "doc 1")]
    session.execute(f"UPDATE {child} SET parent = 11".encode())
    through(engine, session)
    assert engine.rows(session) == [(2, 2, "doc 2"), (11, 5, "doc 1")]
    assert {state for *_, state, _ in engine.letters(session)} == {"applied"}


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
