"""A topic as Debezium wrote it, read by plain clients and replayed into the model."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import fastavro
import httpx
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.stack.options import Endpoints
from tests.oracle import Change, Model

COLUMNS = frozenset({"id", "label", "amount"})


class Replay:
    """The changes of a topic in each partition's order, and what a table must hold after them."""

    def __init__(self, at: Endpoints, table: str, topic: str, partitions: int) -> None:
        self.table = table
        self.topic = topic
        self.changes: list[Change] = []
        self._at = at
        self._parts = [TopicPartition(topic, number, 0) for number in range(partitions)]
        with self._client() as consumer:
            consumer.assign(self._parts)
            ended: set[int] = set()
            while len(ended) < partitions:
                ended |= self._take(consumer.poll(10))

    def ends(self) -> dict[tuple[str, int], int]:
        """The log's ends as they are now: the marker of the last transaction comes after its records are read."""
        with self._client() as consumer:
            return {
                (part.topic, part.partition): consumer.get_watermark_offsets(part, timeout=10)[1]
                for part in self._parts
            }

    def rows(self) -> dict[int, tuple[str | None, int]]:
        """What the table must hold: the changes applied one by one."""
        model = Model(COLUMNS)
        model.apply_all(self.changes)
        return {row["id"]: (row["label"], row["amount"]) for row in model.rows.values()}

    @contextmanager
    def _client(self) -> Iterator[Consumer]:
        settings = {"bootstrap.servers": self._at.kafka, "group.id": f"replay-{self.topic}"}
        consumer = Consumer({**settings, "enable.partition.eof": True})
        try:
            yield consumer
        finally:
            consumer.close()

    def _take(self, message: Message | None) -> set[int]:
        """Keep the message; returns the partition when it is its end."""
        assert message is not None, f"nothing more comes from {self.topic}"
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            return {int(message.partition() or 0)}
        if (value := message.value()) is not None:
            event = self._decoded(value)
            self.changes.append(
                Change(event["op"], tuple(self._decoded(message.key() or b"").values()), event["after"])
            )
        return set()

    def _decoded(self, data: bytes) -> dict[str, Any]:
        schema = _schema(self._at.registry_url, int.from_bytes(data[1:5]))
        return fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None)


@cache
def _schema(registry: str, schema_id: int) -> Any:
    answer = httpx.get(f"{registry}/schemas/ids/{schema_id}", timeout=30, verify=False)
    return fastavro.parse_schema(json.loads(answer.raise_for_status().json()["schema"]))
