"""No two who need several letters wait for each other.

They are locked in one order, those of no row first, then by digest and offset; who publishes copies locks none while it
waits for another.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import psycopg
import pytest

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.letters import State, Verdict
from consumer.core.plan import Truncate
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres import standing, truncating
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.session import application_name
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.letters import Posted
from consumer.stack.waiting import wait_until
from dlq.actions import discard, replay
from tests.pg.conftest import Pools
from tests.pg.landing import ID, Landing

_IN_ORDER = 'SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY digest_a, digest_b, "offset"'
_LOCK = "SELECT FROM headrace.letters WHERE id = %s FOR UPDATE"
_WAITS = "SELECT 1 FROM pg_stat_activity WHERE %s IN (pid::text, application_name) AND wait_event_type = 'Lock'"
# rows are found as they lie, which is in the order of their ids
_AS_THEY_LIE = "-c enable_indexscan=off -c enable_bitmapscan=off"
AWAY = failed(KINDS["kafka.letters"], "kafka", "publish letter", "away")
Action = Callable[[psycopg.Connection, str, Sequence[int]], object]


def truncates(other: psycopg.Connection, group: str, ids: Sequence[int]) -> None:
    """The source has emptied the table behind these letters, and all others of their topic."""
    query = "SELECT table_name, topic, partition FROM headrace.letters WHERE id = ANY (%s)"
    table, *at = other.execute(query, (list(ids),)).fetchall()[0]
    ref = RecordRef(TopicPartition(*at), 1000)
    truncating.truncate(other, group, Truncate(table=TableName(*table.split(".")), refs=(ref,)))


def settles(state: State) -> Action:
    """The newest one has come back, and this becomes of it."""
    return lambda other, _, ids: standing.settle(other, [Verdict(id=ids[-1], attempt=1, state=state)])


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """A topic of a table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY)")
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), [ID])


def meets(server: str, session: psycopg.Connection, group: str, act: Action) -> None:
    """A batch has met a letter and meets the next one while somebody else acts on both. Raises what that raises."""
    ids = against_their_ids(session, group)
    with psycopg.connect(server, options=_AS_THEY_LIE) as other:
        crosses(server, session, ids, str(other.info.backend_pid), lambda: act(other, group, ids))


def against_their_ids(session: psycopg.Connection, group: str) -> Sequence[int]:
    """Two letters in the order of their rows; the later one has the smaller id, if there are many."""
    order = [row[0] for row in session.execute(_IN_ORDER, (group,))]
    return next((pair for pair in pairwise(order) if pair[0] > pair[1]), order)


def crosses(server: str, session: psycopg.Connection, ids: Sequence[int], name: str, act: Callable[[], object]) -> None:
    """A batch has the first letter and wants the last, while a session of this pid or name waits for the first."""
    with psycopg.connect(server) as batch, ThreadPoolExecutor(1) as thread:
        batch.execute(_LOCK, (ids[0],))
        acted = thread.submit(act)
        assert wait_until(lambda: acted.done() or session.execute(_WAITS, (name,)).fetchone() is not None, 20)
        assert not acted.done(), acted.exception()
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
    "act",
    [replay, lambda other, group, ids: discard(other, group, ids, "enough"), truncates],
    ids=["replay", "discard", "truncate"],
)
def test_letters_that_are_acted_on_together_are_locked_in_the_order_of_their_rows(
    server: str, session: psycopg.Connection, landing: Landing, group: str, act: Action
) -> None:
    """Which is not the one of their ids."""
    for number in range(20):
        landing.apply(("x", {"id": number}))

    meets(server, session, group, act)


@pytest.mark.parametrize(
    "act",
    [
        replay,
        lambda other, group, ids: discard(other, group, ids, "enough"),
        truncates,
        lambda other, _, ids: standing.settle(
            other, [Verdict(id=number, attempt=1, state=State.DEAD, failure=AWAY) for number in ids]
        ),
    ],
    ids=["replay", "discard", "truncate", "settle"],
)
def test_letters_of_no_row_are_locked_in_front_of_those_of_rows(
    server: str, session: psycopg.Connection, landing: Landing, group: str, act: Action
) -> None:
    """A batch that reads their records again locks them before it meets its rows' letters."""
    landing.apply(("x", {"id": 1}), ("x", {"id": 2}))
    placed, unplaced = every(session, group)
    query = "UPDATE headrace.letters SET digest_a = NULL, digest_b = NULL, row_types = NULL WHERE id = %s"
    session.execute(query, (unplaced,))
    ids = [unplaced, placed]

    with psycopg.connect(server) as other:
        crosses(server, session, ids, str(other.info.backend_pid), lambda: act(other, group, ids))


@pytest.fixture
def outbox(server: str, landing: Landing, pools: Pools, group: str) -> PostgresOutbox:
    """Of twenty letters, all of them claimed; it waits two seconds for a lock."""
    for number in range(20):
        landing.apply(("x", {"id": number}))
    dsn = psycopg.conninfo.make_conninfo(server, options=_AS_THEY_LIE)
    outbox = PostgresOutbox(pools(worker="post", dsn=dsn, batch_deadline=2.0), group)
    assert len(outbox.claim(20, 3600)) == 20
    return outbox


def test_copies_are_confirmed_without_a_letter_that_others_wait_for(
    server: str, session: psycopg.Connection, outbox: PostgresOutbox, group: str
) -> None:
    """What a batch has locked is waited for when everything else is confirmed."""
    ids = against_their_ids(session, group)
    done = [
        Posted(id=number, attempt=1, topic="g.dlq", partition=0, offset=1) for number in sorted(every(session, group))
    ]

    crosses(server, session, ids, application_name("post"), lambda: outbox.confirm(done))

    query = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = 1"
    assert session.execute(query, (group,)).fetchall() == [(20,)]


def test_copies_are_given_back_without_what_others_have_locked(
    server: str, session: psycopg.Connection, outbox: PostgresOutbox, group: str
) -> None:
    """Its claim runs out; nobody is waited for."""
    numbers = every(session, group)
    with psycopg.connect(server) as batch:
        batch.execute(_LOCK, (numbers[7],))
        outbox.confirm([Posted(id=number, attempt=1, topic="g.dlq", failure=AWAY) for number in numbers])

        assert len(outbox.claim(20, 3600)) == 19


def test_copies_are_published_again_without_what_others_have_locked(
    server: str, session: psycopg.Connection, outbox: PostgresOutbox, group: str
) -> None:
    """That is looked at the next time."""
    numbers = every(session, group)
    outbox.confirm([Posted(id=number, attempt=1, topic="g.dlq", partition=0, offset=1) for number in numbers])
    overdue = "due_at = now() - interval '2 hours', published_at = now() - interval '1 hour'"
    session.execute(f"UPDATE headrace.letters SET state = 'retrying', {overdue} WHERE group_name = %s", (group,))
    with psycopg.connect(server) as batch:
        batch.execute(_LOCK, (numbers[7],))
        assert outbox.republish() == 19
    assert outbox.republish() == 1


def every(session: psycopg.Connection, group: str) -> list[int]:
    """All letters of a group, by id."""
    return [
        row[0] for row in session.execute("SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY id", (group,))
    ]
