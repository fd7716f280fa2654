"""Comparisons that a rule begins: one at a time, so long after the last one, whoever began that."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from consumer.background.working import Working
from consumer.core.flags import Flag
from consumer.edges.postgres import flags
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.starting import BY_RULE, compare_again
from consumer.ports.desk import Note
from tests.pg.conftest import Pools

HOURS = 24.0


@pytest.fixture
def group(session: psycopg.Connection, group: str) -> str:
    """A group with two tables."""
    for name in ("a", "b"):
        session.execute(
            "INSERT INTO headrace.target_tables VALUES (%s, %s, %s)", (group, f"public.{group}-{name}", name)
        )
    return group


def begun(session: psycopg.Connection, group: str) -> list[tuple[str, str, int]]:
    """Who began which workflows, and of how many tables."""
    query = """SELECT kind, created_by, (SELECT count(*) FROM headrace.workflow_steps WHERE workflow_id = id)
        FROM headrace.workflows WHERE group_name = %s ORDER BY id"""
    return session.execute(query, (group,)).fetchall()


def over(session: psycopg.Connection, group: str, hours: float) -> None:
    """All of them have ended, and were begun so long ago."""
    session.execute(
        """UPDATE headrace.workflows SET state = 'done', ended_at = now(),
        created_at = now() - make_interval(secs => %s) WHERE group_name = %s""",
        (hours * 3600, group),
    )


def test_one_is_begun_when_the_last_one_is_long_enough_ago(session: psycopg.Connection, group: str) -> None:
    """Not while one is open, nor too soon."""
    assert compare_again(session, group, HOURS) is not None
    session.execute(
        "UPDATE headrace.workflows SET created_at = now() - interval '9 days' WHERE group_name = %s", (group,)
    )
    assert compare_again(session, group, HOURS) is None
    over(session, group, HOURS - 1)
    assert compare_again(session, group, HOURS) is None
    over(session, group, HOURS + 1)
    assert compare_again(session, group, HOURS) is not None
    assert begun(session, group) == [("reconcile", BY_RULE.actor, 2)] * 2


def test_of_many_processes_one_begins_it(server: str, session: psycopg.Connection, group: str) -> None:
    """They all look each minute."""

    def asked(_: int) -> int | None:
        with connect(SessionSettings(dsn=server, worker="w")) as own:
            return compare_again(own, group, HOURS)

    with ThreadPoolExecutor(8) as pool:
        found = [number for number in pool.map(asked, range(8)) if number is not None]
    assert (len(found), len(begun(session, group))) == (1, 1)


def test_none_is_begun_while_it_is_switched_off_or_there_is_nothing(session: psycopg.Connection, group: str) -> None:
    """And nothing is left of the try."""
    assert compare_again(session, f"{group}-empty", HOURS) is None
    flags.put(session, group, Flag.RECONCILIATION, False, Note("me", "the source is busy"))
    assert compare_again(session, group, HOURS) is None
    assert begun(session, group) == []


def test_whoever_takes_turns_asks_the_rule_once_a_minute(pools: Pools, group: str) -> None:
    """And not with each turn."""
    asked: list[int] = []

    class Nothing:
        """No workflow is due."""

        def turn(self, only: int | None = None) -> None:
            """None."""

    working = Working(Nothing(), lambda: asked.append(1))
    working._cadence._due = 0.0
    working.turn(0.0)
    working._cadence._due = 0.0
    working.turn(0.0)
    assert asked == [1]
