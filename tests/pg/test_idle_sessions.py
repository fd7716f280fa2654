"""Sessions that people's questions have one after the other: nobody meets what another one left."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import psycopg
import pytest

from consumer.core.failure import HeadraceError
from consumer.edges.postgres.idle import LIFETIME, IdleSessions
from consumer.edges.postgres.session import SessionSettings


class Clock:
    """Goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At its start."""
    return Clock()


@pytest.fixture
def idle(clock: Clock) -> Iterator[IdleSessions]:
    """Two at the most."""
    made = IdleSessions(2, clock)
    yield made
    made.close()


@pytest.fixture
def settings(server: str) -> SessionSettings:
    """Of a person's session."""
    return SessionSettings(dsn=server, worker="admin", writes=False)


def pid(idle: IdleSessions, settings: SessionSettings) -> int:
    """Of the session that the next question has."""
    with idle.lent(settings) as session:
        ((found,),) = session.execute("SELECT pg_backend_pid()").fetchall()
    return int(found)


def test_a_session_is_used_again_until_it_is_old(idle: IdleSessions, settings: SessionSettings, clock: Clock) -> None:
    """By questions that want one that is set up so."""
    first = pid(idle, settings)
    assert pid(idle, settings) == first
    assert pid(idle, replace(settings, batch_deadline=7.0)) != first
    assert pid(idle, settings) == first
    clock.now += LIFETIME + 1
    assert pid(idle, settings) != first


def test_two_questions_at_a_time_have_two_sessions(idle: IdleSessions, settings: SessionSettings) -> None:
    """Each its own."""
    with idle.lent(settings) as one, idle.lent(settings) as other:
        assert one.info.backend_pid != other.info.backend_pid
    assert pid(idle, settings) in (one.info.backend_pid, other.info.backend_pid)


def test_what_was_left_in_a_transaction_is_closed(idle: IdleSessions, settings: SessionSettings) -> None:
    """For nobody is to meet it."""
    with idle.lent(settings) as left:
        left.execute("BEGIN")
    assert left.closed
    # a statement that failed by itself costs nothing
    with idle.lent(settings) as kept, pytest.raises(psycopg.Error):
        kept.execute("SELECT 1 / 0")
    assert pid(idle, settings) == kept.info.backend_pid


def test_a_session_that_the_server_has_ended_is_not_lent(
    idle: IdleSessions, settings: SessionSettings, session: psycopg.Connection
) -> None:
    """Whoever asks next does not notice."""
    first = pid(idle, settings)
    session.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    assert pid(idle, settings) != first


def test_no_more_are_open_than_may_be(
    idle: IdleSessions, settings: SessionSettings, session: psycopg.Connection
) -> None:
    """What is idle and does not fit makes room."""
    name = f"idle {next(_numbers)}"
    for number in range(1, 5):
        pid(idle, replace(settings, worker=name, batch_deadline=float(number)))
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    ((number,),) = session.execute(query, (f"headrace {name}",)).fetchall()
    assert number <= 2


def test_one_that_can_not_be_opened_takes_no_place(idle: IdleSessions, settings: SessionSettings) -> None:
    """However often."""
    for _ in range(5):
        with pytest.raises(HeadraceError), idle.lent(replace(settings, dsn="host=127.0.0.1 port=1 connect_timeout=1")):
            raise AssertionError
    first = pid(idle, settings)
    assert pid(idle, settings) == first


def test_nothing_is_kept_behind_the_end(settings: SessionSettings) -> None:
    """Nor what comes back later."""
    idle = IdleSessions(2)
    with idle.lent(settings) as late:
        idle.close()
    assert late.closed


_numbers = count()
