"""Debezium's JDBC sink over the same topics: one connector a table, so that one that fails hides no other."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.core.failure import Persistent
from consumer.stack.connectors import connector_status, delete_connector, jdbc_sink_config, register
from consumer.stack.options import Endpoints
from consumer.stack.waiting import wait_until
from tests.fidelity.capture import ends

_AT_ONCE = 8
_SECONDS = 120.0


def run(at: Endpoints, dsn: str, topics: Sequence[str], *, create: bool) -> frozenset[str]:
    """Returns the topics whose task has failed, or has not read all of it in time; of the others all is written."""
    failed: set[str] = set()
    left = iter(topics)
    while wave := list(islice(left, _AT_ONCE)):
        failed |= set(_wave(at, dsn, wave, create=create))
    return frozenset(failed)


def _wave(at: Endpoints, dsn: str, topics: Sequence[str], *, create: bool) -> Iterator[str]:
    names = {topic: f"sink_{'create' if create else 'use'}_{topic}" for topic in topics}
    for topic, name in names.items():
        try:
            register(at.connect_url, name, _config(dsn, topic, create=create))
        except Persistent:
            # it fails with its first record already
            continue
    wanted = ends(at, topics)
    for topic, name in names.items():
        done = partial(_done, at, name, topic, wanted[topic])
        if not wait_until(done, _SECONDS) or _failed(at, name):
            yield topic
        delete_connector(at.connect_url, name)


def _config(dsn: str, topic: str, *, create: bool) -> dict[str, str]:
    made = {"schema.evolution": "basic" if create else "none"}
    return {**jdbc_sink_config(dsn, [topic]), "connection.pool.min_size": "1", **made}


def _done(at: Endpoints, name: str, topic: str, end: int) -> bool:
    return _failed(at, name) or _committed(at, f"connect-{name}", topic) >= end


def _failed(at: Endpoints, name: str) -> bool:
    status = connector_status(at.connect_url, name)
    return status is not None and status.failed


def _committed(at: Endpoints, group: str, topic: str) -> int:
    client = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    answer = client.list_consumer_group_offsets([asked])[group].result(30)
    return max((part.offset for part in answer.topic_partitions or ()), default=-1)
