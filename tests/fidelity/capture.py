"""A mode's connector on the source: from empty tables to all their events in Kafka."""

from collections.abc import Sequence

import psycopg
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from consumer.stack.connectors import Capture, connector_status, register_debezium, remove_debezium
from consumer.stack.options import Endpoints
from consumer.stack.waiting import wait_until
from tests.fidelity import source
from tests.fidelity.compare import open_session
from tests.fidelity.modes import Mode

_SECONDS = 300.0


class NotCaptured(AssertionError):
    """The connector did not send all events."""


def capture(at: Endpoints, modes: Sequence[Mode]) -> None:
    """Returns when every event of the modes' tables is in its topic."""
    with open_session(at.source_dsn) as connection:
        source.make_types(connection)
        for mode in modes:
            with connection.transaction():
                source.make_tables(connection, mode)
                source.fill(connection, mode)
            _start(at, mode)
        for mode in modes:
            _await_streaming(connection, at, mode)
            with connection.transaction():
                source.change(connection, mode)
    for mode in modes:
        _await_events(at, mode)
        remove_debezium(at.connect_url, at.source_dsn, mode.prefix)


def _start(at: Endpoints, mode: Mode) -> None:
    wanted = Capture(
        topic_prefix=mode.prefix,
        tables=tuple(f"{mode.name}.{kind.table}" for kind in mode.types),
        extra=dict(mode.settings),
    )
    register_debezium(at.connect_url, at.source_dsn, mode.prefix, wanted)


def _await_streaming(connection: psycopg.Connection, at: Endpoints, mode: Mode) -> None:
    """What is committed before the slot is read would be no part of the stream."""
    query = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s AND active"

    def streaming() -> bool:
        row = connection.execute(query, [f"headrace_{mode.prefix}"]).fetchone()
        return row == (1,) or _failed(at, mode)

    assert wait_until(streaming, _SECONDS), f"{mode.name} does not stream"
    _raise_failure(at, mode)


def _await_events(at: Endpoints, mode: Mode) -> None:
    wanted = {mode.topic(kind): source.records(kind) for kind in mode.types}
    found: dict[str, int] = {}

    def complete() -> bool:
        found.update(ends(at, list(wanted)))
        return found == wanted or _failed(at, mode)

    wait_until(complete, _SECONDS)
    _raise_failure(at, mode)
    missing = {topic: f"{found.get(topic)} of {count}" for topic, count in wanted.items() if found.get(topic) != count}
    if missing:
        raise NotCaptured(f"{mode.name}: {missing}")


def ends(at: Endpoints, topics: Sequence[str]) -> dict[str, int]:
    """How many records topics of one partition have; 0 for those that are not there."""
    client = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    there = client.list_topics(timeout=30).topics
    parts = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in topics if topic in there}
    answers = client.list_offsets(parts) if parts else {}
    found = dict.fromkeys(topics, 0)
    for part, each in answers.items():
        try:
            found[part.topic] = each.result(30).offset
        except KafkaException as error:
            # a topic that was just made may have no leader yet
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
    return found


def _failed(at: Endpoints, mode: Mode) -> bool:
    status = connector_status(at.connect_url, mode.prefix)
    return status is not None and status.failed


def _raise_failure(at: Endpoints, mode: Mode) -> None:
    status = connector_status(at.connect_url, mode.prefix)
    if status is not None and status.failed:
        causes = [line.strip() for line in status.trace.splitlines() if not line.startswith("\tat ")]
        raise NotCaptured(f"{mode.name}: {' / '.join(causes)}")
