"""A letter that only points to its record is warned of before the record leaves its log, and told when it is gone."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from consumer.background.expiry import Expiry
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.logs import KafkaLogs
from consumer.edges.postgres.pointers import PostgresPointers
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.stack.options import Endpoints

from .feed import create_topic, fresh_name
from .witness import Target

GROUP = "fading"
HOUR = 3600
LEAVES, GONE = "letter's record will leave its log", "letter's record has left its log"
_LETTER = """
WITH made AS (
    INSERT INTO headrace.letters (
        group_name, topic, partition, "offset", state, table_name,
        kind, error_type, component, operation, detail, remedy
    ) VALUES (
        %(group)s, %(topic)s, 0, %(offset)s, %(state)s, %(table)s, 'record.check', 'persistent', 't', 't', 'd', 'r'
    )
    RETURNING id
)
INSERT INTO headrace.letter_bytes (letter_id, value) SELECT id, 'v' FROM made WHERE %(kept)s
"""
Letters = Callable[..., None]


@pytest.fixture
def letters(target: Target) -> Letters:
    """Writes an open letter of a topic's record."""

    def write(topic: str, offset: int, **more: Any) -> None:
        values = {"group": GROUP, "topic": topic, "offset": offset, "state": "dead", "table": "s.t", "kept": False}
        with target.connected() as connection:
            connection.execute(_LETTER, {**values, **more})

    return write


def aged(at: Endpoints, hours: list[float], config: dict[str, str]) -> str:
    """A topic whose records were written so many hours ago."""
    topic = fresh_name("aged")
    create_topic(at.kafka, topic, 1, config)
    producer = Producer({"bootstrap.servers": at.kafka, "log_level": 0})
    for age in hours:
        producer.produce(topic, b"v", b"k", 0, timestamp=int((time.time() - age * HOUR) * 1000))
    assert producer.flush(30) == 0
    return topic


def delete_below(at: Endpoints, topic: str, offset: int) -> None:
    """Let the broker delete a log's first records, as retention would."""
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    for answer in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        answer.result(30)


def said(at: Endpoints, target: Target, hours: float) -> list[tuple[str, str, int]]:
    """What a worker that begins to look says: event, topic and offset."""
    pool = TargetPool(SessionSettings(dsn=target.dsn, worker="looks"), CircuitBreaker("target"))
    logs = KafkaLogs(KafkaSettings(bootstrap_servers=at.kafka, group=GROUP, topics=()))
    with closing(pool), capture_logs() as lines:
        assert Expiry(PostgresPointers(pool, GROUP, ["s.pointing"]), logs, hours, first=0.0).turn()
    assert all(line["remedy"] and line["log_level"] == "warning" for line in lines), lines
    return sorted((line["event"], line["topic"], line["offset"]) for line in lines)


def test_each_letter_is_said_once_before_and_once_when_it_is_gone(
    at: Endpoints, target: Target, letters: Letters
) -> None:
    """By the records' own times and the topic's retention; whoever looks, and also after a restart."""
    topic = aged(at, [30, 20, 1], {"retention.ms": str(40 * HOUR * 1000)})
    for offset in range(3):
        letters(topic, offset)
    assert said(at, target, 5) == []
    assert said(at, target, 15) == [(LEAVES, topic, 0)]
    assert said(at, target, 25) == [(LEAVES, topic, 1)]
    delete_below(at, topic, 1)
    assert said(at, target, 25) == [(GONE, topic, 0)]
    assert said(at, target, 48) == [(LEAVES, topic, 2)]
    delete_below(at, topic, 3)
    assert said(at, target, 0) == [(GONE, topic, 1), (GONE, topic, 2)]
    assert said(at, target, 48) == []


def test_only_open_letters_that_point_are_looked_at(at: Endpoints, target: Target, letters: Letters) -> None:
    """A letter with its bytes needs no log, unless its copies point; what does not delete by time keeps its records."""
    short, forever, compacted = (
        aged(at, [1] * 6, config)
        for config in (
            {"retention.ms": str(2 * HOUR * 1000)},
            {"retention.ms": "-1"},
            {"cleanup.policy": "compact", "retention.ms": str(2 * HOUR * 1000)},
        )
    )
    letters(short, 0, state="discarded")
    letters(short, 1, kept=True)
    letters(short, 2, kept=True, table="s.pointing")
    letters(short, 3, kept=True, table=None)
    letters(short, 4, state="retrying")
    for topic in (forever, compacted, fresh_name("deleted")):
        letters(topic, 0)
    assert said(at, target, 24) == [(LEAVES, short, offset) for offset in (2, 3, 4)]
