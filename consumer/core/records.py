"""Records and positions. A position is always the *next* offset to read."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from consumer.core.schema_ref import Foreign, SchemaRef

Header = tuple[str, bytes | None]
HeadersOf = Callable[[int], tuple[Header, ...]]


def no_headers(offset: int) -> tuple[Header, ...]:
    """Those of a record without any."""
    return ()


class Framing(Protocol):
    """Knows the frames that were put in front of keys and values whose schema ids are elsewhere in their records."""

    def ref(self, frame: bytes) -> SchemaRef | Foreign | None:
        """What a frame stands for; None where its record says nothing of a schema."""
        ...

    def bare(self, raw: bytes) -> bytes:
        """A key or value as it lay in its topic."""
        ...


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class OffsetRange(NamedTuple):
    """Offsets `[start, end)` of one partition."""

    at: TopicPartition
    start: int
    end: int


class RecordRef(NamedTuple):
    """One record's origin."""

    at: TopicPartition
    offset: int


NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""What brokers that give topics no ids tell as the id of each: after their upgrade each has one of its own."""


def correlation_id(at: TopicPartition, offset: int) -> str:
    """The name of a record's journey: a function of its origin, the same on every retry."""
    return f"{at.topic}-{at.partition}-{offset}"


def offset_in(name: str, at: TopicPartition) -> int | None:
    """The offset that a correlation id of this partition names; None when it names none."""
    number = name.removeprefix(f"{at}-")
    return int(number) if number != name and number.isascii() and number.isdigit() else None


class LastRecord(NamedTuple):
    """The last record that was read of a partition: no record lies between it and the position.

    A record is the same as long as its offset and its leader's epoch are; brokers of old formats give no epoch.
    """

    offset: int
    leader_epoch: int | None


class Appended(NamedTuple):
    """When the record at an offset was appended, in milliseconds since 1970; not above 0 where nobody says."""

    offset: int
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Records of one partition in offset order, read under one epoch; data and position travel together.

    `start` is the stored position that this slice continues, `end` the one that it leads to. Offsets
    rise strictly; gaps are normal (compaction, transaction markers), so `end` can lie beyond the last
    record. The three lists have one entry a record. `framing`: who put frames in front of keys and values; None where
    these are as they lay in their topic.
    """

    at: TopicPartition
    epoch: int
    start: int
    end: int
    offsets: Sequence[int] = ()
    keys: Sequence[bytes | None] = ()
    values: Sequence[bytes | None] = ()
    # of the record at an offset; read when asked for, since few are
    headers: HeadersOf = no_headers
    # of some records, by rising offset; those behind one, up to the next, count as old as it
    appended: Sequence[Appended] = ()
    # for each leader epoch in it the last record that has it
    leader_epochs: Sequence[LastRecord] = ()
    size: int = 0
    framing: Framing | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def appended_ms(self) -> int | None:
        """When the oldest of its records was appended; None where nobody says."""
        return min((ms for ms, _ in self.ages()), default=None)

    def ages(self) -> Iterator[tuple[int, int]]:
        """Its records by when they were appended: a time in milliseconds, and how many are as old as that."""
        starts = [bisect_left(self.offsets, offset) for offset, _ in self.appended]
        for (_, ms), start, end in zip(self.appended, starts, [*starts[1:], len(self)], strict=False):
            if ms > 0 and end > start:
                yield ms, end - start

    @property
    def last_record(self) -> LastRecord | None:
        """Its last record; None when it has none."""
        if not self.offsets:
            return None
        last = self.offsets[-1]
        return LastRecord(last, next((e.leader_epoch for e in self.leader_epochs if e.offset >= last), None))

    def head(self, count: int) -> "Slice":
        """The first `count` records; the position then leads to the first record left out."""
        if count >= len(self.offsets):
            return self
        return replace(
            self,
            end=self.offsets[count] if count else self.start,
            offsets=self.offsets[:count],
            keys=self.keys[:count],
            values=self.values[:count],
            size=self.size * count // max(1, len(self.offsets)),
        )

    def tail(self, count: int) -> "Slice":
        """What `head(count)` leaves, starting where it ends."""
        if count <= 0:
            return self
        return replace(
            self,
            start=self.offsets[count] if count < len(self.offsets) else self.end,
            offsets=self.offsets[count:],
            keys=self.keys[count:],
            values=self.values[count:],
            size=self.size - self.size * count // max(1, len(self.offsets)),
        )


def halves(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Cut a batch's records in two, each partition's order kept; both sides hold at least one record.

    A slice without records (a position that moves to an end of partition) goes to the second half.
    Raises ValueError for fewer than two records.
    """
    total = sum(map(len, slices))
    if total < 2:
        raise ValueError("a batch of fewer than two records has no halves")
    return cut(slices, total // 2)


def cut(slices: Sequence[Slice], count: int) -> tuple[list[Slice], list[Slice]]:
    """A batch's first `count` records, and what is left of it, with slices without records."""
    first: list[Slice] = []
    second: list[Slice] = []
    for piece in slices:
        take = min(count, len(piece))
        count -= take
        if take:
            first.append(piece.head(take))
        if take < len(piece) or not len(piece):
            second.append(piece.tail(take))
    return first, second
