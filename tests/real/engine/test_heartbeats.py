"""Heartbeats as a connector writes them that delivers exactly once."""

import time

from consumer.core.records import TopicPartition
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.config import KafkaSettings
from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name


def test_a_heartbeat_is_found_in_front_of_the_mark_of_its_transaction(at: Endpoints) -> None:
    """Soon, also behind one that was aborted."""
    beats = Feed(at, "beats", fresh_name("beats"), 1)
    with beats.transaction():
        beats.create(1)
    before = time.time()
    with beats.transaction():
        beats.create(1)
    after = time.time()
    with beats.transaction(commit=False):
        beats.create(1)
    asked = KafkaAges(KafkaSettings(bootstrap_servers=at.kafka, group="g", topics=()))
    began = time.monotonic()
    newest = asked.newest(TopicPartition(beats.topic, 0), 0)
    assert newest is not None
    assert before - 0.01 <= newest <= after
    assert time.monotonic() - began < 4
