"""A broker that shuts down may name no broker at all: who was told so finds the cluster again."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.source import KafkaSource
from tests.light.broker import Broker
from tests.light.forgetful import Forgetful


class _Assigned:
    """What a member is given."""

    def __init__(self) -> None:
        self.partitions: set[TopicPartition] = set()

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self.partitions |= set(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.partitions -= set(partitions)

    lost = revoked


@pytest.fixture
def forgetful() -> Iterator[Forgetful]:
    """Names no broker."""
    with closing(Forgetful("t")) as opened:
        yield opened


def test_a_member_that_was_told_of_no_broker_gets_another_client(forgetful: Forgetful) -> None:
    """The first would be alone for ever."""
    broker = Broker()
    broker.create("t")
    settings = KafkaSettings(bootstrap_servers=forgetful.bootstrap, group="g", topics=("t",), request_timeout=3)
    mine = _Assigned()
    with closing(KafkaSource(settings)) as source, capture_logs() as logs:
        source.open(mine)
        assert forgetful.told.wait(10)
        forgetful.becomes(broker.bootstrap)
        deadline = time.monotonic() + 40
        while not mine.partitions and time.monotonic() < deadline:
            source.poll(1, 0.1)
        assert mine.partitions == {TopicPartition("t", 0)}
    assert [line["event"] for line in logs].count("the cluster is silent; the client is made anew") == 1
