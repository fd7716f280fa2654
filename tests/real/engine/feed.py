"""Change topics with Debezium's schemas, written by the test itself: it chooses keys, partitions and offsets."""

import io
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from types import MappingProxyType
from typing import Any

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from consumer.core.markers import UNAVAILABLE
from consumer.core.moves import NEW_KEY
from consumer.stack import loopback
from consumer.stack.options import Endpoints
from consumer.stack.waiting import wait_until
from tests.oracle import Change, Model, key_change

COLUMNS = frozenset({"id", "label", "amount"})


def source_block() -> dict[str, Any]:
    """Debezium's origin block of a PostgreSQL row."""
    long = ["null", "long"]
    fields: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in ("version", "connector", "name")]
    fields += [{"name": "ts_ms", "type": "long"}]
    fields += [{"name": "snapshot", "type": ["null", "string"], "default": None}, {"name": "db", "type": "string"}]
    fields += [{"name": "sequence", "type": ["null", "string"], "default": None}]
    fields += [{"name": name, "type": "string"} for name in ("schema", "table")]
    fields += [{"name": name, "type": long, "default": None} for name in ("txId", "lsn", "xmin")]
    return {
        "type": "record",
        "name": "Source",
        "namespace": "io.debezium.connector.postgresql",
        "fields": fields,
        "connect.name": "io.debezium.connector.postgresql.Source",
    }


def envelope(prefix: str) -> dict[str, Any]:
    """A value schema as Debezium and the Avro converter write it: the row is named once, under `before`."""
    row = {
        "type": "record",
        "name": "Value",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "label", "type": ["null", "string"], "default": None},
            {"name": "amount", "type": "int"},
        ],
        "connect.name": f"{prefix}.Value",
    }
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": prefix,
        "fields": [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source_block()},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
        ],
        "connect.version": 2,
        "connect.name": f"{prefix}.Envelope",
    }


def key_schema(prefix: str) -> dict[str, Any]:
    """The schema of a key of one column."""
    return {
        "type": "record",
        "name": "Key",
        "namespace": prefix,
        "fields": [{"name": "id", "type": "long"}],
        "connect.name": f"{prefix}.Key",
    }


