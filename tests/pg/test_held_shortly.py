"""A turn that asks others may be idle for long; one that holds what batches wait for may not."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from consumer.core.workflow import Task, Turn
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.workflows import Act, PostgresWorkflows
from tests.pg import undoing
from tests.pg.conftest import Pools
from tests.pg.recovering import Group
from tests.pg.turning_child import acts

_IDLE = "SHOW idle_in_transaction_session_timeout"
# what a session's own is
_OWN = 7.0


def watched(program: Mapping[str, Act], wanted: str) -> tuple[dict[str, Act], list[tuple[str, ...]]]:
    """The program's acts, and how long the session may be idle in front of the wanted one and behind it."""
    seen: list[tuple[str, ...]] = []

    def act(connection: psycopg.Connection, task: Task) -> Turn:
        before = connection.execute(_IDLE).fetchone()
        turn = program[wanted](connection, task)
        after = connection.execute(_IDLE).fetchone()
        assert before is not None
        assert after is not None
        seen.append((before[0], after[0]))
        return turn

    return {**program, wanted: act}, seen


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("move", {"kind": "rewind", "to": "20"}), ("skip", {"kind": "skip", "first": 50, "to": 52})],
)
def test_a_position_that_is_to_be_set_is_held_as_long_as_a_session_may(
    session: psycopg.Connection, server: str, pools: Pools, group: str, kind: str, subject: dict[str, Any]
) -> None:
    """Its process may stand still, or its machine be gone."""
    the = Group(session, server, pools(batch_deadline=_OWN), group)
    the.known()
    number = the.start(**subject, partition=0)
    watches, seen = watched(acts(group, {}), kind)
    assert PostgresWorkflows(the.pool, group, watches).turn(number) is not None
    assert seen == [("10min", "7s")]


def test_a_batch_that_is_taken_back_is_held_as_long_as_a_session_may(
    session: psycopg.Connection, server: str, group: str, schema: str, sink: PostgresSink, pools: Pools
) -> None:
    """Its records are read before, however long that takes."""
    the = undoing.Scene(session, server, group, schema, sink, pools(batch_deadline=_OWN))
    the.begin().batch(("c", None, {"id": 1, "word": "a", "price": 1.0}))
    number = the.start(apply=True)
    watches, seen = watched(the.acts(), "look")
    assert PostgresWorkflows(the.pool, group, watches).turn(number) is not None
    assert seen == [("10min", "7s")]
