"""Topics of real Debezium events: made once by a workload on the source, kept, and used by every run."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.bench import workload
from consumer.bench.failures import late
from consumer.bench.rig import Rig
from consumer.bench.scenario import TOPIC_PREFIX, Dataset
from consumer.edges.kafka.specs import LATEST
from consumer.stack.connectors import Capture, connector_status, register_debezium, remove_debezium
from consumer.stack.waiting import wait_until

_TIMEOUT = 30.0
# seconds without a new record after which the capture counts as stuck
_STALLED = 120.0
# large batches, so that a million events take less than a minute
_CAPTURE = {
    "max.batch.size": "16384",
    "max.queue.size": "65536",
    "snapshot.fetch.size": "16384",
    "tombstones.on.delete": "false",
    "producer.override.batch.size": "524288",
    "producer.override.linger.ms": "10",
    "producer.override.buffer.memory": "134217728",
}


def ensure(rig: Rig, dataset: Dataset) -> None:
    """Makes the dataset's topics unless they are complete. One that was interrupted is begun anew."""
    if dataset.name in rig.store.topics():
        return
    rig.say(f"making {dataset.events:,} events of {dataset.name} with Debezium")
    # what an interrupted making left
    delete(rig, dataset.topics)
    with rig.source() as connection:
        workload.create_tables(connection, dataset)
        workload.preload(connection, dataset)
        if dataset.mix.snapshot:
            workload.run(connection, dataset)
    tables = tuple(f"{dataset.name}.{table}" for table in dataset.tables)
    mode = "initial" if dataset.mix.snapshot else "no_data"
    capture = Capture(topic_prefix=TOPIC_PREFIX, tables=tables, snapshot_mode=mode, extra=_CAPTURE)
    # a new name each time, because Connect keeps the offsets of old ones
    connector = f"bench-capture-{uuid.uuid4().hex[:8]}"
    register_debezium(rig.endpoints.connect_url, rig.endpoints.source_dsn, connector, capture)
    if not dataset.mix.snapshot:
        _await_slot(rig)
        with rig.source() as connection:
            workload.run(connection, dataset)
    _await_events(rig, dataset, connector)
    remove_debezium(rig.endpoints.connect_url, rig.endpoints.source_dsn, connector)
    rig.store.topics_complete(dataset.name, counts(rig, dataset.topics))


def counts(rig: Rig, topics: Sequence[str]) -> dict[str, int]:
    """Records by topic; a topic that does not exist has none."""
    client = admin(rig)
    there = client.list_topics(timeout=_TIMEOUT).topics
    parts = [TopicPartition(topic, part) for topic in topics if topic in there for part in there[topic].partitions]
    found = dict.fromkeys(topics, 0)
    if parts:
        ends = client.list_offsets(dict.fromkeys(parts, LATEST), request_timeout=_TIMEOUT)
        with answering("list_offsets"):
            for part, future in ends.items():
                found[part.topic] += max(0, future.result(_TIMEOUT).offset)
    return found


def names(rig: Rig) -> list[str]:
    """All topics that there are."""
    return list(admin(rig).list_topics(timeout=_TIMEOUT).topics)


def admin(rig: Rig) -> AdminClient:
    """A client that answers questions."""
    return AdminClient({"bootstrap.servers": rig.endpoints.kafka, "log_level": 3})


def create(rig: Rig, topic: str, partitions: int, settings: dict[str, str] | None = None) -> None:
    """Makes a topic; one of that name is deleted first."""
    delete(rig, [topic])
    fresh = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=settings or {})
    # the client ends with its variable, and its requests with it
    client = admin(rig)
    with answering("create_topic"):
        client.create_topics([fresh])[topic].result(_TIMEOUT)

    def ready() -> bool:
        found = client.list_topics(timeout=_TIMEOUT).topics.get(topic)
        return found is not None and found.error is None and len(found.partitions) == partitions

    if not wait_until(ready, _TIMEOUT):
        raise late("create_topic", f"topic {topic} is not there after {_TIMEOUT:.0f} s", "Read the log of kafka.")


def delete(rig: Rig, topics: Sequence[str]) -> None:
    """Deletes topics and returns when they are gone."""
    client = admin(rig)
    every = client.list_topics(timeout=_TIMEOUT).topics
    there = [topic for topic in topics if topic in every]
    if not there:
        return
    with answering("delete_topics"):
        for future in client.delete_topics(there).values():
            future.result(_TIMEOUT)
    if not wait_until(lambda: not _described(client, there), _TIMEOUT):
        raise late("delete_topics", f"topics are still there after {_TIMEOUT:.0f} s", "Read the log of kafka.")


@contextmanager
def answering(operation: str) -> Iterator[None]:
    """Kafka's answers are waited for in here. Raises Transient when one does not come in time."""
    try:
        yield
    except TimeoutError as error:
        raise late(operation, f"kafka has not answered within {_TIMEOUT:.0f} s", "Read the log of kafka.") from error


def _described(client: AdminClient, topics: Sequence[str]) -> bool:
    answers = client.describe_topics(TopicCollection(list(topics))).values()
    with answering("describe_topics"):
        # not raised: an error that has passed through here would keep the client, which outlives the broker then
        return any(answer.exception(_TIMEOUT) is None for answer in answers)


def _await_slot(rig: Rig) -> None:
    """What is committed before the slot exists is in no topic."""
    with rig.source() as connection:

        def streaming() -> bool:
            row = connection.execute("SELECT count(*) FROM pg_replication_slots WHERE active").fetchone()
            return row is not None and row[0] > 0

        if not wait_until(streaming, _TIMEOUT):
            raise late("capture", f"Debezium streams not after {_TIMEOUT:.0f} s", "Read the log of connect.")


def _await_events(rig: Rig, dataset: Dataset, connector: str) -> None:
    """Returns when every event is in its topic; gives up when none came for a while."""
    seen, changed = -1, time.monotonic()
    with rig.bar(f"events of {dataset.name}", dataset.events) as progress:

        def complete() -> bool:
            nonlocal seen, changed
            now = sum(counts(rig, dataset.topics).values())
            if now > seen:
                seen, changed = now, time.monotonic()
                progress(now)
            return seen >= dataset.events or time.monotonic() - changed > _STALLED

        wait_until(complete, _STALLED + dataset.events / 100, interval=0.5)
    if seen < dataset.events:
        status = connector_status(rig.endpoints.connect_url, connector)
        trace = status.trace if status else "the connector is gone"
        detail = f"Debezium stopped at {seen:,} of {dataset.events:,} events. {trace}"
        raise late("capture", detail, "Read the log of connect.")
