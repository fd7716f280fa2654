"""Letters beside the batches: their copies, and the records that they point to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumer.core.failure import Failure
from consumer.core.letterhead import Letterhead
from consumer.core.letters import State
from consumer.core.records import Header, OffsetRange, RecordRef, TopicPartition
from consumer.core.search import Ending, Passed, Search, Seen, Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How much a log still has: offsets below `start` are gone, those below `leaving` may be gone soon."""

    start: int
    leaving: int = 0


class Logs(Protocol):
    """Questions about how long logs keep their records. Raises Transient, or Persistent for credentials."""

    def reach(self, partitions: Sequence[TopicPartition], hours: float) -> Mapping[TopicPartition, Reach]:
        """What may leave each log within so many hours; of those that are not known nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """An open letter whose record leaves its log, or is `gone`. `kept`: the letter has the record's bytes."""

    id: int
    origin: RecordRef
    table: str | None
    gone: bool
    kept: bool


class Pointers(Protocol):
    """Open letters that point to their records, or whose copies do; used by one thread. Raises Transient."""

    def partitions(self, after: TopicPartition | None, most: int) -> list[TopicPartition]:
        """Where their records lie, in order, behind `after`; also where those of other open letters do."""
        ...

    def part(self, reaches: Mapping[TopicPartition, Reach], most: int) -> list[Parting]:
        """Note at most so many whose record is leaving or gone. Each comes once for either, whoever asks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTopic:
    """A topic for copies of letters. `retention` in seconds."""

    name: str
    partitions: int
    retention: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """The copy of a letter at one attempt, to be published. A pointer has headers, and mostly a key, but no value."""

    id: int
    attempt: int
    topic: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of a copy: where it lies, or the failure. `too_large`: only a smaller one would be taken."""

    id: int
    attempt: int
    topic: str
    partition: int | None = None
    offset: int | None = None
    failure: Failure | None = None
    too_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unposted:
    """A letter whose copy is to be published: its state, letterhead and record; a pointer has no value."""

    id: int
    state: State
    head: Letterhead
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)


class Searches(Protocol):
    """Letters whose partitions are searched for later changes of their rows. Raises Transient."""

    def claim(self, most: int, seconds: float) -> list[Search]:
        """At most so many of one partition, which nobody else gets for so many seconds."""
        ...

    def marks(self) -> list[OffsetRange]:
        """Ranges that hang the native decoder, of whatever partition."""
        ...

    def passed(self, at: TopicPartition, offsets: Sequence[int]) -> Passed:
        """What is known of records that were passed, at offsets that rise."""
        ...

    def note(self, stretch: Stretch, seen: Seen) -> Mapping[int, Ending]:
        """Bring the stretch's searches as far as was read; returns the endings of those that have ended, by letter.

        Raises DataFault, TableFault when what was seen can't be looked up.
        """
        ...

    def refuse(self, stretch: Stretch) -> None:
        """The records are gone: end the stretch's searches."""
        ...


MOST_BYTES = 8 << 20
"""Of letters' records that are held to be published."""


class Outbox(Protocol):
    """The letters whose copies are still to be published. Raises Transient."""

    def claim(self, most: int, seconds: float, but: Collection[State] = (), size: int = MOST_BYTES) -> list[Unposted]:
        """At most so many, which nobody else gets for so many seconds; first the oldest that were never claimed.

        None in the states `but`, and none behind those that have `size` bytes together.
        """
        ...

    def confirm(self, posted: Sequence[Posted]) -> None:
        """Note where copies lie; those that failed may be claimed again at once."""
        ...

    def republish(self) -> int:
        """Have copies published again that are overdue by twice their delay, some at a time; returns how many."""
        ...


class Letterbox(Protocol):
    """Where copies of letters are published; used by one thread. Publishing only follows what the database knows."""

    def ensure(self, topics: Sequence[LetterTopic]) -> Mapping[str, Failure]:
        """Make the topics that are missing, look at the others. Raises Transient, or Persistent for credentials.

        Returns why topics can't be made, by name: nothing can be posted to them. A topic whose settings may lose or
        remove copies is left as it is and named in the log.
        """
        ...

    def post(self, letters: Sequence[Outgoing]) -> int:
        """Queue copies; returns how many were taken, from the first on: fewer when the queue is full.

        Waits for nobody. Each copy that was taken comes back from `posted` once, whatever becomes of it.
        """
        ...

    def posted(self) -> list[Posted]:
        """What became of copies since the last call."""
        ...

    def flush(self, timeout: float) -> int:
        """Wait at most `timeout` seconds until everything posted is settled; returns how many copies are not."""
        ...

    def close(self) -> None:
        """Give up what is still queued; `posted` then says so."""
        ...
