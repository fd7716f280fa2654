"""Dead-letter topics of other consumers, of which Kafka does not tell everything."""

from contextlib import closing

from confluent_kafka import KafkaError

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.dead_topics import KafkaDeadTopics
from tests.light.broker import LIST_OFFSETS, Broker

PLAIN, LATE = TopicPartition("plain.dead", 0), TopicPartition("late.dead", 0)


def dead_topics(broker: Broker) -> KafkaDeadTopics:
    """Both, with some records."""
    broker.create(PLAIN.topic, [b"1", b"2"])
    broker.create(LATE.topic, [b"1"])
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=(), request_timeout=5)
    return KafkaDeadTopics(settings, [PLAIN.topic, LATE.topic])


def test_a_partition_without_a_leader_stops_no_other() -> None:
    """It is read once it has one."""
    broker = Broker()
    with closing(dead_topics(broker)) as topics:
        broker.take_leader(LATE.topic)
        assert [(at, span.start, span.end) for at, span in topics.spans().items()] == [(PLAIN, 0, 2)]
        broker.give_leader(LATE.topic)
        assert topics.spans().keys() == {PLAIN, LATE}


def test_partitions_whose_leader_has_just_changed_are_asked_for_again() -> None:
    """They are no failure of the server."""
    broker = Broker()
    with closing(dead_topics(broker)) as topics:
        broker.answer(LIST_OFFSETS, KafkaError.OFFSET_NOT_AVAILABLE)
        assert topics.spans() == {}
        assert topics.spans().keys() == {PLAIN, LATE}
