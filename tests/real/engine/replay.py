"""A topic as Debezium wrote it, read by plain clients and replayed into the model."""

import io
import json
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
        self._registry = at.registry_url
        self._ends: dict[int, int] = {}
        consumer = Consumer(
            {"bootstrap.servers": at.kafka, "group.id": f"replay-{topic}", "enable.partition.eof": True}
        )
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        try:
            while len(self._ends) < partitions:
                self._take(consumer.poll(10))
        finally:
            consumer.close()

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last record of each partition."""
        return {(self.topic, number): end for number, end in self._ends.items()}

    def rows(self) -> dict[int, tuple[str | None, int]]:
        """What the table must hold: the changes applied one by one."""
        model = Model(COLUMNS)
        model.apply_all(self.changes)
        return {row["id"]: (row["label"], row["amount"]) for row in model.rows.values()}

    def _take(self, message: Message | None) -> None:
        assert message is not None, f"nothing more comes from {self.topic}"
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            self._ends[int(message.partition() or 0)] = int(message.offset() or 0)
        elif (value := message.value()) is not None:
            event = self._decoded(value)
            self.changes.append(
                Change(event["op"], tuple(self._decoded(message.key() or b"").values()), event["after"])
            )

    def _decoded(self, data: bytes) -> dict[str, Any]:
        schema = _schema(self._registry, int.from_bytes(data[1:5]))
        return fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None)  # type: ignore[return-value]


@cache
def _schema(registry: str, schema_id: int) -> Any:
    answer = httpx.get(f"{registry}/schemas/ids/{schema_id}", timeout=30)
    return fastavro.parse_schema(json.loads(answer.raise_for_status().json()["schema"]))
