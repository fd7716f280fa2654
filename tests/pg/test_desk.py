"""What people ask and decide: batches, positions, letters of a topic made anew, and the commands around them."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import psycopg
import pytest
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core import waiting
from consumer.core.decision import Decision, Held, LogNow, Undecidable, decide
from consumer.core.failure import Refused, Transient, failed, located
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.desk import Note, Page
from consumer.ports.refusals import Fenced
from consumer.ports.target import Start
from consumer.recovery.moving import Looked, MovedPositions, Wish
from dlq.actions import discard
from tests.pg.landing import ID, Landing

NOTE = Note("me@here", "the source emptied it")
LOG = LogNow(start=0, end=100, topic_id="new")


@pytest.fixture
def landing(session: psycopg.Connection, schema: str, sink: PostgresSink) -> Landing:
    """A topic of a table, its partition taken."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY)")
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), [ID])


@pytest.fixture
def desk(server: str, group: str) -> Iterator[PostgresDesk]:
    """A desk of the group."""
    with closing(PostgresDesk(SessionSettings(dsn=server, worker="desk"), group, discard)) as opened:
        yield opened


def fail(session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str) -> None:
    """A batch that meets a lock."""
    session.execute("BEGIN")
    session.execute("SELECT 1 FROM headrace.positions WHERE group_name = %s FOR UPDATE", (group,))
    sink._session().execute("SET lock_timeout = '50ms'")
    with pytest.raises(Transient):
        sink.apply(landing.plan(("c", {"id": 99}), ("x", {"id": 98})))
    session.execute("ROLLBACK")


def stop(sink: PostgresSink, landing: Landing, kind: str, offset: int) -> None:
    """The partition does not go on from there."""
    failure = located(failed(KINDS[kind], "c", "o", KINDS[kind].sign), landing.at, offset)
    sink.stop(landing.at, landing.taken.epoch, failure)


def test_batches_are_listed_newest_first_in_pages(desk: PostgresDesk, landing: Landing) -> None:
    """The next page begins behind the last id."""
    for number in range(5):
        landing.apply(("c", {"id": number}))
    first = desk.batches(Page(most=3))
    second = desk.batches(Page(most=3, before=first[-1].id))
    assert [[batch.ranges[0][2] for batch in page] for page in (first, second)] == [[4, 3, 2], [1, 0]]
    assert {batch.state for batch in first} == {"applied"}


def test_batches_are_found_by_state_topic_and_time(
    desk: PostgresDesk, landing: Landing, session: psycopg.Connection, sink: PostgresSink, group: str
) -> None:
    """Each narrows the list down."""
    landing.apply(("c", {"id": 1}))
    fail(session, sink, landing, group)
    now = datetime.now(UTC)
    found = {
        "failed": Page(state="failed"),
        "applied": Page(state="applied"),
        "abandoned": Page(state="abandoned"),
        "topic": Page(topic=landing.at.topic),
        "another topic": Page(topic="nothing"),
        "an hour": Page(since=now - timedelta(hours=1)),
        "the future": Page(since=now + timedelta(hours=1)),
    }
    counts = {name: len(desk.batches(page)) for name, page in found.items()}
    assert counts == {
        "failed": 1, "applied": 1, "abandoned": 0, "topic": 2, "another topic": 0, "an hour": 2, "the future": 0,
    }  # fmt: skip
    (batch,) = desk.batches(Page(state="failed"))
    assert batch.error is not None
    assert batch.error["kind"] == "target.locked"


def test_a_batch_says_what_became_of_its_ranges_and_letters(desk: PostgresDesk, landing: Landing) -> None:
    """Whose records are known by their origins."""
    landing.apply(("c", {"id": 1}))
    landing.apply(("c", {"id": 2}), ("x", {"id": 3}))
    newest, oldest = desk.batches(Page())
    assert [(part.start, part.end, part.now, part.passed) for part in desk.checkpoints(newest.id)] == [(1, 3, 3, True)]
    assert [(letter.offset, letter.state) for letter in desk.letters_of(newest.id, 10)] == [(2, "dead")]
    assert desk.letters_of(oldest.id, 10) == []
    assert desk.batch(newest.id) == newest
    assert desk.batch(newest.id + 1_000_000) is None


