"""What recoveries wait for: positions that move on, also behind a stop that heals by itself, and no others."""

import psycopg
import pytest

from consumer.core.workflow import Outcome, Turn
from consumer.edges.postgres.workflows import PostgresWorkflows
from tests.pg.conftest import Pools
from tests.pg.recovering import Group
from tests.pg.turning_child import acts


@pytest.fixture
def the(session: psycopg.Connection, server: str, pools: Pools, group: str) -> Group:
    """A group."""
    return Group(session, server, pools(), group)


@pytest.mark.parametrize("kind", ["table.missing", "table.paused", "table.truncate", "of.another.version"])
def test_a_partition_that_stops_is_not_waited_for(the: Group, kind: str) -> None:
    """It is said which, and why."""
    the.known()
    number = the.start("rewind", partition=0, to="20")
    takes = PostgresWorkflows(the.pool, the.name, acts(the.name, {}))
    for _ in range(2):
        the.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        takes.turn(number)
    the.stop(kind)
    stopped = the.taken(number)
    assert (stopped.state, kind in stopped.why) == ("stopped", True)


def test_a_partition_that_goes_on_by_itself_is_waited_for(the: Group) -> None:
    """Nobody need do anything. It is told meanwhile what it waits for."""
    the.known()
    number = the.start("rewind", partition=0, to="20")
    takes = PostgresWorkflows(the.pool, the.name, acts(the.name, {}))

    def turn() -> Turn:
        the.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        turned = takes.turn(number)
        assert turned is not None
        return turned.turn

    turn()
    turn()
    the.stop("table.busy")
    assert (turn().outcome, turn().progress["stopped"]) == (Outcome.GOES_ON, {"0": "table.busy"})
    the.stop(None)
    assert "stopped" not in turn().progress
    assert the.taken(number).state == "done"
