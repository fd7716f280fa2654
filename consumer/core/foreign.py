"""Dead letters of other consumers: records of their dead-letter topics, and what their headers say."""

from collections.abc import Callable
from dataclasses import dataclass

from consumer.core.failure import Failure
from consumer.core.letters import Record
from consumer.core.records import RecordRef, TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadRecord:
    """A record as it lies in a dead-letter topic, and when it came there (milliseconds since 1970, 0 if unknown)."""

    record: Record
    appended_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What a dead record says of itself: whose it is, where it was first, and why it could not be taken.

    `origin` is None where its headers do not say it. `pointer`: it has no value because it only says where that is.
    """

    family: str
    origin: RecordRef | None
    failure: Failure
    pointer: bool = False


Recognise = Callable[[Record], Foreign]
"""Reads a dead record's headers; whatever they are, it raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a log has: offsets `[start, end)`, and the id of its topic, or NO_TOPIC_ID."""

    start: int
    end: int
    topic_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Records of a dead-letter topic in their order; `start` is where its reading stood, `end` the next offset."""

    at: TopicPartition
    topic_id: str
    start: int
    end: int
    records: tuple[tuple[DeadRecord, Foreign], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of a piece: letters that were made, and records that are letters already."""

    at: TopicPartition
    letters: int
    known: int
