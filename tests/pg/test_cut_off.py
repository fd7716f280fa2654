"""A workflow's turn in a process that is to end: it comes to nothing at once, and another process takes it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from consumer.core.workflow import Task, Turn
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import Act, PostgresWorkflows
from consumer.ports.desk import Note
from consumer.ports.workflows import CutOff
from tests.pg.comparing import Scene, opened
from tests.pg.conftest import Pools

# of a statement that nobody waits for
_LONG = 60
_STATE = "SELECT state, taken, why, due_at <= clock_timestamp() FROM headrace.workflows WHERE id = %s"


@pytest.fixture
def number(session: psycopg.Connection, server: str, group: str) -> int:
    """A comparison that is due."""
    session.execute("INSERT INTO headrace.target_tables VALUES (%s, 'a.b', 't')", (group,))
    with closing(PostgresRecoveries(SessionSettings(dsn=server, worker="desk"), group)) as desk:
        return desk.start("reconcile", {"tables": ["a.b"]}, Note("me", "ticket 1"))


@pytest.fixture
def scene(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Scene]:
    """Two schemas."""
    with opened(session, server, pools(), group, schema) as made:
        yield made


@contextmanager
def cutting(begun: threading.Event, *cuts: Callable[[], None]) -> Iterator[None]:
    """Cut, again and again, from when it has begun."""
    over = threading.Event()

    def cut() -> None:
        begun.wait(30)
        while not over.wait(0.05):
            for one in cuts:
                one()

    thread = threading.Thread(target=cut, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def taking(pool: TargetPool, group: str, act: Act) -> PostgresWorkflows:
    """A process that takes turns of comparisons."""
    return PostgresWorkflows(pool, group, {"reconcile": act})


def test_a_turn_is_cut_off_in_its_statement_and_is_the_next_ones(
    session: psycopg.Connection, pools: Pools, group: str, number: int
) -> None:
    """At once, with nothing counted and nothing said."""
    begun = threading.Event()

    def act(connection: psycopg.Connection, task: Task) -> Turn:
        connection.execute("UPDATE headrace.workflows SET reason = 'half a turn' WHERE id = %s", (task.workflow,))
        begun.set()
        connection.execute("SELECT pg_sleep(%s)", (_LONG,))
        raise AssertionError

    takes = taking(pools(batch_deadline=_LONG), group, act)
    with cutting(begun, takes.cut):
        assert takes.turn(number) is None
    assert session.execute(_STATE, (number,)).fetchone() == ("planned", 0, "", True)
    assert takes.turn(number) is None
    other = taking(pools(), group, lambda *_: Turn(progress={}))
    assert other.turn(number) is not None


def test_a_turn_that_waits_for_the_source_is_cut_off(scene: Scene) -> None:
    """The source leaves the statement too."""
    scene.make("id int PRIMARY KEY", "id int PRIMARY KEY")
    number, takes = scene.start(), scene.workflows()
    assert takes.turn(number) is not None
    begun = threading.Event()
    with psycopg.connect(scene.server) as other:
        other.execute(f"LOCK TABLE {scene.theirs}.t".encode())
        begun.set()
        with cutting(begun, takes.cut, scene.opened[-1].cut):
            assert takes.turn(number) is None
    assert scene.session.execute(_STATE, (number,)).fetchone() == ("running", 0, "", True)


def test_a_turn_may_end_itself_where_no_server_is_asked(
    session: psycopg.Connection, pools: Pools, group: str, number: int
) -> None:
    """As one that reads thousands of records."""

    def act(*_: object) -> Turn:
        raise CutOff

    takes = taking(pools(), group, act)
    assert takes.turn(number) is None
    assert session.execute(_STATE, (number,)).fetchone() == ("planned", 0, "", True)
