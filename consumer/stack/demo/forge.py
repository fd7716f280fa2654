"""Forges records of the shop's topics: like those that Debezium wrote, with what is to be wrong about them.

A record of each topic is read from Kafka, decoded with its writer schemas, changed and encoded again.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
import httpx
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from consumer.stack import loopback
from consumer.stack.demo.failures import late, replay_failed
from consumer.stack.demo.line import GROUP, Line

_SECONDS = 30.0
_FRAME = 5
Row = dict[str, Any]


class _Writer:
    """One writer schema with its frame."""

    def __init__(self, registry_url: str, sample: bytes) -> None:
        self._frame = sample[:_FRAME]
        number = int.from_bytes(sample[1:_FRAME], "big")
        try:
            answer = loopback.request("GET", f"{registry_url}/schemas/ids/{number}", _SECONDS).raise_for_status()
        except httpx.HTTPError as cause:
            raise late(f"no answer for schema {number}", _SECONDS, "see the log of the registry") from cause
        self._schema = fastavro.parse_schema(json.loads(answer.json()["schema"]))
        datum = fastavro.schemaless_reader(io.BytesIO(sample[_FRAME:]), self._schema, None)
        assert isinstance(datum, dict)
        self.sample: Row = datum

    def encode(self, datum: Row) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, datum)
        return self._frame + out.getvalue()


@dataclass(frozen=True, slots=True)
class _Form:
    """How the records of one topic are made."""

    key: _Writer
    value: _Writer


class Forge:
    """Makes records and puts them into partition 0 of their topics."""

    def __init__(self, line: Line) -> None:
        self._forms = {table: _form(line, topic) for table, topic in line.topics.items()}
        self._producer = Producer({"bootstrap.servers": line.kafka, "acks": "all", "linger.ms": 0, "log_level": 3})

    def key(self, table: str, row: Mapping[str, object]) -> bytes:
        """The key of a row."""
        writer = self._forms[table].key
        return writer.encode({name: row[name] for name in writer.sample})

    def row(self, table: str, **changed: object) -> Row:
        """A full row: a real one but for what is given."""
        return {**self._forms[table].value.sample["after"], **changed}

    def change(self, table: str, operation: str, row: Row) -> bytes:
        """An envelope: `c` and `u` with the row as their image, `d` with it as what was there before."""
        writer = self._forms[table].value
        before, after = (row, None) if operation == "d" else (None, row)
        return writer.encode({**writer.sample, "op": operation, "before": before, "after": after})

    def write(self, topic: str, key: bytes, value: bytes) -> int:
        """Puts a record into its topic; returns its offset."""
        offsets: list[int] = []

        def told(error: object, message: Message) -> None:
            if error is None:
                offsets.append(int(message.offset() or 0))

        try:
            self._producer.produce(topic, key=key, value=value, partition=0, on_delivery=told)
        except (KafkaException, BufferError) as cause:
            raise replay_failed(cause) from cause
        self._producer.flush(_SECONDS)
        if not offsets:
            raise late("a forged record was not taken by Kafka", _SECONDS, "see the log of the broker")
        return offsets[0]


def _form(line: Line, topic: str) -> _Form:
    key, value = _sample(line, topic)
    return _Form(_Writer(line.registry_url, key), _Writer(line.registry_url, value))


def _sample(line: Line, topic: str) -> tuple[bytes, bytes]:
    """The first record of a topic: a row of the snapshot."""
    consumer = Consumer({"bootstrap.servers": line.kafka, "group.id": f"{GROUP}-forge", "log_level": 3})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        for message in consumer.consume(1, timeout=_SECONDS):
            key, value = message.key(), message.value()
            if isinstance(key, bytes) and isinstance(value, bytes):
                return key, value
    finally:
        consumer.close()
    raise late(f"no record of {topic} was read", _SECONDS, "see the log of the broker")
