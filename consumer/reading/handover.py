"""Between the two threads: work in one direction, notices in the other, all of it bounded.

The reader hands over batches and asks for partitions to be taken; the apply thread answers with what it
took, applied or stopped. A released partition is started in no further batch.
"""

import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from consumer.core.failure import Failure
from consumer.core.laps import Lap
from consumer.core.plan import Plan
from consumer.core.priority import Priority, Turns
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.target import TableName
from consumer.ports.presence import InHand
from consumer.ports.target import Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A batch: its raw records, kept until the outcome is known, and its plan if the reader could make one."""

    slices: tuple[Slice, ...]
    plan: Plan | None = None
    # tables that have refused it, or None where it was not known whose fault it was; the catalog was read anew since
    refusing: frozenset[TableName | None] = frozenset()
    # tables whose columns had other types than it was planned for; the catalog was read anew since
    altered: frozenset[TableName] = frozenset()
    # how often the table that all of it is for was busy
    tries: int = 0
    # records of it that are known not to be applicable, and why
    refused: Mapping[RecordRef, Failure] = field(default_factory=dict)
    # those of them of whose key the target can make nothing, so that their letters are of no row
    rowless: frozenset[RecordRef] = frozenset()
    # records of it that were held to wait for others, and did not have to
    freed: frozenset[RecordRef] = frozenset()
    # its bytes have closed it
    full: bool = False
    # its records are letters that came back
    lane: bool = False
    # how long it took to read
    polled: Lap | None = None
    # that of its tables, where those of several priorities are read
    priority: Priority = Priority.NORMAL

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.plan.size if self.plan else sum(piece.size for piece in self.slices)

    def part(self, slices: Iterable[Slice]) -> "Work":
        """A batch of some of its records, without a plan; whether bytes had closed it, and what had to wait for whom,
        says nothing of that one.
        """
        return replace(self, slices=tuple(slices), plan=None, full=False, freed=frozenset())


@dataclass(frozen=True, slots=True)
class Take:
    """A request to become the owner of partitions."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Positions that are stored now; the group may be told."""

    positions: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A partition that does not go on, and why. `again`: seconds until it is tried again, None for not by itself."""

    at: TopicPartition
    failure: Failure
    again: float | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Partitions that another owner took."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class Later:
    """A partition that goes on in so many seconds: one of a retry topic, or one that waits for a schema."""

    at: TopicPartition
    seconds: float
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Paced:
    """What became of a batch of so many records: committed after so many seconds, or failed for a reason of `kind`.

    `full`: its bytes had closed it. `waited`: seconds since its oldest record was appended.
    """

    records: int
    seconds: float = 0.0
    kind: str = ""
    full: bool = False
    priority: Priority = Priority.NORMAL
    waited: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Batches that wait and their bytes, and what is being applied."""

    batches: int
    size: int
    in_hand: InHand | None


Notice = Taken | Moved | Stopped | Dropped | Later | Paced


