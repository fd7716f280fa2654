"""The pool of a worker: few sessions, checked, opened when needed, and what happens when there is none."""

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from consumer.core.breaking import BreakerLimits
from consumer.core.failure import Persistent, Transient
from consumer.edges import descriptors
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.session import application_name
from consumer.edges.postgres.translate import translated
from tests.pg.conftest import Pools

_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"


def pid(session: psycopg.Connection) -> int:
    """Which of the pool's sessions answers."""
    return session.info.backend_pid


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A worker of this test alone."""
    return f"pool-{request.node.name}"[:40]


@pytest.fixture
def open_sessions(session: psycopg.Connection, name: str) -> Callable[[], list[int]]:
    """Which sessions the server has of the worker."""
    return lambda: [row[0] for row in session.execute(_SESSIONS, (application_name(name),))]


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Where connections are refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"host=127.0.0.1 port={held.getsockname()[1]} user=nobody dbname=nothing"


@contextmanager
def few_files() -> Iterator[None]:
    """The process has nearly all files open that it may have, and could still open some."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(Path(os.devnull).open())
        resource.setrlimit(resource.RLIMIT_NOFILE, ((descriptors.held() or 0) + 8, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_no_further_session_is_opened_when_files_are_scarce(pools: Pools, name: str) -> None:
    """Those that there are answer; what is asked beside them fails with what to do, before the system says no."""
    pool, other = pools(worker=name), pools(worker=name, connect_timeout=2)
    assert pool.ask(pid)
    with few_files():
        assert pool.ask(pid)
        with pytest.raises(Transient, match="files and sockets are open") as refused:
            other.ask(pid)
        assert "ulimit" in refused.value.failure.remedy
    assert other.ask(pid)


def test_sessions_are_opened_when_needed_and_shared(
    pools: Pools, name: str, open_sessions: Callable[[], list[int]]
) -> None:
    """None at first, one for questions one after the other, all gone when it is closed."""
    pool = pools(worker=name)
    assert open_sessions() == []
    assert len({pool.ask(pid) for _ in range(5)}) == 1
    assert len(open_sessions()) == 1
    pool.close()
    gone = time.monotonic() + 60
    while open_sessions():
        assert time.monotonic() < gone

    with pytest.raises(Transient):
        pool.ask(pid)


def test_sessions_are_as_all_of_ours(pools: Pools) -> None:
    """In UTC, with timeouts, and not waiting for the disk."""
    names = ("TimeZone", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")
    answer = pools(batch_deadline=7).ask(lambda session: [_shown(session, name) for name in names])

    assert answer == ["UTC", "7s", "7s", "off"]


def _shown(session: psycopg.Connection, name: str) -> str:
    row = session.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def test_sessions_that_were_killed_are_noticed_before_they_are_given_out(
    pools: Pools, session: psycopg.Connection, name: str
) -> None:
    """Nobody's question meets one."""
    pool = pools(worker=name)
    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        old = set(threads.map(lambda _: pool.ask(lambda one: (both.wait(10), pid(one))[1]), range(2)))
    assert len(old) == 2
    session.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::int[]) AS pid", (list(old),))

    assert not {pool.ask(pid) for _ in range(3)} & old


def test_a_session_that_lives_is_given_out_without_asking_it(
    pools: Pools, session: psycopg.Connection, name: str
) -> None:
    """A journey for each question would double what the short ones cost."""
    pool = pools(worker=name)
    pool.ask(lambda one: one.execute("SELECT 'the question'"))
    pool.ask(pid)

    query = "SELECT query FROM pg_stat_activity WHERE application_name = %s"
    assert session.execute(query, (application_name(name),)).fetchall() == [("SELECT 'the question'",)]


def test_a_session_lost_in_the_middle_is_no_others_loss(pools: Pools, session: psycopg.Connection) -> None:
    """Its question fails for a time, the next one is answered."""
    pool = pools()

    def killed(one: psycopg.Connection) -> None:
        session.execute("SELECT pg_terminate_backend(%s, 10000)", (pid(one),))
        with translated("ask"):
            one.execute("SELECT 1")

    with pytest.raises(Transient) as caught:
        pool.ask(killed)
    assert type(caught.value) is Transient
    assert caught.value.failure.kind == "target.connection"
    assert pool.ask(pid)


@pytest.mark.provokes("target.pool")
def test_more_questions_than_sessions_wait_for_one_another(pools: Pools) -> None:
    """For a time, which has an end."""
    pool = pools(size=1, connect_timeout=1)
    asked, done = threading.Event(), threading.Event()

    def long(_: psycopg.Connection) -> None:
        asked.set()
        assert done.wait(20)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.ask, long)
        assert asked.wait(10)
        with pytest.raises(Transient) as caught:
            pool.ask(pid)
        done.set()
        first.result(10)

    assert caught.value.failure.kind == "target.pool"
    assert "target.pool_size" in caught.value.failure.remedy
    assert pool.ask(pid)


def test_a_refused_connection_is_told_at_once(pools: Pools, nowhere: str) -> None:
    """With the server's reason, and long before the timeout."""
    began = time.monotonic()
    with pytest.raises(Transient) as caught:
        pools(dsn=nowhere, connect_timeout=60).ask(pid)

    assert time.monotonic() - began < 30
    assert caught.value.failure.kind == "target.connection"
    assert "refused" in caught.value.failure.detail


def test_a_server_that_does_not_answer_is_not_waited_for_long(pools: Pools) -> None:
    """The connection is made, and then nothing comes."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        dsn = f"host=127.0.0.1 port={deaf.getsockname()[1]} user=nobody dbname=nothing"
        with pytest.raises(Transient) as caught:
            pools(dsn=dsn, connect_timeout=2).ask(pid)

    assert caught.value.failure.kind == "target.connection"


def test_after_some_failures_nobody_knocks_any_more(pools: Pools, nowhere: str) -> None:
    """The breaker in front of it opens."""
    breaker = CircuitBreaker("target", BreakerLimits(failures=3, reset=60))
    pool = pools(dsn=nowhere, breaker=breaker)
    for _ in range(6):
        with pytest.raises(Transient):
            pool.ask(pid)
    status = breaker.status()

    assert (status.state, status.failures) == ("open", 3)


def test_a_wrong_database_is_for_a_person(pools: Pools, server: str) -> None:
    """Time does not heal it."""
    with pytest.raises(Persistent) as caught:
        pools(dsn=psycopg.conninfo.make_conninfo(server, dbname="nothing")).ask(pid)

    assert caught.value.failure.kind == "target.login"
