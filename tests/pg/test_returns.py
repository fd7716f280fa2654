"""Letters that come back and can't be applied whatever was put right: their row says which, and why."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from consumer.applying.apart import Apart
from consumer.applying.rereading import Rereading
from consumer.applying.returns import Judges, Returns
from consumer.binding.known import KnownBindings
from consumer.core.letterhead import Codec
from consumer.core.pausing import Subject
from consumer.core.policy import Policy
from consumer.core.records import Slice, TopicPartition
from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.desk import Note
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from dlq.actions import replay
from dlq.headers import decode, encode
from tests.light.broker import Broker
from tests.pg.landing import ID, Change, Landing, rows
from tests.unit.known import planner
from tests.unit.world import World

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]
CANARY = "canary-2207"
LONG = {"id": 1, "word": CANARY * 20}
CUT = ("x", LONG)
MENDED = ("c", LONG)
FOREIGN = ("c", {"id": 2, "word": "of another row"})
UNKNOWN_TOPIC = 3


@pytest.fixture
def sink(server: str, group: str) -> Iterator[PostgresSink]:
    """Of a group that has started; long letters are pointers."""
    settings = SessionSettings(dsn=server, worker="returns")
    with closing(PostgresSink(settings, group, LetterBounds(inline_bytes=100))) as opened:
        opened.open()
        opened.seed({})
        yield opened


@dataclass
class Scene:
    """A topic of a table, whose only record became a letter of a group."""

    session: psycopg.Connection
    sink: PostgresSink
    landing: Landing
    group: str

    def come_back(self, broker: Broker, *, sent: bool = True) -> Any:
        """Bring the letter's copy back, by itself or sent again; state, kind, detail and remedy of its row then."""
        query = "SELECT id FROM headrace.letters WHERE group_name = %s"
        ((letter,),) = self.session.execute(query, (self.group,)).fetchall()
        if sent:
            assert replay(self.session, self.group, [letter]).changed == (letter,)
        else:
            again = (
                "UPDATE headrace.letters SET state = 'retrying', due_at = now(), published_attempt = 0 WHERE id = %s"
            )
            self.session.execute(again, (letter,))
        with closing(TargetPool(self.sink.settings, CircuitBreaker("target"))) as pool:
            (copy,) = PostgresOutbox(pool, self.group, ()).claim(1, 60)
            table = PostgresCatalog(pool, self.group).read_table(self.landing.table)
        at = TopicPartition(f"{self.group}.retry.1", 0)
        (taken,) = self.sink.take({at: Start(offset=0)})
        piece = Slice(
            at=at, epoch=taken.epoch, start=0, end=1, offsets=[0], keys=[copy.key], values=[copy.value],
            headers=lambda _: tuple(encode(copy.head, copy.headers)),
        )  # fmt: skip
        known, judges = KnownBindings(), Judges(codec=Codec(encode=encode, decode=decode), policy=Policy())
        traits = {self.landing.at.topic: Traits(compacted=False, partitions=1)}
        schemas = {1: self.landing.keys.text, 2: self.landing.values.text}
        binder = World(schemas, lambda name: table, traits).binder(known)
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group=self.group, topics=(), request_timeout=5)
        with closing(Rereading(KafkaOrigins(settings), KafkaOffsets(settings))) as origins:
            assert Returns(self.sink, Apart(planner(known), binder), origins, judges).work([piece]).waits == {}
        query = "SELECT state, kind, detail, remedy FROM headrace.letters WHERE group_name = %s"
        return self.session.execute(query, (self.group,)).fetchall()[0]

    def letter(self, what: str) -> Any:
        """Columns of the letter's row."""
        query = f"SELECT {what} FROM headrace.letters WHERE group_name = %s"
        return self.session.execute(query.encode(), (self.group,)).fetchone()

    def pause(self) -> None:
        """By its topic."""
        with closing(PostgresControl(self.sink.settings, self.group)) as control:
            control.pause(Subject(topic=self.landing.at.topic), Note("me@here", "an index is built"))

    def rows(self) -> list[tuple[Any, ...]]:
        """The table's."""
        return rows(self.session, self.landing.table)


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, schema: str, group: str) -> Scene:
    """The letter is there."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    landing = Landing(sink, TableName(schema, "t"), FIELDS)
    landing.apply(CUT)
    return Scene(session, sink, landing, group)


def log_of(landing: Landing, *changes: Change) -> Broker:
    """A broker where the topic has these records."""
    broker = Broker()
    keys, values = zip(*(landing.record(*change) for change in changes), strict=True)
    broker.create(landing.at.topic, values, landing.at.partition + 1, keys)
    return broker


def test_a_pointer_is_applied_when_its_record_can_be_read(scene: Scene) -> None:
    """It is at its place in the log, of the letter's row."""
    assert scene.come_back(log_of(scene.landing, MENDED))[0] == "applied"
    assert scene.rows() == [(1, LONG["word"])]


