"""Letters that come back and can't be applied whatever was put right: their row says which, and why."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from consumer.core.letterhead import Codec
from consumer.core.plan import TableName
from consumer.core.policy import Policy
from consumer.core.records import Slice, TopicPartition
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import LetterBounds, PostgresSink
from consumer.known import KnownBindings
from consumer.ports.target import Start
from consumer.returns import Judges, Returns
from dlq.actions import replay
from dlq.headers import decode, encode
from tests.light.broker import Broker
from tests.pg.landing import ID, Landing
from tests.unit.known import planner
from tests.unit.world import World

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]
CANARY = "canary-2207"
CUT = {"id": 1, "word": CANARY * 20}


@pytest.fixture
def sink(server: str, group: str) -> Iterator[PostgresSink]:
    """Of a group that has started; long letters are pointers."""
    settings = SessionSettings(dsn=server, worker="returns")
    with closing(PostgresSink(settings, group, LetterBounds(inline_bytes=100))) as opened:
        opened.open()
        opened.seed({})
        yield opened


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """A topic of a table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    return Landing(sink, TableName(schema, "t"), FIELDS)


def come_back(session: psycopg.Connection, sink: PostgresSink, group: str, bootstrap: str = "127.0.0.1:1") -> Any:
    """Send the only letter again and bring its copy back; state, kind, detail and remedy of its row then."""
    ((letter,),) = session.execute("SELECT id FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert replay(session, group, [letter]).changed == (letter,)
    with closing(TargetPool(sink.settings, CircuitBreaker("target"))) as pool:
        (copy,) = PostgresOutbox(pool, group, ()).claim(1, 60)
    at = TopicPartition(f"{group}.retry.1", 0)
    (taken,) = sink.take({at: Start(offset=0)})
    piece = Slice(
        at=at, epoch=taken.epoch, start=0, end=1, offsets=[0], keys=[copy.key], values=[copy.value],
        headers=lambda _: tuple(encode(copy.head, copy.headers)),
    )  # fmt: skip
    known, codec = KnownBindings(), Codec(encode=encode, decode=decode)
    settings = KafkaSettings(bootstrap_servers=bootstrap, group=group, topics=(), request_timeout=5)
    with closing(KafkaOrigins(settings)) as origins:
        binder = World({}, lambda name: None).binder(known)
        judges = Judges(codec=codec, policy=Policy())
        assert Returns(sink, planner(known), binder, origins, judges).work(piece) is None
    query = "SELECT state, kind, detail, remedy FROM headrace.letters WHERE group_name = %s"
    return session.execute(query, (group,)).fetchall()[0]


@pytest.mark.provokes("record.gone")
def test_a_pointer_whose_record_has_left_the_log_is_not_applied(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """Retention has moved the log's start behind it."""
    broker = Broker()
    broker.create("landing", [b"gone", b"kept"], landing.at.partition + 1)
    broker.delete_before("landing", 1, landing.at.partition)
    landing.apply(("x", CUT))
    state, kind, detail, remedy = come_back(session, sink, group, broker.bootstrap)

    assert (state, kind) == ("dead", "record.gone")
    assert "offset 0: the letter only points to its record" in detail
    assert "snapshot" in remedy
    assert CANARY not in detail
