"""A batch whose COMMIT got no answer is told as what it was found to be, by whoever hears of answered ones."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from structlog.testing import capture_logs

from consumer.core.target import TableName
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.facts import Fact, Numbered
from consumer.ports.refusals import CommitUnknown, DataFault
from consumer.ports.target import Outcome
from consumer.telemetry import journeys
from tests.pg.landing import ID, Change, Landing
from tests.real.engine.wire import Hold, Proxy, cutting
from tests.unit.counted import counted

FIELDS = [ID, {"name": "n", "type": "int"}]
# the target refuses the second, the third can't be read
CHANGES: tuple[Change, ...] = (("c", {"id": 1, "n": 1}), ("c", {"id": 2, "n": -1}), ("x", {"id": 3, "n": 1}))
ROOM = 10


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    """Between the worker and its target."""
    with Proxy(server) as opened:
        yield opened


@pytest.fixture
def sink(proxy: Proxy, group: str) -> Iterator[PostgresSink]:
    """A session through it."""
    with closing(PostgresSink(SessionSettings(dsn=proxy.dsn, worker="in doubt"), group)) as opened:
        opened.open()
        opened.seed({})
        yield opened


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """The topic of a table that has refused a row lately, so that it is left out of its batch."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int CHECK (n >= 0))")
    made = Landing(sink, TableName(schema, "t"), FIELDS)
    with pytest.raises(DataFault):
        sink.apply(made.plan(CHANGES[1]))
    return made


def applied(sink: PostgresSink, landing: Landing, *changes: Change) -> None:
    """Apply changes, with room for letters."""
    plan = landing.plan(*changes)
    landing.next_offset = plan.slices[0].end
    sink.apply(plan, {landing.at: ROOM})


def in_doubt(sink: PostgresSink, landing: Landing, hold: Hold, *changes: Change) -> Outcome:
    """The same with a session that is cut at its COMMIT; returns what the batch was found to be."""
    with cutting(hold), pytest.raises(CommitUnknown) as unknown:
        applied(sink, landing, *changes)
    sink.open()
    return sink.resolve(unknown.value.applied, unknown.value.failure)


def told(heard: list[Fact]) -> tuple[dict[str, float], list[tuple[str, str]]]:
    """What is counted of facts, and which lines letters have; no times, and nothing of how often COMMIT was timed."""
    counts = {
        series: value
        for series, value in counted(heard).items()
        if not series.endswith(("seconds_sum[]", "bytes_sum[]")) and "step_seconds" not in series
    }
    with capture_logs() as lines:
        for fact in heard:
            journeys.say(fact)
    return counts, [(line["event"], line["kind"]) for line in lines]


def test_one_that_was_committed_is_told_as_if_it_had_been_answered(
    sink: PostgresSink, landing: Landing, proxy: Proxy
) -> None:
    """Its records, tables, latencies and letters, among them those that only the target found: each once."""
    answered: list[Fact] = []
    sink.tell = answered.append
    applied(sink, landing, *CHANGES)
    heard: list[Fact] = []
    sink.tell = heard.append

    assert in_doubt(sink, landing, proxy.after("^COMMIT"), *CHANGES) is Outcome.COMMITTED
    assert [type(fact).__name__ for fact in heard] == ["Numbered", "Committed"]
    assert told(heard) == told(answered)
    lines = told(heard)[1]
    assert sorted(kind for _, kind in lines) == ["record.check", "record.decode"]


def test_one_that_was_not_committed_is_told_as_undone(sink: PostgresSink, landing: Landing, proxy: Proxy) -> None:
    """Once, and nothing of its letters; applied again it is the same row of the ledger."""
    heard: list[Fact] = []
    sink.tell = heard.append
    start = landing.next_offset
    assert in_doubt(sink, landing, proxy.before("^COMMIT"), *CHANGES) is Outcome.NOT_COMMITTED
    landing.next_offset = start
    applied(sink, landing, *CHANGES)

    assert [type(fact).__name__ for fact in heard] == ["Numbered", "Undone", "Numbered", "Committed"]
    assert heard[0] == heard[2]


def test_the_next_batch_is_a_new_row_of_the_ledger(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, proxy: Proxy, group: str
) -> None:
    """Even over the same records, as after a position that was set back."""
    heard: list[Fact] = []
    sink.tell = heard.append
    start = landing.next_offset
    in_doubt(sink, landing, proxy.after("^COMMIT"), CHANGES[0])
    session.execute("UPDATE headrace.positions SET next_offset = %s WHERE group_name = %s", (start, group))
    landing.next_offset = start
    applied(sink, landing, CHANGES[0])

    numbers = {fact.batch for fact in heard if isinstance(fact, Numbered)}
    assert len(numbers) == 2
