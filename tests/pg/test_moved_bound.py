"""What is kept of rows whose key changed is bounded: a table stops in front of what does not fit, and loses nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.markers import UNAVAILABLE
from consumer.core.records import TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.aside import DEFAULT_BOUNDS
from consumer.edges.postgres.moved import MovedBounds
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Retention, Start
from tests.pg.conftest import Pools
from tests.pg.engine import POLICY, Engine
from tests.pg.landing import ID

FIELDS = [ID, {"name": "doc", "type": ["null", "string"]}]
DOC = "d" * 1000
Engines = Callable[[MovedBounds, int], Engine]
BOUNDS = [pytest.param(MovedBounds(rows=4), id="rows"), pytest.param(MovedBounds(bytes=4400), id="bytes")]


@pytest.fixture
def engines(server: str, session: psycopg.Connection, pools: Pools, schema: str, group: str) -> Iterator[Engines]:
    """Makes engines of table t, with so many partitions, that keep no more than that."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, doc text)".encode())
    with ExitStack() as sinks:

        def made(bounds: MovedBounds, partitions: int) -> Engine:
            sink = PostgresSink(SessionSettings(dsn=server, worker="one"), group, DEFAULT_BOUNDS, POLICY, bounds)
            sinks.enter_context(closing(sink)).open()
            return Engine(sink, pools(), group, TableName(schema, "t"), FIELDS, partitions=partitions)

        yield made


def doc(number: int) -> str:
    """A text of one length."""
    return f"{number:04}{DOC}"


def move_all(engine: Engine, rows: int, partitions: tuple[int, int] = (0, 0)) -> None:
    """Rows are made, then all get another key, in another partition maybe."""
    for number in range(rows):
        engine.change("c", {"id": number, "doc": doc(number)}, partition=partitions[0])
    for number in range(rows):
        new = {"id": 100 + number, "doc": UNAVAILABLE}
        engine.move({"id": number, "doc": doc(number)}, new, partitions=partitions)


def sizes(session: psycopg.Connection, engine: Engine) -> tuple[int, int]:
    """Rows and bytes that are kept, which are those that were noted."""
    noted = session.execute("SELECT rows, bytes FROM headrace.moved_sizes WHERE table_name = %s", [str(engine.table)])
    query = "SELECT count(*), coalesce(sum(pg_column_size(columns)), 0) FROM headrace.moved WHERE table_name = %s"
    there, found = session.execute(query, [str(engine.table)]).fetchone(), noted.fetchone()
    assert there is not None
    # as texts the columns may be compressed on disk
    assert found is not None
    assert found[0] == there[0]
    return int(found[0]), int(found[1])


@pytest.mark.provokes("table.moved")
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("bounds", BOUNDS)
def test_a_table_stops_in_front_of_what_does_not_fit(
    session: psycopg.Connection, engines: Engines, bounds: MovedBounds, size: int
) -> None:
    """While the creates stand still nothing is given up; when they have taken theirs it goes on by itself."""
    engine = engines(bounds, 2)
    move_all(engine, 12, (0, 1))
    engine.run(size, (0,))

    (failure,) = engine.stopped.values()
    assert failure.kind == "table.moved"
    rows, taken = sizes(session, engine)
    assert 2 <= rows <= bounds.rows
    assert taken <= bounds.bytes
    assert len(engine.rows(session)) == 12 - rows
    for _ in range(12):
        engine.start()
        engine.run(size, (1, 0))

    assert engine.rows(session) == [(100 + number, doc(number)) for number in range(12)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("bounds", BOUNDS)
def test_what_was_taken_makes_room(
    session: psycopg.Connection, engines: Engines, bounds: MovedBounds, size: int
) -> None:
    """Any number of keys may change while their creates follow."""
    engine = engines(bounds, 1)
    move_all(engine, 30)
    engine.run(size)

    assert engine.rows(session) == [(100 + number, doc(number)) for number in range(30)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])
    rows, taken = sizes(session, engine)
    assert (rows, taken) <= (bounds.rows, bounds.bytes)


def test_time_makes_room(session: psycopg.Connection, engines: Engines) -> None:
    """What is deleted after its time does not count any more."""
    engine = engines(MovedBounds(rows=10), 1)
    move_all(engine, 5)
    engine.run()
    assert sizes(session, engine)[0] == 5
    session.execute("UPDATE headrace.moved SET kept_at = now() - interval '2 hours'")
    engine._sink.prune(Retention(moved=1.0))

    assert sizes(session, engine) == (0, 0)


def test_only_those_that_wait_for_rows_are_let_go(sink: PostgresSink, group: str) -> None:
    """A partition that its topic got later waits for the older ones' rows, whatever these wait for."""
    full, late, refused = (TopicPartition(f"{group}.topic", number) for number in range(3))
    starts = {full: Start(offset=0), late: Start(offset=0, wait_for={"0": 9}), refused: Start(offset=0)}
    taken = {part.at: part for part in sink.take(starts)}
    sink.wait(refused, taken[refused].epoch, {"0": 9, "1": 5})
    sink.stop(full, taken[full].epoch, failed(KINDS["table.moved"], "postgres", "keep", "full"))

    waits = {stored.at: stored.wait_for for stored in sink.stored()}
    assert waits == {full: None, late: {"0": 9}, refused: {"1": 5}}
