"""What people pause, how workers report themselves, and what they are told."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.breaking import BreakerState, BreakerStatus
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.pausing import Subject
from consumer.core.records import TopicPartition
from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.desk import Note
from consumer.ports.presence import InHand, Report
from consumer.ports.refusals import ConnectionLost, Fenced
from consumer.ports.target import Start
from consumer.stack.waiting import wait_until
from tests.light.broker import Broker
from tests.pg.landing import ID, Landing

NOTE = Note("me@here", "an index is built")
OTHER = TopicPartition("another", 0)
REPORT = Report(
    state="running",
    every=1.0,
    partitions=frozenset({TopicPartition("t", 1), TopicPartition("t", 0)}),
    batch=InHand(partitions=2, records=20, seconds=0.5),
    queue_batches=1,
    queue_bytes=4096,
    rss_bytes=1 << 20,
    breakers=[
        BreakerStatus(
            name="registry",
            state=BreakerState.OPEN,
            since=datetime.now(UTC),
            failures=3,
            last=failed(KINDS["registry.away"], "registry", "get schema", "no answer"),
        )
    ],
)


@pytest.fixture
def landing(session: psycopg.Connection, schema: str, sink: PostgresSink, group: str) -> Landing:
    """A topic of a table, its partition taken, and one of another topic."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY)")
    sink.seed({})
    made = Landing(sink, TableName(schema, "t"), [ID])
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s)"
    session.execute(query, (group, str(made.table), made.at.topic))
    sink.take({OTHER: Start(offset=0)})
    return made


@pytest.fixture
def control(server: str, group: str) -> Iterator[PostgresControl]:
    """What people ask of the group."""
    with closing(PostgresControl(SessionSettings(dsn=server, worker="control"), group)) as opened:
        yield opened


@pytest.fixture
def boards(server: str, group: str) -> Iterator[Callable[[str], PostgresBoard]]:
    """Makes boards of workers by name; all are closed afterwards."""
    made: list[PostgresBoard] = []

    def make(name: str) -> PostgresBoard:
        settings = SessionSettings(dsn=server, worker=name)
        made.append(PostgresBoard(settings, group, "1.2", CircuitBreaker("target")))
        return made[-1]

    yield make
    for board in made:
        board.close()


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


def subjects(landing: Landing) -> list[Subject]:
    """The three ways in which the landing's partition may be paused."""
    topic, partition = landing.at
    return [Subject(table=str(landing.table)), Subject(topic=topic), Subject(topic=topic, partition=partition)]


@pytest.mark.parametrize("way", [0, 1, 2])
def test_no_batch_is_written_once_something_is_paused_and_its_takers_are_told(
    control: PostgresControl, sink: PostgresSink, landing: Landing, way: int
) -> None:
    """A batch that was planned before is fenced; whoever takes the partition, also another worker, sees who and why."""
    subject = subjects(landing)[way]
    plan = landing.plan(("c", {"id": 1}))
    done = control.pause(subject, NOTE)
    assert (done.partitions, done.changed) == ([landing.at], True)
    with pytest.raises(Fenced):
        sink.apply(plan)
    assert sink.asked() == [landing.at]
    mine, other = sink.take({landing.at: Start(offset=0), OTHER: Start(offset=0)})[::-1]
    assert (mine.paused, other.paused) == (done.pause, None)
    assert (done.pause.of, done.pause.actor, done.pause.reason) == (subject, *("me@here", "an index is built"))

    resumed = control.resume(subject, NOTE)
    assert resumed is not None
    assert resumed.partitions == [landing.at]
    assert sink.asked() == [landing.at]
    assert sink.take({landing.at: Start(offset=0)})[0].paused is None
    assert control.resume(subject, NOTE) is None


def test_a_pause_is_begun_once_and_ended_by_its_own_name(control: PostgresControl, landing: Landing) -> None:
    """The first one's reason stays; a table that is paused stays so when its topic's pause ends."""
    table, topic, _ = subjects(landing)
    first = control.pause(table, NOTE)
    again = control.pause(table, Note("you@there", "another reason"))
    assert (again.changed, again.pause) == (False, first.pause)
    control.pause(topic, NOTE)
    control.resume(topic, NOTE)
    assert control.pauses() == [first.pause]