class Handover:
    """The bounded queue between reader and apply thread."""

    def __init__(self, *, max_bytes: int, max_batches: int) -> None:
        self._changed = threading.Condition()
        self._max_bytes = max_bytes
        self._max_batches = max_batches
        self._work: deque[Work | Stopped] = deque()
        self._takes: deque[Take] = deque()
        self._notices: deque[Notice] = deque()
        self._held = 0
        self._idle = False
        self._in_flight: frozenset[TopicPartition] = frozenset()
        # records in flight, and since when (monotonic)
        self._in_hand = (0, 0.0)
        self._taking: frozenset[TopicPartition] = frozenset()
        self._released: set[TopicPartition] = set()
        self._turns = Turns()

    # the reader's side

    def room(self) -> bool:
        """Whether one more batch may be offered."""
        with self._changed:
            return self._room()

    def room_for(self, priority: Priority) -> bool:
        """Whether a batch of a priority may be offered: one of each waits, and a higher one has a place beside.

        Of its letters' batches as many wait as of all where there is one priority.
        """
        with self._changed:
            works = [work for work in self._work if isinstance(work, Work)]
            higher = all(priority.rank < work.priority.rank for work in works)
            mine = [work for work in works if work.priority is priority]
            waits = any(not work.lane for work in mine) or len(mine) >= self._max_batches
            return not waits and (higher or self._held < self._max_bytes)

    def share(self) -> float:
        """Which share of the bytes that may wait does."""
        with self._changed:
            return self._held / self._max_bytes

    def wait_room(self, timeout: float) -> bool:
        """Wait until there is room."""
        with self._changed:
            return self._changed.wait_for(self._room, timeout)

    def hungry(self) -> bool:
        """Whether the apply thread waits for work and none is queued."""
        with self._changed:
            return self._idle and not self._anything()

    def offer(self, work: Work) -> None:
        """Queue a batch; there must be room."""
        with self._changed:
            self._work.append(work)
            self._held += work.size
            self._changed.notify_all()

    def ask(self, partitions: Sequence[TopicPartition]) -> None:
        """Ask for partitions to be taken."""
        with self._changed:
            self._takes.append(Take(tuple(partitions)))
            self._changed.notify_all()

    def report(self, stopped: Stopped) -> None:
        """Have the apply thread write down why a partition does not go on, after what was read in front of it."""
        with self._changed:
            self._work.append(stopped)
            self._changed.notify_all()

    def release(self, partitions: Collection[TopicPartition], timeout: float) -> bool:
        """Give partitions up: queued records of theirs are dropped, no batch starts with them.

        Waits for the batch or the taking in flight if it holds any of them; False when that is still running then.
        """
        gone = frozenset(partitions)
        with self._changed:
            self._released |= gone
            self._work = deque(kept for work in self._work if (kept := _without(work, gone)) is not None)
            self._takes = deque(Take(tuple(at for at in take.partitions if at not in gone)) for take in self._takes)
            self._held = sum(work.size for work in self._work if isinstance(work, Work))
            return self._changed.wait_for(lambda: not ((self._in_flight | self._taking) & gone), timeout)

    def load(self) -> Load:
        """What is queued and in flight; for any thread."""
        with self._changed:
            records, since = self._in_hand
            batch = InHand(partitions=len(self._in_flight), records=records, seconds=time.monotonic() - since)
            return Load(batches=len(self._work), size=self._held, in_hand=batch if batch.partitions else None)

    def notices(self) -> list[Notice]:
        """What the apply thread has to say since the last call."""
        with self._changed:
            found = list(self._notices)
            self._notices.clear()
            return found

    # the apply thread's side

    def next(self, timeout: float) -> Take | Stopped | Work | None:
        """The next request or batch; takings come first."""
        with self._changed:
            self._idle = True
            try:
                self._changed.wait_for(self._anything, timeout)
            finally:
                self._idle = False
            if self._takes:
                take = self._takes.popleft()
                self._released -= set(take.partitions)
                return take
            if self._work:
                work = self._pop()
                self._held -= work.size if isinstance(work, Work) else 0
                self._changed.notify_all()
                return work
            return None

    def go_on(self, work: Work) -> None:
        """Queue what is left of letters again: others' batch has its turn first, but no letters behind them."""
        with self._changed:
            place = 1 if self._work and not (isinstance(self._work[0], Work) and self._work[0].lane) else 0
            self._work.insert(place, work)
            self._held += work.size

    def start(self, slices: Sequence[Slice]) -> list[Slice]:
        """Note the partitions in flight; returns the slices whose partitions were not released."""
        with self._changed:
            kept = [piece for piece in slices if piece.at not in self._released]
            self._in_flight = frozenset(piece.at for piece in kept)
            self._in_hand = sum(map(len, kept)), time.monotonic()
            return kept

    @contextmanager
    def taking(self, partitions: Iterable[TopicPartition]) -> Iterator[list[TopicPartition]]:
        """Gives those that were not released. Whoever releases one waits until this ends: nobody is to become the owner
        of what the group has given to the next already.
        """
        with self._changed:
            wanted = [at for at in partitions if at not in self._released]
            self._taking = frozenset(wanted)
        try:
            yield wanted
        finally:
            with self._changed:
                self._taking = frozenset()
                self._changed.notify_all()

    def done(self) -> None:
        """Nothing is in flight."""
        with self._changed:
            self._in_flight = frozenset()
            self._changed.notify_all()

    def released(self, at: TopicPartition) -> bool:
        """Whether the reader has given the partition up."""
        with self._changed:
            return at in self._released

    def tell(self, notice: Notice) -> None:
        """Leave a notice for the reader."""
        with self._changed:
            self._notices.append(notice)

    def _pop(self) -> Work | Stopped:
        """The next of what waits: by priority, and otherwise in its order."""
        if isinstance(self._work[0], Stopped):
            return self._work.popleft()
        found: dict[Priority, int] = {}
        passed: set[TopicPartition] = set()
        for place, work in enumerate(self._work):
            if isinstance(work, Stopped):
                continue
            mine = {piece.at for piece in work.slices}
            # a table's priority may have become known between two batches of its partition
            if mine.isdisjoint(passed):
                found.setdefault(work.priority, place)
            passed |= mine
        if len(found) < 2:
            return self._work.popleft()
        place = found[self._turns.next(list(found))]
        work = self._work[place]
        del self._work[place]
        return work

    def _anything(self) -> bool:
        return bool(self._takes or self._work)

    def _room(self) -> bool:
        return len(self._work) < self._max_batches and (not self._work or self._held < self._max_bytes)


def _without(work: Work | Stopped, gone: Collection[TopicPartition]) -> Work | Stopped | None:
    """The work without these partitions, or None when nothing is left of it."""
    if isinstance(work, Stopped):
        return None if work.at in gone else work
    kept = tuple(piece for piece in work.slices if piece.at not in gone)
    if len(kept) == len(work.slices):
        return work
    return work.part(kept) if kept else None
