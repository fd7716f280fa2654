"""How old the records are that are read next."""

import time

from consumer.core.records import TopicPartition
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.config import KafkaSettings
from tests.light.broker import Broker


def ages(bootstrap: str, seconds: float = 1) -> KafkaAges:
    """Asks for so long."""
    return KafkaAges(KafkaSettings(bootstrap_servers=bootstrap, group="g", topics=(), request_timeout=seconds))


def test_the_record_at_each_offset_says_since_when_it_is_there() -> None:
    """Of all partitions together; where there is none it is not known."""
    broker, before = Broker(), time.time()
    for topic in ("one", "two"):
        broker.create(topic, [b"a", b"b", b"c"])
    first, second, beyond = TopicPartition("one", 0), TopicPartition("two", 0), TopicPartition("one", 1)
    broker.create("three", [b"a"])
    found = ages(broker.bootstrap).appended({first: 0, second: 2, TopicPartition("three", 0): 1, beyond: 0})
    assert found.keys() == {first, second}
    assert all(before - 1 <= moment <= time.time() + 1 for moment in found.values())


def test_nothing_is_asked_where_nothing_is_behind() -> None:
    """Also while the cluster is away."""
    assert ages("127.0.0.1:1").appended({}) == {}


def test_the_newest_of_the_last_records_is_found_soon() -> None:
    """Behind it nothing is waited for; a log that begins later is read from there."""
    broker = Broker()
    broker.create("beats", [b"a", b"b"])
    before = time.time()
    broker.append("beats", [b"c"])
    broker.delete_before("beats", 1)
    began = time.monotonic()
    newest = ages(broker.bootstrap, 30).newest(TopicPartition("beats", 0), 0)
    assert newest is not None
    assert before - 0.01 <= newest <= time.time() + 1
    assert time.monotonic() - began < 4
    assert ages(broker.bootstrap).newest(TopicPartition("none", 0), 0) is None


def test_a_cluster_that_is_away_says_nothing_of_its_records() -> None:
    """Nobody waits longer than it may take to answer; that it is away is said where it is asked for ends."""
    began = time.monotonic()
    assert ages("127.0.0.1:1").appended({TopicPartition("t", 0): 0}) == {}
    assert time.monotonic() - began < 20
