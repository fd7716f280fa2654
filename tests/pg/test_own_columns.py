"""A row that is deleted and comes again is a new one, in the columns too that only the target has."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.core.writes import Action
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID, Landing

FIELDS = [ID, {"name": "n", "type": "int"}, {"name": "doc", "type": ["null", "string"]}]
Engines = Callable[..., Engine]
# wherever a batch ends
sizes = pytest.mark.parametrize("size", [1, 2, 50])


def row(number: int, n: int = 0, doc: str = "doc") -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "doc": doc}


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t with rows 1 and 2, whose notes somebody has written."""

    def made(more: str = "", **options: Any) -> Engine:
        session.execute(
            f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text, note text DEFAULT 'new'{more})".encode()
        )
        engine = Engine(sink, pools(), group, TableName(schema, "t"), FIELDS, **options)
        for number in (1, 2):
            engine.change("c", row(number))
        engine.run()
        session.execute(f"UPDATE {schema}.t SET note = 'old'".encode())
        return engine

    return made


@sizes
def test_a_key_that_comes_again_is_a_new_row(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """An update leaves what it is not about."""
    engine = engines()
    for op, n in (("u", 1), ("d", 1), ("c", 2), ("d", 2), ("c", 3), ("u", 4)):
        engine.change(op, row(1, n))
    engine.change("u", row(2, 5))
    engine.run(size)

    assert engine.rows(session) == [(1, 4, "doc", "new"), (2, 5, "doc", "old")]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@sizes
def test_one_that_is_newer_stays(session: psycopg.Connection, engines: Engines, size: int, schema: str) -> None:
    """By its version."""
    engine = engines(", v bigint", versions={f"{schema}.t": "v"})
    session.execute(f"UPDATE {schema}.t SET v = 1000 WHERE id = 2".encode())
    for number in (1, 2):
        engine.change("d", row(number))
        engine.change("c", row(number, 3))
    engine.run(size)

    assert [each[:4] for each in engine.rows(session)] == [(1, 3, "doc", "new"), (2, 0, "doc", "old")]


@sizes
def test_what_goes_on_under_another_key_is_kept_in_front(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """The old row's key comes again behind it."""
    engine = engines()
    engine.move(row(1), row(3, 1, UNAVAILABLE))
    engine.change("c", row(1, 2, "other"))
    engine.run(size)

    assert engine.rows(session) == [(1, 2, "other", "new"), (2, 0, "doc", "old"), (3, 1, "doc", "new")]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@sizes
def test_a_delete_that_is_refused_never_takes_the_new_row(
    session: psycopg.Connection, engines: Engines, size: int, schema: str
) -> None:
    """It is superseded by it, as by any other change."""
    engine = engines()
    session.execute(f"CREATE TABLE {schema}.child (id bigint REFERENCES {schema}.t)".encode())
    session.execute(f"INSERT INTO {schema}.child VALUES (1)".encode())
    engine.change("d", row(1))
    engine.change("c", row(1, 3))
    engine.run(size)
    session.execute(f"DELETE FROM {schema}.child".encode())
    engine.come_back()

    assert engine.rows(session)[0] == (1, 3, "doc", "old")
    assert [state for _, _, state, _ in engine.letters(session)] in ([], ["superseded"])


@pytest.mark.parametrize(
    ("more", "stages"),
    [
        pytest.param("", [[Action.UPSERT]], id="none"),
        pytest.param(", twice int GENERATED ALWAYS AS (n * 2) STORED", [[Action.UPSERT]], id="one that is computed"),
        pytest.param(", note text", [[Action.DELETE], [Action.UPSERT]], id="one"),
    ],
)
def test_only_where_there_are_such_columns_more_is_done(
    session: psycopg.Connection, sink: PostgresSink, schema: str, more: str, stages: list[list[Action]]
) -> None:
    """And only with rows that are deleted and come again."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text{more})".encode())
    landing = Landing(sink, TableName(schema, "t"), FIELDS)
    again, plain = landing.plan(("d", row(1)), ("c", row(1))), landing.plan(("d", row(1)), ("c", row(2)))

    assert [[write.action for write in stage.writes] for stage in again.stages] == stages
    assert [[write.action for write in stage.writes] for stage in plain.stages] == [[Action.DELETE, Action.UPSERT]]
    assert (again.counts.deletes, again.counts.upserts) == (len(stages) - 1, 1)