def test_who_paused_and_resumed_what_is_kept(
    control: PostgresControl, landing: Landing, session: psycopg.Connection, group: str
) -> None:
    """With the partitions that were held."""
    table, _, partition = subjects(landing)
    control.pause(table, NOTE)
    control.resume(table, NOTE)
    control.pause(partition, NOTE)
    query = (
        "SELECT action, actor, topic, partition, reason, details FROM headrace.audit WHERE group_name = %s ORDER BY id"
    )
    rows = session.execute(query, (group,)).fetchall()
    held = {"table": str(landing.table), "partitions": [list(landing.at)]}
    assert rows == [
        ("pause", "me@here", None, None, NOTE.reason, held),
        ("resume", "me@here", None, None, NOTE.reason, held),
        ("pause", "me@here", *landing.at, NOTE.reason, held | {"table": None}),
    ]


def test_tables_say_their_state_and_what_waits_for_people(
    control: PostgresControl, sink: PostgresSink, landing: Landing
) -> None:
    """Also topics that are bound to no table."""
    landing.apply(("c", {"id": 1}), ("x", {"id": 2}))
    sink.stop(landing.at, landing.taken.epoch, failed(KINDS["table.missing"], "c", "o", "it is gone"))
    control.pause(Subject(topic=OTHER.topic), NOTE)
    mine, other = control.tables()
    assert (mine.table, mine.topic, [part.position for part in mine.parts]) == (
        str(landing.table),
        landing.at.topic,
        [2],
    )
    assert (mine.letters, mine.dead, mine.going.value, mine.parts[0].why) == (1, 1, "stopped", "it is gone")
    assert mine.batch is not None
    assert mine.applied_at is not None
    assert (other.table, other.topic, other.batch, other.going.value) == (None, OTHER.topic, None, "paused")
    assert NOTE.reason in other.parts[0].why
    sink.close()
    # the server ends a session in its own time
    assert wait_until(lambda: [state.going.value for state in control.tables()] == ["no worker", "paused"], 60)


def test_a_worker_reports_itself_and_takes_its_row_along(
    control: PostgresControl, boards: Callable[[str], PostgresBoard]
) -> None:
    """What it says is there as it said it; the row of one that ended in order is gone with it."""
    board = boards("w-1")
    board.report(REPORT)
    board.report(replace(REPORT, state="draining", batch=None))
    (worker,) = control.workers()
    assert (worker.name, worker.version, worker.state, worker.batch) == ("w-1", "1.2", "draining", None)
    assert worker.partitions == [["t", 0], ["t", 1]]
    (breaker,) = worker.breakers
    assert (breaker["state"], breaker["kind"], breaker["detail"]) == ("open", "registry.away", "no answer")
    assert not worker.gone
    board.leave()
    assert control.workers() == []


def test_a_worker_that_reports_no_more_is_gone_and_forgotten_later(
    control: PostgresControl, boards: Callable[[str], PostgresBoard], session: psycopg.Connection, group: str
) -> None:
    """Any other worker forgets it; those that report are not touched."""
    lost, living = boards("lost"), boards("living")
    lost.report(REPORT)
    living.report(REPORT)
    query = "UPDATE headrace.workers SET seen_at = now() - interval '11 s' WHERE group_name = %s AND name = 'lost'"
    session.execute(query, (group,))
    assert {worker.name: worker.gone for worker in control.workers()} == {"lost": True, "living": False}
    living.prune(1.0)
    assert len(control.workers()) == 2
    living.prune(10 / 3600)
    assert [worker.name for worker in control.workers()] == ["living"]


def test_a_command_is_given_to_each_addressee_once(
    control: PostgresControl, boards: Callable[[str], PostgresBoard]
) -> None:
    """Whatever becomes of the one who took it; what came of it is written."""
    one, two = boards("one"), boards("two")
    numbers = control.tell("reset breaker", "registry", ["one", "two"], NOTE)
    (told,) = one.commands()
    assert (told.action, told.subject) == ("reset breaker", "registry")
    assert one.commands() == []
    one.answer(told.id, "done")
    assert [told.subject for told in two.commands()] == ["registry"]
    assert [(command.worker, command.outcome) for command in control.told(numbers)] == [("one", "done"), ("two", None)]


