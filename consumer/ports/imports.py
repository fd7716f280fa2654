"""Dead-letter topics of others: read, and noted how far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from consumer.core.foreign import DeadRecord, Piece, Span, Stored
from consumer.core.records import OffsetRange, TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A partition that is ours to be read for a while: what is to be read of it, and the id of its topic."""

    wanted: OffsetRange
    topic_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """How far a partition was read, and what came of it."""

    at: TopicPartition
    next_offset: int
    letters: int
    known: int
    lost: int


class DeadTopics(Protocol):
    """The topics; used by one thread. Raises Transient, or Persistent for credentials."""

    def spans(self) -> Mapping[TopicPartition, Span]:
        """What the logs have, as far as their transactions have ended; of those that exist."""
        ...

    def read(self, wanted: OffsetRange, most: int) -> tuple[Sequence[DeadRecord], int] | None:
        """Records from the range's start on, at most so many, and where reading goes on; None when they are gone."""
        ...

    def close(self) -> None: ...


class Imports(Protocol):
    """How far the topics were read. Raises Transient; `store` also Persistent."""

    def claim(self, spans: Mapping[TopicPartition, Span], seconds: float) -> Due | None:
        """A partition with something to be read, which nobody else gets for so many seconds.

        One that was never read begins at its log's start; so does one whose topic was made anew, and one whose log has
        let go of what was to be read.
        """
        ...

    def store(self, piece: Piece) -> Stored | None:
        """Write letters and how far the partition was read, in one transaction.

        None when somebody else has read on meanwhile: then nothing is written; nor is it where a record can't have a
        letter, because an open one of another record has its place in the topic, which is raised.
        """
        ...

    def far(self) -> list[Far]:
        """How far everything was read, by topic and partition."""
        ...
