"""Recorded Debezium records, produced again into a topic of another make: at a steady rate, many times, or changed."""

import io
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import fastavro
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from consumer.bench import topics
from consumer.bench.failures import late
from consumer.bench.rig import Rig
from consumer.core.records import Header
from consumer.edges.kafka.intake import read_headers

# bytes in front of each datum
FRAME = 5
_CHUNK = 10_000
_SILENCE = 30.0
_FLUSH = 60.0
_TICK = 0.002


@dataclass(frozen=True, slots=True)
class Record:
    """What a topic is filled with."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


def row_id(record: Record) -> int:
    """The id of the row that a record is of; a snapshot may read a table from anywhere on."""
    found = fastavro.schemaless_reader(io.BytesIO((record.key or b"")[FRAME:]), "long")
    assert isinstance(found, int)
    return found


def records(rig: Rig, topic: str, total: int) -> Iterator[Record]:
    """The first `total` records of a topic of one partition, as they are."""
    for each in messages(rig.endpoints.kafka, topic, 1, total):
        yield Record(each.key(), each.value(), read_headers(each))


def again(rig: Rig, topic: str, count: int, total: int) -> Iterator[Record]:
    """The first `count` records of a topic over and over, up to `total`."""
    while total > 0:
        yield from records(rig, topic, min(count, total))
        total -= count


def ensure(rig: Rig, topic: str, partitions: int, total: int, wanted: Callable[[], Iterator[Record]]) -> None:
    """Makes a topic of the `total` records that `wanted` gives, unless it is complete; keys choose partitions."""
    if topic in rig.store.topics():
        return
    rig.say(f"making {topic} of {total:,} records")
    topics.create(rig, topic, partitions)
    producer = _producer(rig)
    with rig.bar(f"records of {topic}", total) as progress:
        for done, record in enumerate(wanted(), 1):
            _send(producer, topic, record)
            if done % _CHUNK == 0:
                progress(done)
    _flush(producer)
    rig.store.topics_complete(topic, topics.counts(rig, [topic]))


def messages(kafka: str, topic: str, partitions: int, total: int) -> Iterator[Message]:
    """The first `total` records of the partitions, from their beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"bench-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        left, heard = total, time.monotonic()
        while left > 0:
            for message in consumer.consume(min(left, _CHUNK), 0.1):
                if message.error() is None:
                    left, heard = left - 1, time.monotonic()
                    yield message
            if time.monotonic() - heard > _SILENCE:
                raise late("read", f"{left:,} records of {topic} are missing", "Begin anew with a new data directory.")
    finally:
        consumer.close()


def steadily(
    recorded: Sequence[Record], rig: Rig, topic: str, rate: int, enough: Callable[[], bool] = lambda: False
) -> float:
    """Produces the records at so many a second, until it is enough; returns the rate that was reached."""
    producer = _producer(rig)
    began, sent = time.monotonic(), 0
    while sent < len(recorded) and not enough():
        due = min(len(recorded), int((time.monotonic() - began) * rate) + 1)
        for record in recorded[sent:due]:
            _send(producer, topic, record)
        sent = due
        producer.poll(0)
        time.sleep(_TICK)
    reached = sent / (time.monotonic() - began)
    _flush(producer)
    return reached


def _producer(rig: Rig) -> Producer:
    return Producer(
        {"bootstrap.servers": rig.endpoints.kafka, "linger.ms": 2, "queue.buffering.max.kbytes": 262_144, "acks": "all"}
    )


def _send(producer: Producer, topic: str, record: Record) -> None:
    headers: list[tuple[str, str | bytes | None]] = [*record.headers]
    while True:
        try:
            producer.produce(topic, value=record.value, key=record.key, headers=headers)
        except BufferError:
            # the queue is full: let it drain
            producer.poll(0.1)
        else:
            return


def _flush(producer: Producer) -> None:
    left = producer.flush(_FLUSH)
    if left:
        raise late("produce", f"{left:,} records were not taken by Kafka in {_FLUSH:.0f} s", "Read the log of kafka.")