def test_who_listens_hears_of_decisions_of_its_group_at_once(
    control: PostgresControl, boards: Callable[[str], PostgresBoard], landing: Landing, session: psycopg.Connection
) -> None:
    """Of another group's not."""
    board = boards("one")
    assert not board.heard(0.01)
    control.pause(Subject(topic=OTHER.topic), NOTE)
    assert board.heard(5.0)
    session.execute("SELECT pg_notify('headrace', 'another group')")
    assert not board.heard(0.2)


def test_a_listener_whose_session_is_lost_listens_again(
    control: PostgresControl, boards: Callable[[str], PostgresBoard], landing: Landing, session: psycopg.Connection
) -> None:
    """What was decided meanwhile it finds by looking."""
    board = boards("one")
    board.heard(0.01)
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headrace one' AND pid <> %s"
    )
    session.execute(query, (0,))
    control.tell("take anew", "", ["one"], NOTE)
    with pytest.raises(ConnectionLost):
        board.heard(5.0)
    assert [told.action for told in board.commands()] == ["take anew"]
    control.pause(Subject(topic=OTHER.topic), NOTE)
    assert board.heard(5.0)


def test_a_worker_asks_for_its_own_partitions(
    boards: Callable[[str], PostgresBoard], sink: PostgresSink, landing: Landing
) -> None:
    """And sees that they are wanted until it has taken them."""
    board = boards("one")
    assert not board.wanted()
    assert board.take_anew() == 2
    assert board.wanted()
    sink.take({landing.at: Start(offset=0), OTHER: Start(offset=0)})
    assert not board.wanted()


def test_the_commands_pause_and_resume(headrace: Callable[..., Any], landing: Landing) -> None:
    """With a reason, by what there is, and as data for programs."""
    table = str(landing.table)
    assert headrace("tables", "pause", table).exit_code == 2
    assert headrace("tables", "pause", table, "--reason", " ").exit_code == 2
    assert headrace("tables", "pause", table, "--topic", "t", "--reason", "r").exit_code == 2
    assert headrace("tables", "pause", "public.nowhere", "--reason", "r").exit_code == 3
    assert headrace("tables", "resume", table, "--reason", "r").exit_code == 3
    paused = headrace("tables", "pause", table, "--reason", "an index\x1b[31m", "--output", "json")
    assert json.loads(paused.stdout) == [{"topic": landing.at.topic, "partition": landing.at.partition}]
    listed = headrace("tables", "ls")
    assert (listed.exit_code, "paused" in listed.stdout, r"an index\x1b[31m" in listed.stdout) == (0, True, True)
    (mine, _) = json.loads(headrace("tables", "ls", "--output", "json").stdout)
    assert (mine["condition"], mine["parts"][0]["why"].endswith("an index\x1b[31m")) == ("paused", True)
    assert headrace("tables", "resume", table, "--reason", "built").exit_code == 0
    assert "paused" not in headrace("tables", "ls").stdout


def test_the_commands_list_workers_and_their_breakers(
    headrace: Callable[..., Any], boards: Callable[[str], PostgresBoard], session: psycopg.Connection, group: str
) -> None:
    """A breaker that is reset is answered by the worker; by one that is gone it can't be."""
    assert headrace("workers", "ls").exit_code == 3
    assert headrace("breakers", "ls").exit_code == 3
    boards("w-1").report(REPORT)
    listed = headrace("workers", "ls")
    assert all(word in listed.stdout for word in ("w-1", "running", "4 kB", "registry is away: no answer"))
    (breaker,) = json.loads(headrace("breakers", "ls", "--output", "json").stdout)
    assert (breaker["worker"], breaker["name"], breaker["state"]) == ("w-1", "registry", "open")
    session.execute("UPDATE headrace.workers SET seen_at = now() - interval '1 h' WHERE group_name = %s", (group,))
    assert "gone" in headrace("workers", "ls").stdout
    assert headrace("breakers", "reset", "registry", "--reason", "r").exit_code == 3


def test_those_that_live_here_are_told_from_others_and_from_those_that_are_gone(
    headrace: Callable[..., Any], boards: Callable[[str], PostgresBoard], session: psycopg.Connection, group: str
) -> None:
    """So that a container can ask after its own worker."""
    boards("mine").report(REPORT)
    boards("theirs").report(REPORT)
    session.execute(
        "UPDATE headrace.workers SET host = 'elsewhere' WHERE group_name = %s AND name LIKE '%%theirs%%'", (group,)
    )
    (found,) = json.loads(headrace("workers", "ls", "--here", "--output", "json").stdout)
    assert found["name"] == "mine"
    session.execute("UPDATE headrace.workers SET seen_at = now() - interval '1 h' WHERE group_name = %s", (group,))
    assert headrace("workers", "ls", "--here").exit_code == 3


