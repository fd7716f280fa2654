"""Letters are locked in one order, by digest and offset, so that no two who need several wait for each other."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import psycopg
import pytest

from consumer.core.letters import State, Verdict
from consumer.core.plan import TableName
from consumer.edges.postgres import standing
from consumer.edges.postgres.sink import PostgresSink
from consumer.stack.waiting import wait_until
from dlq.actions import discard, replay
from tests.pg.landing import ID, Landing

_IN_ORDER = 'SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY digest_a, digest_b, "offset"'
_LOCK = "SELECT FROM headrace.letters WHERE id = %s FOR UPDATE"
_WAITS = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
Action = Callable[[psycopg.Connection, str, Sequence[int]], object]


def settles(state: State) -> Action:
    """The newest one has come back, and this becomes of it."""
    return lambda other, _, ids: standing.settle(other, Verdict(id=ids[-1], attempt=1, state=state))


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """A topic of a table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY)")
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), [ID])


def meets(server: str, session: psycopg.Connection, group: str, act: Action) -> None:
    """A batch has met a letter and meets the next one while somebody else acts on both. Raises what that raises."""
    order = [row[0] for row in session.execute(_IN_ORDER, (group,))]
    # the later one has the smaller id, if there are many
    ids = next((pair for pair in pairwise(order) if pair[0] > pair[1]), order)
    with psycopg.connect(server) as batch, psycopg.connect(server) as other, ThreadPoolExecutor(1) as thread:
        # rows are found as they lie, which is in the order of their ids
        other.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
        batch.execute(_LOCK, (ids[0],))
        acted = thread.submit(act, other, group, ids)
        pid = other.info.backend_pid
        assert wait_until(lambda: session.execute(_WAITS, (pid,)).fetchone() is not None, 20)
        batch.execute(_LOCK, (ids[-1],))
        batch.rollback()
        acted.result(20)


@pytest.mark.parametrize("state", [State.HELD, State.APPLIED])
def test_a_letter_that_is_settled_comes_after_the_older_ones_of_its_row(
    server: str, session: psycopg.Connection, landing: Landing, group: str, state: State
) -> None:
    """A batch meets them from the oldest on."""
    landing.apply(("x", {"id": 1}))
    landing.apply(("x", {"id": 1}))
    session.execute("UPDATE headrace.letters SET state = 'retrying' WHERE group_name = %s", (group,))

    meets(server, session, group, settles(state))


@pytest.mark.parametrize(
    "act", [replay, lambda other, group, ids: discard(other, group, ids, "enough")], ids=["replay", "discard"]
)
def test_letters_that_are_acted_on_together_are_locked_in_the_order_of_their_rows(
    server: str, session: psycopg.Connection, landing: Landing, group: str, act: Action
) -> None:
    """Which is not the one of their ids."""
    for number in range(20):
        landing.apply(("x", {"id": number}))

    meets(server, session, group, act)
