"""Debezium's connectors, one for each set of modes, and what they wrote into Kafka."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from consumer.stack import loopback
from consumer.stack.connectors import connector_status, connectors, register
from consumer.stack.options import Endpoints
from consumer.stack.ports import LOOPBACK
from tools.recording.journal import Change
from tools.recording.scenario import SIGNALS
from tools.recording.server import DATABASE, PASSWORD, USER

_QUIET_SECONDS = 3.0
_LATEST_SECONDS = 120.0
_HEARTBEATS = 3
_HEARTBEAT = "__debezium-heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A connector's modes. `tables` are those that it captures; `extra` are its settings."""

    name: str
    extra: Mapping[str, str]
    tables: tuple[str, ...] = ()

    def captures(self, table: str) -> bool:
        """Whether it captures a table; one that names none captures all."""
        return not self.tables or table in self.tables


_BY_MODE = (
    "integers",
    "decimals",
    "binaries",
    "dates",
    "far_dates",
    "zero_dates",
    "zero_dates_needed",
    "broken_dates",
    "times",
    "far_times",
    "defaulted",
    "composite",
)
MAIN = "main"
MODES = (
    Mode(
        name=MAIN,
        extra={
            "provide.transaction.metadata": "true",
            "heartbeat.interval.ms": "1000",
            "signal.data.collection": f"{DATABASE}.{SIGNALS}",
            "notification.enabled.channels": "sink",
        },
    ),
    Mode(
        name="text",
        tables=_BY_MODE,
        extra={
            "decimal.handling.mode": "string",
            "time.precision.mode": "isostring",
            "bigint.unsigned.handling.mode": "precise",
            "binary.handling.mode": "base64",
            "enable.time.adjuster": "false",
        },
    ),
    Mode(
        name="plain",
        tables=_BY_MODE,
        extra={
            "decimal.handling.mode": "double",
            "time.precision.mode": "connect",
            "bigint.unsigned.handling.mode": "precise",
            "binary.handling.mode": "base64-url-safe",
        },
    ),
    Mode(
        name="micro",
        tables=_BY_MODE,
        extra={
            "time.precision.mode": "microseconds",
            "binary.handling.mode": "hex",
            "enable.time.adjuster": "false",
            "column.propagate.source.type": ".*",
        },
    ),
    Mode(
        name="nano",
        tables=("dates", "far_dates", "times", "far_times", "zero_dates", "zero_dates_needed"),
        extra={"time.precision.mode": "nanoseconds"},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a connector needs to know of the server. `prefix` begins the topics' names."""

    connector: str
    prefix: str
    port: int


def start(source: Source, mode: Mode, tables: Sequence[str], endpoints: Endpoints) -> None:
    """Registers the connector of a mode; returns when it runs."""
    own = f"{source.prefix}_{mode.name}"
    captured = [each for each in tables if mode.captures(each)]
    config = {
        "connector.class": source.connector,
        "tasks.max": "1",
        "database.hostname": LOOPBACK,
        "database.port": str(source.port),
        "database.user": USER,
        "database.password": PASSWORD,
        "database.server.id": str(1000 + MODES.index(mode)),
        "database.include.list": DATABASE,
        "table.include.list": ",".join(f"{DATABASE}.{each}" for each in captured),
        "topic.prefix": own,
        "schema.history.internal.kafka.bootstrap.servers": endpoints.kafka,
        "schema.history.internal.kafka.topic": f"history-{own}",
        "schema.history.internal.store.only.captured.tables.ddl": "true",
        "schema.name.adjustment.mode": "avro",
        "field.name.adjustment.mode": "avro",
        "skipped.operations": "none",
        "notification.sink.topic.name": f"{own}.notifications",
        "poll.interval.ms": "50",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
    }
    register(endpoints.connect_url, own, config | dict(mode.extra))


def changes_of(mode: Mode, changes: Iterable[Change]) -> list[Change]:
    """The changes that a mode's connector sees."""
    return [each for each in changes if mode.captures(each.table) and (not each.modes or mode.name in each.modes)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as it lies in the only partition of its topic."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(slots=True)
class Reading:
    """All records of the captures' topics, read until what is to come is there."""

    endpoints: Endpoints
    prefix: str
    records: list[Record] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _next: dict[str, int] = field(default_factory=dict)

    def until(self, expected: Mapping[str, int]) -> None:
        """Returns when each topic has shown so many changes, and then nothing for some seconds."""
        consumer = Consumer({"bootstrap.servers": self.endpoints.kafka, "group.id": "recording"})
        try:
            deadline = time.monotonic() + _LATEST_SECONDS
            while missing := {topic: n for topic, n in expected.items() if self._seen[topic] < n}:
                if time.monotonic() > deadline:
                    seen = {topic: self._seen[topic] for topic in missing}
                    raise SystemExit(f"not all changes came: expected {missing}, saw {seen}")
                self._see_failures()
                self._read(consumer, 1.0)
            self._read(consumer, _QUIET_SECONDS)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, seconds: float) -> None:
        topics = [each for each in consumer.list_topics(timeout=10).topics if self._is_ours(each)]
        consumer.assign([TopicPartition(topic, 0, self._next.get(topic, 0)) for topic in topics])
        while batch := consumer.consume(1000, timeout=seconds):
            read = [_record(message) for message in batch]
            for each in read:
                self._take(each)
            if all(each.topic.startswith(_HEARTBEAT) for each in read):
                return

    def _see_failures(self) -> None:
        for name in connectors(self.endpoints.connect_url):
            status = connector_status(self.endpoints.connect_url, name)
            if status is not None and status.failed:
                raise SystemExit(f"{name} failed:\n{status.trace}")

    def _is_ours(self, topic: str) -> bool:
        return topic.removeprefix(f"{_HEARTBEAT}.").startswith(f"{self.prefix}_")

    def _take(self, record: Record) -> None:
        self._next[record.topic] = record.offset + 1
        self._seen[record.topic] += record.value is not None
        if not record.topic.startswith(_HEARTBEAT) or self._seen[record.topic] <= _HEARTBEATS:
            self.records.append(record)


def _record(message: Any) -> Record:
    if message.error():
        raise SystemExit(f"Kafka: {message.error()}")
    return Record(
        topic=message.topic(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )


def schema_ids(records: Iterable[Record]) -> list[int]:
    """The ids in front of keys and values."""
    found = {part for each in records for part in (each.key, each.value) if part}
    return sorted({int.from_bytes(part[1:5], "big") for part in found})


def schemas(endpoints: Endpoints, ids: Iterable[int]) -> Iterator[tuple[int, str]]:
    """The writer schemas, as the registry holds them."""
    for number in ids:
        answer = loopback.request("GET", f"{endpoints.registry_url}/schemas/ids/{number}", 10.0)
        answer.raise_for_status()
        yield number, json.loads(answer.text)["schema"]
