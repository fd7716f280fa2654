"""Recorded Debezium records, produced again into a topic of another make: at a steady rate, or over many partitions."""

import time
import uuid
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from consumer.bench.failures import late
from consumer.bench.rig import Rig

_CHUNK = 10_000
_SILENCE = 30.0
_FLUSH = 60.0
_TICK = 0.002


def messages(rig: Rig, topic: str, partitions: int, total: int) -> Iterator[Message]:
    """The first `total` records of the partitions, from their beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": rig.endpoints.kafka,
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


def copies(rig: Rig, origin: str, topic: str, count: int, total: int, progress: Callable[[int], None]) -> None:
    """Produces the first `count` records of `origin` over and over up to `total`; keys choose partitions."""
    producer = _producer(rig)
    done = 0
    while done < total:
        for message in messages(rig, origin, 1, min(count, total - done)):
            _send(producer, topic, message.key(), message.value())
            done += 1
            if done % _CHUNK == 0:
                progress(done)
    _flush(producer)


def steadily(records: list[tuple[bytes | None, bytes | None]], rig: Rig, topic: str, rate: int) -> float:
    """Produces the records at so many a second; returns the rate that was reached."""
    producer = _producer(rig)
    began, sent = time.monotonic(), 0
    while sent < len(records):
        due = min(len(records), int((time.monotonic() - began) * rate) + 1)
        for key, value in records[sent:due]:
            _send(producer, topic, key, value)
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


def _send(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
    while True:
        try:
            producer.produce(topic, value=value, key=key)
        except BufferError:
            # the queue is full: let it drain
            producer.poll(0.1)
        else:
            return


def _flush(producer: Producer) -> None:
    left = producer.flush(_FLUSH)
    if left:
        raise late("produce", f"{left:,} records were not taken by Kafka in {_FLUSH:.0f} s", "Read the log of kafka.")