class Feed:
    """Writes one table's changes to one topic, each key always to the same partition, and keeps what it wrote."""

    def __init__(
        self, at: Endpoints, table: str, topic: str, partitions: int = 3, config: dict[str, str] | None = None
    ) -> None:
        self.table = table
        self.topic = topic
        self.partitions = partitions
        self.changes: list[Change] = []
        self.last = 0
        # where the changes that are sent stand in the source's log
        self.lsn: int | None = None
        self._ends: dict[int, int] = {}
        create_topic(at.kafka, topic, partitions, config)
        value, key = envelope(topic), key_schema(topic)
        self._value_frame = _frame(register(at, f"{topic}-value", value))
        self._key_frame = _frame(register(at, f"{topic}-key", key))
        self._value_schema, self._parsed_key = fastavro.parse_schema(value), fastavro.parse_schema(key)
        self._at, self._kafka = at, at.kafka
        self._producer = _producer(at.kafka)
        # how often the key's schema got another id
        self._keyed = 0

    def rekey(self) -> None:
        """The key's schema gets another id. Its bytes choose a key's partition, which is the next one then."""
        self.flush()
        self._keyed += 1
        again = key_schema(self.topic) | {"connect.version": 1 + self._keyed}
        self._key_frame = _frame(register(self._at, f"{self.topic}-key", again))

    def grow(self, partitions: int) -> None:
        """Give the topic more partitions; keys are spread over all of them from now on."""
        self.flush()
        admin = AdminClient({"bootstrap.servers": self._kafka, "log_level": 0})
        admin.create_partitions([NewPartitions(self.topic, partitions)])[self.topic].result(60)
        self.partitions = partitions

        def known() -> bool:
            return len(admin.list_topics(self.topic, timeout=30).topics[self.topic].partitions) == partitions

        # the broker learns of them behind its controller, and a producer that was there before by and by
        assert wait_until(known, 60)
        self._producer = _producer(self._kafka)

    def reconnect(self) -> None:
        """Write as a producer of which a log that was cut knows nothing."""
        self._producer = _producer(self._kafka)

    def insist(self) -> None:
        """Write as a producer that asks again and again who leads, for brokers that break: what such a one says before
        it knows all may not be true. It would have a topic made anew that is deleted.
        """
        self.flush()
        self._producer = _producer(self._kafka, {"topic.metadata.refresh.interval.ms": 3000})

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[None]:
        """What is sent meanwhile belongs to one transaction, which is committed or aborted in the end."""
        plain, before = self._producer, dict(self._ends)
        self._producer = writer = _producer(self._kafka, {"transactional.id": fresh_name("transaction")})
        writer.init_transactions(60)
        writer.begin_transaction()
        try:
            yield
            self.flush()
            (writer.commit_transaction if commit else writer.abort_transaction)(60)
        finally:
            self._producer = plain
        # its marker stands behind it
        self._ends |= {place: end + 1 for place, end in self._ends.items() if end != before.get(place)}

    def create(self, number: int) -> None:
        """New rows, each key once."""
        for _ in range(number):
            self.last += 1
            self.send("c", self.last, f"row {self.last}", self.last % 1000)
        self.flush()

    def churn(self, number: int, seed: int, keys: int = 40) -> None:
        """Inserts, updates and deletes of few keys, as a source would order them."""
        chance = random.Random(seed)
        alive = set(self.rows())
        for step in range(number):
            key = chance.randrange(1, keys + 1)
            if key in alive and chance.random() < 0.3:
                alive.discard(key)
                self.send("d", key)
            else:
                self.send("u" if key in alive else "c", key, f"{seed}/{step}", chance.randrange(1_000_000))
                alive.add(key)
        self.flush()

    def send(self, op: str, key: int, label: str | None = None, amount: int = 0) -> None:
        """One change; a delete carries its key only."""
        image = None if op == "d" else {"id": key, "label": label, "amount": amount}
        self.raw(self.encode(op, key, image), key)
        self.changes.append(Change(op, (key,), image))

    def partial(self, key: int, amount: int) -> None:
        """An update of a row whose label Debezium did not get, because it had not changed."""
        self.raw(self.encode("u", key, {"id": key, "label": UNAVAILABLE, "amount": amount}), key)
        self.changes.append(Change("u", (key,), {"id": key, "amount": amount}))

    def move(self, old: int, new: int, amount: int) -> None:
        """A changed key: a delete that says so, its tombstone, and a create without its label."""
        self.lsn = (self.lsn or 0) + 1
        self.raw(self.encode("d", old, None), old, headers=[(NEW_KEY, b"{}")])
        self.raw(None, old)
        self.raw(self.encode("c", new, {"id": new, "label": UNAVAILABLE, "amount": amount}), new)
        label = self.rows()[old][0]
        self.changes += key_change((old,), (new,), {"id": new, "label": label, "amount": amount})

    def truncate(self) -> None:
        """The source emptied the table: a record without a key, so it is in the first partition."""
        self._produce(self.encode("t", 0, None), None, 0)
        self.changes.append(Change("t", ()))

    def encode_key(self, key: int) -> bytes:
        """The key bytes of a row."""
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self._parsed_key, {"id": key})
        return self._key_frame + buffer.getvalue()

    def raw(
        self, value: bytes | None, key: int, frame: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Any bytes as the value of a key's record, maybe another frame of the key; they are not part of the model."""
        known = self.encode_key(key)
        framed = known if frame is None else frame + known[len(frame) :]
        self._produce(value, framed, (key + self._keyed) % self.partitions, headers)

    def _produce(
        self, value: bytes | None, key: bytes | None, place: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        self._producer.produce(self.topic, value, key, place, headers=list(headers), on_delivery=self._delivered)
        self._producer.poll(0)

    def encode(self, op: str, key: int, image: dict[str, Any] | None) -> bytes:
        """A framed envelope."""
        before = {"id": key, "label": None, "amount": 0} if op == "d" else None
        datum = {"before": before, "after": image, "op": op, "ts_ms": 1, "source": self._source()}
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self._value_schema, datum)
        return self._value_frame + buffer.getvalue()

    def flush(self) -> None:
        """Return when everything is in the topic."""
        assert self._producer.flush(120) == 0, "the broker did not take everything"

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last record of each partition."""
        return {(self.topic, number): self._ends.get(number, 0) for number in range(self.partitions)}

    def rows(self) -> dict[int, tuple[str | None, int]]:
        """What the table must hold: the changes applied one by one."""
        model = Model(COLUMNS)
        model.apply_all(self.changes)
        return {row["id"]: (row["label"], row["amount"]) for row in model.rows.values()}

    def _source(self) -> dict[str, Any]:
        return {"version": "3", "connector": "postgresql", "name": "t", "ts_ms": 1, "db": "s"} | {
            "schema": "public",
            "table": self.table,
            "lsn": self.lsn,
        }

    def _delivered(self, error: Any, message: Any) -> None:
        assert error is None, error
        self._ends[message.partition()] = max(self._ends.get(message.partition(), 0), message.offset() + 1)


def _producer(kafka: str, more: Mapping[str, Any] = MappingProxyType({})) -> Producer:
    # delivery errors raise in flush
    # a broker that breaks must not make it write a record twice: that would be no fault of the worker
    # how large a record may be is the topic's matter
    return Producer(
        {
            "bootstrap.servers": kafka,
            "linger.ms": 2,
            "log_level": 0,
            "enable.idempotence": True,
            "message.max.bytes": 32 << 20,
            # a broker that comes back is found at once
            "reconnect.backoff.max.ms": 500,
            **more,
        }
    )


_numbers = count(1)
# which of the processes that share servers this is
_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")


def fresh_name(word: str) -> str:
    """A name that no other test of this run has."""
    return f"{word}_{_PROCESS}{'_' * bool(_PROCESS)}{next(_numbers)}"


def create_topic(bootstrap: str, topic: str, partitions: int, config: dict[str, str] | None = None) -> None:
    """Create a topic and return when the broker has it."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})])[topic].result(60)


def register(at: Endpoints, subject: str, schema: dict[str, Any]) -> int:
    """The id of a schema in the registry."""
    body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
    answer = loopback.request("POST", f"{at.registry_url}/subjects/{subject}/versions", 60, body)
    answer.raise_for_status()
    return int(answer.json()["id"])


def _frame(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4)


Copy = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def read_topic(kafka: str, topic: str, count: int, seconds: float = 60.0) -> list[Copy]:
    """Key, value and headers of the first records of partition 0 of a topic."""
    reader = Consumer({"bootstrap.servers": kafka, "group.id": fresh_name("reader"), "enable.auto.commit": False})
    try:
        reader.assign([TopicPartition(topic, 0, 0)])
        found = [message for message in reader.consume(count, seconds) if message.error() is None]
    finally:
        reader.close()
    assert len(found) == count, f"{len(found)} records instead of {count}"
    return [(message.key(), message.value(), list(message.headers() or [])) for message in found]