def retention(scene: Scene, broker: Broker) -> None:
    """The log begins behind the record."""
    broker.delete_before(scene.landing.at.topic, 1, scene.landing.at.partition)


def deletion(scene: Scene, broker: Broker) -> None:
    """The topic is gone."""
    broker.forbid(scene.landing.at.topic, UNKNOWN_TOPIC)


def another_topic(scene: Scene, broker: Broker) -> None:
    """The stored position is of one that was deleted."""
    query = "UPDATE headrace.positions SET topic_id = 'deleted' WHERE group_name = %s"
    scene.session.execute(query, (scene.group,))


def nothing(scene: Scene, broker: Broker) -> None:
    """The log has been cut and written anew, and that is all."""


@pytest.mark.provokes("record.gone")
@pytest.mark.parametrize(
    ("there", "happens", "said"),
    [
        (MENDED, retention, "the letter only points to its record"),
        (MENDED, deletion, "the letter only points to its record"),
        (MENDED, another_topic, "the letter only points to its record"),
        (FOREIGN, nothing, "at its offset is a record of another row by now"),
    ],
)
def test_a_pointer_whose_record_is_gone_is_not_applied(
    scene: Scene, there: Change, happens: Callable[[Scene, Broker], None], said: str
) -> None:
    """By retention, with its topic, in a topic made anew, or in a log that has others at the same place."""
    broker = log_of(scene.landing, there, MENDED)
    happens(scene, broker)
    state, kind, detail, remedy = scene.come_back(broker)

    assert (state, kind) == ("dead", "record.gone")
    assert f"offset 0: {said}" in detail
    assert "snapshot" in remedy
    assert CANARY not in detail
    assert scene.rows() == []


def test_a_pointer_whose_record_is_not_given_waits_and_keeps_no_other(scene: Scene) -> None:
    """Its partition has no leader, or it takes too long to come: that is told of it, and it comes again later."""
    broker = log_of(scene.landing, MENDED)
    broker.take_leader(scene.landing.at.topic, scene.landing.at.partition)
    state, kind, *_ = scene.come_back(broker)
    assert (state, kind) == ("retrying", "kafka.away")
    assert scene.letter("due_at > now()") == (True,)
    assert scene.rows() == []


def test_a_letter_of_what_is_paused_comes_again_as_it_was(scene: Scene) -> None:
    """It is not tried, says of itself what it said before, and none of its attempts is gone."""
    broker = log_of(scene.landing, MENDED)
    scene.pause()
    before = scene.letter("kind, detail, failed_at, attempt + 1, excused + 1")
    assert scene.come_back(broker, sent=False)[0] == "retrying"
    assert scene.letter("kind, detail, failed_at, attempt, excused") == before
    reason, later = scene.letter("reason, due_at > now()")
    assert later
    assert reason.endswith("paused by me@here: an index is built")
    assert scene.rows() == []


def test_a_letter_that_is_sent_again_while_it_is_paused_is_dead_as_before(scene: Scene) -> None:
    """With the pause as the reason; it can be sent once more."""
    broker = log_of(scene.landing, MENDED)
    (kind,) = scene.letter("kind")
    scene.pause()
    assert scene.come_back(broker)[:2] == ("dead", kind)
    assert "an index is built" in scene.letter("reason")[0]
    assert scene.rows() == []