def test_letters_of_a_batch_come_in_its_order_open_and_closed_up_to_a_bound(
    session: psycopg.Connection, group: str, desk: PostgresDesk, landing: Landing
) -> None:
    """The first of them, whatever became of the second."""
    landing.apply(*(("x", {"id": number}) for number in range(3)))
    (batch,) = desk.batches(Page())
    discard(session, group, [desk.letters_of(batch.id, 10)[1].id], NOTE.reason)
    found = [(letter.offset, letter.state) for letter in desk.letters_of(batch.id, 10)]
    assert found == [(0, "dead"), (1, "discarded"), (2, "dead")]
    assert [letter.offset for letter in desk.letters_of(batch.id, 2)] == [0, 1]


def test_what_is_retried_is_asked_of_its_owner_until_it_is_taken(
    desk: PostgresDesk, sink: PostgresSink, landing: Landing
) -> None:
    """The reason of the stop is gone at once; who asked is kept."""
    stop(sink, landing, "table.missing", 0)
    assert sink.asked() == []
    assert desk.retry([landing.at, TopicPartition("nowhere", 0)], NOTE) == [landing.at]
    assert sink.asked() == [landing.at]
    (position,) = desk.positions(landing.at.topic, stopped=False, most=10)
    assert position.stopped is None
    sink.take({landing.at: Start(offset=0)})
    assert sink.asked() == []


def looked_at(wish: Wish, held: Held, log: LogNow) -> Looked:
    """What a person was shown."""
    decision = decide(wish.to, held, log, lambda first: 0, discard_letters=wish.discard_letters)
    return Looked(wish=wish, held=held, log=log, decision=decision)


def nobody() -> NoReturn:
    """Kafka is not asked once it was looked."""
    raise AssertionError


def test_a_position_that_is_set_fences_its_owner_and_is_kept_on_record(
    desk: PostgresDesk, sink: PostgresSink, landing: Landing, session: psycopg.Connection, group: str
) -> None:
    """A batch in flight writes nothing over it; who, when, why, from and to are there afterwards."""
    landing.apply(("c", {"id": 1}))
    plan = landing.plan(("c", {"id": 2}))
    stop(sink, landing, "table.truncate", 4)
    held = desk.held(landing.at)
    assert held == Held(next_offset=1, kind="table.truncate", offset=4)
    log = replace(LOG, topic_id=None)
    looked = looked_at(Wish(at=landing.at, to="skip"), held, log)
    moved = MovedPositions(desk, nobody).move(looked, NOTE)

    assert (moved.epoch, moved.after) == (2, Decision(next_offset=5, topic_id=None))
    with pytest.raises(Fenced):
        sink.apply(plan)
    assert sink.asked() == [landing.at]
    query = "SELECT actor, action, topic, partition, reason, details FROM headrace.audit WHERE group_name = %s"
    ((*what, details),) = session.execute(query, (group,)).fetchall()
    assert what == ["me@here", "set position", *landing.at, "the source emptied it"]
    assert (details["from"], details["to"], details["epoch"], details["stopped"]) == (1, 5, 2, "table.truncate")
    assert sink.take({landing.at: Start(offset=0)})[0].next_offset == 5


def test_what_was_agreed_to_is_done_or_nothing(
    desk: PostgresDesk, sink: PostgresSink, landing: Landing, session: psycopg.Connection, group: str
) -> None:
    """The partition stopped elsewhere while the question was open."""
    stop(sink, landing, "table.truncate", 4)
    held = desk.held(landing.at)
    assert held is not None
    looked = looked_at(Wish(at=landing.at, to="skip"), held, LOG)
    stop(sink, landing, "table.truncate", 9)
    with pytest.raises(Undecidable, match="meanwhile"):
        MovedPositions(desk, nobody).move(looked, NOTE)
    assert desk.held(landing.at) == replace(held, offset=9)
    assert session.execute("SELECT 1 FROM headrace.audit WHERE group_name = %s", (group,)).fetchall() == []


