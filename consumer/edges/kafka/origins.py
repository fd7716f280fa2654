"""Records read again at their origin: one that a letter points to, or those behind it."""

from collections.abc import Sequence

from confluent_kafka import Message

from consumer.core.letters import Record
from consumer.core.records import Header, OffsetRange, RecordRef, Slice
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.intake import read_headers
from consumer.edges.kafka.pieces import Pieces


class KafkaOrigins:
    """Implements `consumer.ports.topics.Origins`, with a client of its own that is no member of the group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._pieces = Pieces(settings)

    def fetch(self, ref: RecordRef) -> Record | None:
        piece = self.read(OffsetRange(ref.at, ref.offset, ref.offset + 1), 1)
        if piece is None or not len(piece):
            return None
        return Record(ref=ref, key=piece.keys[0], value=piece.values[0], headers=piece.headers(ref.offset))

    def read(self, wanted: OffsetRange, most: int) -> Slice | None:
        found = self._pieces.read(wanted, most)
        return None if found is None else _slice(wanted, *found)

    def close(self) -> None:
        """Close the client."""
        self._pieces.close()


def _slice(wanted: OffsetRange, found: Sequence[Message], end: int) -> Slice:
    by_offset = {message.offset(): message for message in found}

    def headers(offset: int) -> tuple[Header, ...]:
        return read_headers(by_offset[offset])

    return Slice(
        at=wanted.at,
        epoch=0,
        start=wanted.start,
        end=end,
        offsets=[message.offset() for message in found],  # type: ignore[misc]
        keys=[message.key() for message in found],
        values=[message.value() for message in found],
        headers=headers,
        size=sum(map(len, found)),
    )
