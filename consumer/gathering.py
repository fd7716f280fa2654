"""What was read of each partition and is in no batch yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice

from consumer.core.records import Header, HeadersOf, LastRecord, Slice, TopicPartition
from consumer.ports.topics import Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a log under one epoch, from a position to the next; without records only the position moves."""

    at: TopicPartition
    epoch: int
    start: int
    end: int
    fetched: Fetched | None = None


@dataclass(slots=True)
class _Gathered:
    """What was read of one partition since the last batch, and the epoch under which."""

    epoch: int
    start: int
    end: int
    parts: list[Fetched] = field(default_factory=list)


class Gathering:
    """Grows by stretches that follow one another, and gives them away by topic."""

    # topics of one batch; the others stay gathered and are first in the next
    TOPICS = 64

    def __init__(self) -> None:
        self._gathered: dict[TopicPartition, _Gathered] = {}
        self.rows = 0
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._gathered)

    def __contains__(self, at: TopicPartition) -> bool:
        return at in self._gathered

    @property
    def batches(self) -> int:
        """In how many batches its topics go; at least one."""
        return max(1, -(-len({at.topic for at in self._gathered}) // self.TOPICS))

    def add(self, stretch: Stretch) -> None:
        """Add what was read next of a partition."""
        new = _Gathered(stretch.epoch, stretch.start, stretch.end)
        gathered = self._gathered.setdefault(stretch.at, new)
        gathered.end = stretch.end
        if stretch.fetched is not None:
            gathered.parts.append(stretch.fetched)
            self.rows += len(stretch.fetched.offsets)
            self.bytes += stretch.fetched.size

    def drop(self, at: TopicPartition) -> None:
        """Forget what was read of a partition."""
        gone = self._gathered.pop(at, None)
        if gone is not None:
            self.rows -= sum(len(part.offsets) for part in gone.parts)
            self.bytes -= sum(part.size for part in gone.parts)

    def take(self) -> tuple[Slice, ...]:
        """What the next batch takes: the topics that have waited longest, so that one batch touches few tables."""
        topics = set(islice(dict.fromkeys(at.topic for at in self._gathered), self.TOPICS))
        slices = tuple(_slice(at, each) for at, each in self._gathered.items() if at.topic in topics)
        for piece in slices:
            self.drop(piece.at)
        return slices


def sample(fetched: Fetched, most: int) -> Slice:
    """The first records that were fetched, for who wants to learn from them."""
    gathered = _Gathered(0, fetched.offsets[0], fetched.offsets[-1] + 1, [fetched])
    return _slice(fetched.at, gathered).head(most)


def _slice(at: TopicPartition, gathered: _Gathered) -> Slice:
    parts = gathered.parts
    return Slice(
        at=at,
        epoch=gathered.epoch,
        start=gathered.start,
        end=gathered.end,
        offsets=[offset for part in parts for offset in part.offsets],
        keys=[key for part in parts for key in part.keys],
        values=[value for part in parts for value in part.values],
        appended_ms=min((part.appended_ms for part in parts), default=0),
        leader_epochs=[LastRecord(same[-1].offsets[-1], same[-1].leader_epoch) for same in _by_leader(parts)],
        size=sum(part.size for part in parts),
        headers=_headers(parts),
        # all parts are of one topic
        framing=next((part.framing for part in parts), None),
    )


def _by_leader(parts: Sequence[Fetched]) -> Iterator[list[Fetched]]:
    return (list(same) for _, same in groupby(parts, lambda part: part.leader_epoch))


def _headers(parts: Sequence[Fetched]) -> HeadersOf:
    """Those of a record, from the part that it came with."""

    def of(offset: int) -> tuple[Header, ...]:
        return next(part.headers(offset) for part in parts if part.offsets[-1] >= offset)

    return of
