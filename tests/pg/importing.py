"""Dead letters of other consumers, as they lie in their topic, and their reading by a group."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from consumer.core.foreign import DeadRecord, Piece, Span, Stored
from consumer.core.letters import Record
from consumer.core.records import Header, RecordRef, TopicPartition
from consumer.edges.postgres.imports import PostgresImports
from dlq.foreign import recognised

DEAD = TopicPartition("sink-dlq", 0)


ORIGIN = RecordRef(TopicPartition("shop", 1), 5)


TOLD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def connect(origin: RecordRef) -> list[Header]:
    """Kafka Connect's headers of an origin."""
    said = {"topic": origin.at.topic, "partition": str(origin.at.partition), "offset": str(origin.offset)}
    said |= {"connector.name": "sink", "stage": "VALUE_CONVERTER", "exception.class.name": "a.b.DataException"}
    return [(f"__connect.errors.{name}", value.encode()) for name, value in said.items()]


def spring(origin: RecordRef) -> list[Header]:
    """Spring's."""
    return [
        ("kafka_dlt-original-topic", origin.at.topic.encode()),
        ("kafka_dlt-original-partition", struct.pack(">i", origin.at.partition)),
        ("kafka_dlt-original-offset", struct.pack(">q", origin.offset)),
    ]


def dead(
    offset: int,
    headers: Sequence[Header] = (),
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    at: datetime | None = TOLD,
) -> DeadRecord:
    """A record of the dead-letter topic."""
    record = Record(ref=RecordRef(DEAD, offset), key=key, value=value, headers=tuple(headers))
    return DeadRecord(record=record, appended_ms=int(at.timestamp() * 1000) if at else 0)


class Reading:
    """A group that reads one partition of dead letters."""

    def __init__(self, session: psycopg.Connection, imports: PostgresImports, group: str) -> None:
        self.session, self.imports, self.group = session, imports, group

    def claim(self, end: int = 100, start: int = 0, topic_id: str = "first", seconds: float = 0.0) -> Any:
        """What is to be read."""
        return self.imports.claim({DEAD: Span(start=start, end=end, topic_id=topic_id)}, seconds)

    def store(self, *records: DeadRecord, start: int | None = None, topic_id: str = "first") -> Stored | None:
        """Write what was read."""
        start = records[0].record.ref.offset if start is None else start
        end = records[-1].record.ref.offset + 1 if records else start
        read = tuple((each, recognised(each.record)) for each in records)
        return self.imports.store(Piece(at=DEAD, topic_id=topic_id, start=start, end=end, records=read))

    def read(self, *records: DeadRecord) -> Stored:
        """Claim and write."""
        assert self.claim() is not None
        stored = self.store(*records)
        assert stored is not None
        return stored

    def letters(self) -> list[tuple[Any, ...]]:
        """By id: origin, state, family, and the place in the dead-letter topic."""
        query = (
            'SELECT topic, partition, "offset", state, imported, imported_offset FROM headrace.letters'
            " WHERE group_name = %s ORDER BY id"
        )
        return self.session.execute(query, (self.group,)).fetchall()
