"""How long logs keep their records, where Kafka does not tell it of all."""

import pytest

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.logs import KafkaLogs
from consumer.ports.letters import Reach
from tests.light.broker import Broker

PLAIN, LATE = TopicPartition("plain", 0), TopicPartition("late", 0)


def test_a_partition_without_a_leader_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose records leave meanwhile; it is looked at again once it has one."""
    broker = Broker()
    for at in (PLAIN, LATE):
        broker.create(at.topic, [b"1", b"2"])
    broker.delete_before(PLAIN.topic, 1)
    broker.take_leader(LATE.topic)
    logs = KafkaLogs(KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=(), request_timeout=5))
    # the mock describes none
    monkeypatch.setattr(logs, "_retentions", lambda topics: {})
    assert logs.reach([PLAIN, LATE], 24) == {PLAIN: Reach(start=1)}
    broker.give_leader(LATE.topic)
    assert logs.reach([PLAIN, LATE], 24) == {PLAIN: Reach(start=1), LATE: Reach(start=0)}