def test_lag_is_shown_with_reasons_and_says_what_it_could_not_ask(
    headrace: Callable[..., Any], landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In records and seconds; a Kafka Connect that does not answer costs only what it would have said."""
    assert headrace("connectors", "ls").exit_code == 3
    assert headrace("connectors", "restart", "shop", "--reason", " ").exit_code == 2
    broker = Broker()
    broker.create(landing.at.topic, [b"a", b"b"], landing.at.partition + 1)
    broker.create(OTHER.topic)
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap)
    monkeypatch.setenv("HEADRACE_KAFKA__REQUEST_TIMEOUT", "5")
    landing.apply(("c", {"id": 1}))
    headrace("tables", "pause", "--topic", OTHER.topic, "--reason", "an index")

    shown = headrace("lag", "--output", "json")
    assert shown.exit_code == 0, shown.stderr
    lag = {one["topic"]: one for one in json.loads(shown.stdout)}
    mine, other = lag[landing.at.topic], lag[OTHER.topic]
    assert (mine["position"], mine["end"], mine["records"], mine["going"]) == (1, 2, 1, "behind")
    assert 0 <= mine["seconds"] < 60
    assert (other["records"], other["going"], other["why"].endswith("an index")) == (0, "paused", True)
    assert headrace("lag", "--topic", "nowhere").exit_code == 3
    monkeypatch.setenv("HEADRACE_CONNECT__URL", "http://127.0.0.1:1")
    blind = headrace("lag")
    assert (blind.exit_code, "behind" in blind.stdout, "Kafka Connect did not answer" in blind.stderr) == (
        5,
        True,
        True,
    )
    assert headrace("connectors", "ls").exit_code == 1
    monkeypatch.delenv("HEADRACE_CONNECT__URL")
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_KAFKA__REQUEST_TIMEOUT", "1")
    silent = headrace("lag", "--output", "json")
    assert (silent.exit_code, "how far the logs reach is not known" in silent.stderr) == (5, True)
    positions = {one["topic"]: (one["position"], one["end"], one["records"]) for one in json.loads(silent.stdout)}
    assert positions[landing.at.topic] == (1, None, None)


def test_lag_is_told_of_what_kafka_tells_of_alone(
    headrace: Callable[..., Any],
    landing: Landing,
    session: psycopg.Connection,
    group: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic that is gone hides no other, and is said to be unknown; letters that wait to come back are no lag."""
    broker, retry = Broker(), f"{group}.retry.1"
    broker.create(landing.at.topic, [b"a", b"b"], landing.at.partition + 1)
    broker.create(retry, [b"copy"])
    monkeypatch.setenv("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap)
    landing.apply(("c", {"id": 1}))
    session.execute(
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES (%s, %s, 0, 0, 0)",
        (group, retry),
    )

    shown = headrace("lag", "--output", "json")
    assert shown.exit_code == 5
    assert "how far the logs of 1 partition reach is not known" in shown.stderr
    found = {one["topic"]: one for one in json.loads(shown.stdout)}
    assert [found[topic]["records"] for topic in (landing.at.topic, OTHER.topic, retry)] == [1, None, None]
    assert [found[topic]["going"] for topic in (OTHER.topic, retry)] == ["not known", "no worker"]
    assert "Kafka does not tell how far its log reaches" in found[OTHER.topic]["why"]


def test_a_password_file_that_can_not_be_read_is_a_mistake_of_the_settings(
    headrace: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are a password and a file of it together; neither is quoted."""
    monkeypatch.setenv("HEADRACE_CONNECT__URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_CONNECT__PASSWORD_FILE", "/nowhere/secret")
    missing = headrace("connectors", "ls")
    assert (missing.exit_code, "password_file can't be read" in missing.stderr) == (2, True)
    monkeypatch.setenv("HEADRACE_CONNECT__PASSWORD", "canary-5113")
    both = headrace("connectors", "ls")
    assert (both.exit_code, "either password or password_file" in both.stderr) == (2, True)
    assert "canary-5113" not in both.stderr