def test_nobody_waits_for_offsets_of_a_topic_that_was_made_anew(
    session: psycopg.Connection, desk: PostgresDesk, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """They may never come again; what else is waited for stays."""
    session.execute("UPDATE headrace.positions SET topic_id = 'old' WHERE group_name = %s", (group,))
    mine, other = TopicPartition("child", 0), TopicPartition("another", 3)
    (child,) = sink.take({mine: Start(offset=0)})
    sink.wait(mine, child.epoch, waiting.named(mine, {landing.at: 500, other: 7}))
    desk.move(landing.at, lambda held, letters: decide("earliest", held, LOG, letters), NOTE)
    stored = next(position for position in sink.stored() if position.at == mine)
    assert stored.wait_for == waiting.named(mine, {other: 7})


def test_a_topic_made_anew_begins_with_its_id_and_without_its_letters(
    desk: PostgresDesk, sink: PostgresSink, landing: Landing, session: psycopg.Connection, group: str
) -> None:
    """In one transaction with the position."""
    landing.apply(("x", {"id": 1}))
    session.execute("UPDATE headrace.positions SET topic_id = 'old' WHERE group_name = %s", (group,))
    held = desk.held(landing.at)
    assert held is not None
    assert desk.open_letters(landing.at, 0) == 1
    looked = looked_at(Wish(at=landing.at, to="earliest", discard_letters=True), held, LOG)
    moved = MovedPositions(desk, nobody).move(looked, NOTE)

    assert moved.discarded == 1
    states = session.execute("SELECT state, reason FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert states == [("discarded", NOTE.reason)]
    taken = sink.take({landing.at: Start(offset=7, topic_id="new")})[0]
    assert (taken.next_offset, taken.topic_id) == (0, "new")


def test_letters_of_what_was_cut_go_with_the_position(
    desk: PostgresDesk, landing: Landing, session: psycopg.Connection, group: str
) -> None:
    """Those in front of it stay."""
    landing.apply(*(("x", {"id": number}) for number in range(3)))
    stopped = """UPDATE headrace.positions SET stopped = '{"kind": "log.truncated"}' WHERE group_name = %s"""
    session.execute(stopped, (group,))
    held = desk.held(landing.at)
    assert held is not None
    assert (desk.open_letters(landing.at, 0), desk.open_letters(landing.at, 1)) == (3, 2)
    looked = looked_at(Wish(at=landing.at, to="1", discard_letters=True), held, LOG)
    assert MovedPositions(desk, nobody).move(looked, NOTE).discarded == 2
    states = 'SELECT "offset", state FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
    assert session.execute(states, (group,)).fetchall() == [(0, "dead"), (1, "discarded"), (2, "discarded")]


def test_letters_of_a_topic_made_anew_stay_when_its_next_partition_begins(
    desk: PostgresDesk, sink: PostgresSink, landing: Landing, session: psycopg.Connection, group: str
) -> None:
    """Another partition of the topic has begun anew before."""
    landing.apply(("x", {"id": 1}))
    second = landing.at._replace(partition=landing.at.partition + 1)
    sink.take({second: Start(offset=0, topic_id="old")})
    assert desk.held(second) == Held(next_offset=0, topic_id="old")
    assert desk.move(second, lambda held, letters: decide("earliest", held, LOG, letters), NOTE).discarded == 0
    states = session.execute("SELECT state FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert states == [("dead",)]


def test_a_partition_of_a_retry_topic_begins_anew_for_its_owner(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing
) -> None:
    """Behind a higher epoch, so that a batch in flight can't write over it; who was overtaken changes nothing."""
    landing.apply(("c", {"id": 1}))
    sink.begin_anew(landing.at, landing.taken.epoch - 1, Start(offset=7, topic_id="new"))
    assert [(one.next_offset, one.epoch) for one in sink.stored()] == [(1, landing.taken.epoch)]
    sink.begin_anew(landing.at, landing.taken.epoch, Start(offset=7, topic_id="new"))
    with pytest.raises(Fenced):
        sink.apply(landing.plan(("c", {"id": 2})))

    (taken,) = sink.take({landing.at: Start(offset=0, topic_id="new")})
    assert (taken.next_offset, taken.topic_id, taken.last_record) == (7, "new", None)


def test_a_position_that_is_set_where_it_is_forgets_the_last_record(
    desk: PostgresDesk, sink: PostgresSink, landing: Landing
) -> None:
    """So a partition whose log was cut goes on there too."""
    landing.apply(("c", {"id": 1}))
    log = replace(LOG, topic_id=None)
    assert sink.take({landing.at: Start(offset=0)})[0].last_record == (0, None)
    desk.move(landing.at, lambda held, letters: decide("1", held, log, letters), NOTE)
    taken = sink.take({landing.at: Start(offset=0)})[0]
    assert (taken.next_offset, taken.last_record) == (1, None)


def test_up_to_when_a_partition_was_applied_is_not_known_once_it_is_set_back(
    desk: PostgresDesk, session: psycopg.Connection, landing: Landing, group: str
) -> None:
    """Older changes are applied over newer ones then; where it is set forward what is there stays there."""
    query = "SELECT changed_at IS NOT NULL FROM headrace.positions WHERE group_name = %s AND topic = %s"
    log = replace(LOG, topic_id=None)
    landing.apply(("c", {"id": 1}))
    known = []
    for to in ("1", "latest", "earliest"):
        desk.move(landing.at, lambda held, letters, to=to: decide(to, held, log, letters), NOTE)
        known += session.execute(query, (group, landing.at.topic)).fetchall()
    assert known == [(True,), (True,), (False,)]


@pytest.mark.provokes("target.older")
def test_a_control_schema_of_another_version_is_left_alone(
    server: str, session: psycopg.Connection, group: str
) -> None:
    """A command of a person migrates nothing."""
    session.execute("CREATE DATABASE unmigrated")
    dsn = psycopg.conninfo.make_conninfo(server, dbname="unmigrated")
    opened = closing(PostgresDesk(SessionSettings(dsn=dsn, worker="desk"), group, discard))
    with opened as desk, pytest.raises(Refused) as caught:
        desk.batches(Page())
    session.execute("DROP DATABASE unmigrated")
    assert caught.value.failure.kind == "target.older"


@pytest.fixture
def headrace(server: str, group: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line of the group, which answers with its result."""
    for name, value in {
        "TARGET__DSN": server,
        "KAFKA__GROUP": group,
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA__TOPICS": '["t"]',
        "REGISTRY__URL": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_the_commands_say_what_they_find_and_how_they_end(
    headrace: Callable[..., Any], landing: Landing, session: psycopg.Connection, sink: PostgresSink, group: str
) -> None:
    """Data on stdout, the rest on stderr; 3 when nothing matches, 5 when that is so for a part."""
    assert headrace("batches", "ls").exit_code == 3
    landing.apply(("c", {"id": 1}))
    fail(session, sink, landing, group)
    listed = [json.loads(line) for line in headrace("batches", "ls", "--output", "ndjson").stdout.splitlines()]
    assert [(batch["state"], batch["records"]) for batch in listed] == [("failed", 2), ("applied", 1)]
    bad, good = (batch["id"] for batch in listed)
    assert (
        len(json.loads(headrace("batches", "ls", "--state", "failed", "--since", "2h", "--output", "json").stdout)) == 1
    )
    (whole,) = json.loads(headrace("batches", "show", bad, "--output", "json").stdout)
    assert [part["passed"] for part in whole["checkpoints"]] == [False]
    shown = headrace("batches", "show", good)
    assert (shown.exit_code, "upsert" in shown.stdout) == (0, True)
    assert headrace("batches", "show", 1 << 60).exit_code == 3
    why = ("--reason", "ticket 1")
    assert [headrace("batches", "retry", *more).exit_code for more in ((), (bad,), (bad, "--reason", " "), why)] == [
        2
    ] * 4
    nothing = headrace("batches", "retry", "--stopped", "--topic", landing.at.topic, *why)
    assert (nothing.exit_code, nothing.stderr) == (3, f"no partition of topic {landing.at.topic} is stopped\n")
    assert headrace("batches", "retry", good, *why).exit_code == 3
    both = headrace("batches", "retry", bad, good, *why, "--output", "json")
    assert (both.exit_code, json.loads(both.stdout)) == (
        5,
        [{"topic": landing.at.topic, "partition": landing.at.partition}],
    )
    assert sink.asked() == [landing.at]
    assert headrace("batches", "ls", "--since", "yesterday").exit_code == 2


def test_positions_are_listed_with_why_they_are_stopped(
    headrace: Callable[..., Any], landing: Landing, sink: PostgresSink
) -> None:
    """Those that are stopped say what to do."""
    assert headrace("positions", "ls", "--stopped").exit_code == 3
    stop(sink, landing, "table.truncate", 4)
    found = headrace("positions", "ls", "--stopped", "--output", "ndjson")
    position = json.loads(found.stdout)
    assert (position["kind"], position["stopped_at"], position["owner_lives"]) == ("table.truncate", 4, True)
    assert KINDS["table.truncate"].remedy in found.stderr
    assert headrace("batches", "retry", "--stopped", "--reason", "ticket 1").exit_code == 0
    assert sink.asked() == [landing.at]


def test_a_position_is_not_set_without_a_partition_a_reason_or_the_cluster(
    headrace: Callable[..., Any], landing: Landing
) -> None:
    """Kafka is asked what the log has, and nothing is changed while it is away."""
    words = ("positions", "set", landing.at.topic, landing.at.partition, "--to", "skip")
    assert headrace(*words, "--reason", " ").exit_code == 2
    assert headrace("positions", "set", "nowhere", 0, "--to", "skip", "--reason", "r").exit_code == 3
