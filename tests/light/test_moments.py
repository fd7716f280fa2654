"""Offsets by time, where the cluster has nothing of that time."""

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from tests.light.broker import Broker


def test_a_moment_behind_all_records_is_the_end_of_the_log() -> None:
    """The mock broker knows no times, and answers as a real one does for those of the future."""
    broker = Broker()
    broker.create("one", [b"a", b"b", b"c"])
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("one",), request_timeout=5)
    at = TopicPartition("one", 0)
    assert KafkaOffsets(settings).since([at], 4e9) == {at: 3}
