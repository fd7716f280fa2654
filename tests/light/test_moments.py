"""Offsets by time, where the cluster has nothing of that time; ends of logs, where it tells only some."""

import time

import pytest
from confluent_kafka import KafkaError

from consumer.core.failure import Transient
from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from tests.light.broker import LIST_OFFSETS, Broker


def test_a_moment_behind_all_records_is_the_end_of_the_log() -> None:
    """The mock broker knows no times, and answers as a real one does for those of the future."""
    broker = Broker()
    broker.create("one", [b"a", b"b", b"c"])
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("one",), request_timeout=5)
    at = TopicPartition("one", 0)
    assert KafkaOffsets(settings).since([at], 4e9) == {at: 3}


def test_who_looks_is_told_the_ends_that_there_are() -> None:
    """A partition or a topic that is not there, is hidden or has no leader takes none of the others along, nor time."""
    broker = Broker()
    for name in ("one", "hidden"):
        broker.create(name, [b"a", b"b"])
    broker.create("led", [b"a"], partitions=2)
    broker.take_leader("led")
    broker.forbid("hidden", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("one",), request_timeout=5)
    wanted = [("one", 0), ("one", 1), ("hidden", 0), ("led", 0), ("led", 1), ("none", 0)]
    begun = time.monotonic()
    found = KafkaOffsets(settings).known_ends([TopicPartition(*at) for at in wanted])
    assert found == {TopicPartition("one", 0): 2, TopicPartition("led", 1): 1}
    assert time.monotonic() - begun < settings.request_timeout


@pytest.mark.parametrize("wanted", [("none", 0), ("alone", 0)], ids=["no topic", "no leader"])
def test_where_nothing_is_told_of_any_the_cluster_is_not_away(wanted: tuple[str, int]) -> None:
    """It has answered: nobody leads what was asked for, or it is not there."""
    broker = Broker()
    broker.create("one", [b"a"])
    broker.create("alone", [b"a"])
    broker.take_leader("alone")
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("one",), request_timeout=5)
    assert KafkaOffsets(settings).known_ends([TopicPartition(*wanted)]) == {}


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    ],
)
def test_an_end_that_is_not_told_when_it_is_asked_for_is_left_out(code: int) -> None:
    """As where a partition goes between two questions; who takes partitions is told why instead."""
    broker = Broker()
    broker.create("one", [b"a"])
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("one",), request_timeout=5)
    at, offsets = TopicPartition("one", 0), KafkaOffsets(settings)
    broker.answer(LIST_OFFSETS, code)
    assert offsets.known_ends([at]) == {}
    assert offsets.known_ends([at]) == {at: 1}
    broker.answer(LIST_OFFSETS, code)
    with pytest.raises(Transient):
        offsets.ends([at])
