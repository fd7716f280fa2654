"""What was read of each partition and is in no batch yet."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

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
    rows: int = 0
    bytes: int = 0

    def add(self, part: Fetched) -> None:
        self.parts.append(part)
        self.rows += len(part.offsets)
        self.bytes += part.size

    def head(self, most: int) -> "_Gathered":
        """What was read first of it: at most so many records, but for a single part."""
        first = _Gathered(self.epoch, self.start, self.start)
        for part in self.parts:
            if first.parts and first.rows + len(part.offsets) > most:
                break
            first.add(part)
            first.end = part.offsets[-1] + 1
        # nothing would be left but the way to its end
        return self if len(first.parts) == len(self.parts) else first

    def behind(self, first: "_Gathered") -> "_Gathered":
        """What is left without its head."""
        rest = _Gathered(self.epoch, first.end, self.end)
        for part in self.parts[len(first.parts) :]:
            rest.add(part)
        return rest


def _every(topic: str) -> bool:
    return True


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
        return max(1, -(-len(set(self.topics())) // self.TOPICS))

    def topics(self) -> Iterator[str]:
        """Topic of each partition; that it was read says not that it still is."""
        return (at.topic for at in self._gathered)

    def add(self, stretch: Stretch) -> None:
        """Add what was read next of a partition."""
        new = _Gathered(stretch.epoch, stretch.start, stretch.end)
        gathered = self._gathered.setdefault(stretch.at, new)
        gathered.end = stretch.end
        if stretch.fetched is not None:
            gathered.add(stretch.fetched)
            self.rows += len(stretch.fetched.offsets)
            self.bytes += stretch.fetched.size

    def drop(self, at: TopicPartition) -> None:
        """Forget what was read of a partition."""
        gone = self._gathered.pop(at, None)
        if gone is not None:
            self.rows -= gone.rows
            self.bytes -= gone.bytes

    def amounts(self) -> Iterator[tuple[str, int, int]]:
        """Topic, records and bytes of each partition."""
        return ((at.topic, each.rows, each.bytes) for at, each in self._gathered.items())

    def take(self, chosen: Callable[[str], bool] = _every, most: int | None = None) -> tuple[Slice, ...]:
        """What the next batch takes: the topics that have waited longest, so that one batch touches few tables.

        Only `chosen` topics, and about `most` records of them; what is left over is first in the next batch.
        """
        topics = set(islice(dict.fromkeys(at.topic for at in self._gathered if chosen(at.topic)), self.TOPICS))
        taken: dict[TopicPartition, _Gathered] = {}
        left = most
        for at, each in self._gathered.items():
            if at.topic in topics and (left is None or left > 0):
                taken[at] = each if left is None else each.head(left)
                left = None if left is None else left - taken[at].rows
        for at, first in taken.items():
            self._cut(at, first)
        return tuple(_slice(at, first) for at, first in taken.items())

    def _cut(self, at: TopicPartition, first: _Gathered) -> None:
        whole = self._gathered[at]
        if first is whole:
            self.drop(at)
            return
        self._gathered[at] = whole.behind(first)
        self.rows -= first.rows
        self.bytes -= first.bytes


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
        offsets=list(chain.from_iterable(part.offsets for part in parts)),
        keys=list(chain.from_iterable(part.keys for part in parts)),
        values=list(chain.from_iterable(part.values for part in parts)),
        appended=[each for part in parts for each in part.appended],
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
