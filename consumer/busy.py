"""Tables that do not take their rows in time: a lock is held, a trigger is slow, others are in the way each time.

What a table costs is its own partitions: after a try or two they stop and are taken again later, and then they are
tried apart from others and fewer records at a time. So a single record that is at fault is found at last, and costs
itself. Between its tries the table rests, so that others have the most of the time.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from consumer.core.failure import Failure, located
from consumer.core.kinds import KINDS, FailureKind
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.cuts import Step, by_topic, smaller
from consumer.handover import Stopped, Work
from consumer.ports.refusals import TableBusy

# how often a batch of a table is tried at once; conflicts are quick, and mostly over at the next try
_TRIES, _CONFLICTS = 2, 10
# how often a record is tried alone, with a stop between
_ALONE = 2
# of what failed, the part that is tried the next time
_PART = 32
# how many times as long as its last try a table is not tried
_REST = 3
# records from which on a partition is tried with others again
_MANY = 5_000


class Busy:
    """The partitions whose tables were busy. Belongs to the apply thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # why and until when the partitions of these topics are not tried
        self._resting: dict[str, tuple[Failure, float]] = {}
        # how many records of each are tried at a time
        self._most: dict[TopicPartition, int] = {}
        # how often the record was tried alone that stands at the position of each
        self._alone: dict[TopicPartition, tuple[RecordRef, int]] = {}

    def rested(self, work: Work) -> tuple[Work | None, list[Stopped]]:
        """What may be tried of a batch, and the stops of partitions whose tables rest."""
        now = self._clock()
        self._resting = {topic: (why, until) for topic, (why, until) in self._resting.items() if now < until}
        resting = [piece for piece in work.slices if piece.at.topic in self._resting and len(piece)]
        if not resting:
            return work, []
        stops = [_stop(piece, self._resting[piece.at.topic][0]) for piece in resting]
        kept = tuple(piece for piece in work.slices if piece not in resting)
        return replace(work, slices=kept, plan=None) if kept else None, stops

    def apart(self, work: Work) -> list[Work]:
        """The parts in which a batch is tried: what is of other partitions first, then as many of each as may be."""
        mine = [piece for piece in work.slices if piece.at in self._most and len(piece)]
        if not mine or (len(work.slices) == 1 and len(mine[0]) <= self._most[mine[0].at]):
            return [work]
        others = [piece for piece in work.slices if piece not in mine]
        parts = [others] if others else []
        for piece in mine:
            most = self._most[piece.at]
            parts += [[part] for part in (piece.head(most), piece.tail(most)) if len(part)]
        return [replace(work, slices=tuple(part), plan=None) for part in parts]

    def again(self, work: Work, topics: Collection[str], busy: TableBusy) -> bool:
        """Whether what is of these topics, those of the table, is tried again at once, which mostly helps."""
        known = any(piece.at in self._most for piece in work.slices if piece.at.topic in topics)
        tries = _CONFLICTS if busy.failure.kind == "target.conflict" else _TRIES
        return not known and work.tries + 1 < tries

    def instead(self, work: Work, topics: Collection[str], busy: TableBusy, seconds: float) -> list[Step]:
        """What is to be done after a try that took so long: others' first; then the table's again, or it rests."""
        rest, its = by_topic(work, topics)
        its = replace(its, tries=work.tries + 1)
        if rest.slices:
            return [rest, its]
        if self.again(work, topics, busy):
            return smaller(its)
        if (ref := self.failed(its, busy)) and ref not in its.refused:
            return [replace(its, refused={**its.refused, ref: of_record(busy)})]
        why = _of(KINDS["table.busy"], busy)
        self._resting |= dict.fromkeys(topics, (why, self._clock() + _REST * seconds))
        return [_stop(piece, why) for piece in its.slices]

    def failed(self, work: Work, busy: TableBusy) -> RecordRef | None:
        """Note that a batch of one table was given up; returns the record that is at fault, if it is known by now."""
        pieces = [piece for piece in work.slices if len(piece)]
        self._most |= {piece.at: max(1, len(piece) // _PART) for piece in pieces}
        # a lock is nobody's fault
        if sum(map(len, pieces)) > 1 or busy.failure.kind == "target.locked":
            return None
        ref = RecordRef(pieces[0].at, pieces[0].offsets[0])
        before, times = self._alone.get(ref.at, (ref, 0))
        times = times + 1 if before == ref else 1
        self._alone[ref.at] = ref, times
        return ref if times >= _ALONE else None

    def passed(self, slices: Iterable[Slice]) -> None:
        """Records were applied, so more of them are tried the next time."""
        for piece in slices:
            if piece.at in self._most and len(piece):
                self._alone.pop(piece.at, None)
                self._most[piece.at] *= 2
                if self._most[piece.at] > _MANY:
                    del self._most[piece.at]


def of_record(busy: TableBusy) -> Failure:
    """Why a record alone is not applied: a lock is its table's matter."""
    return _of(KINDS["table.busy" if busy.failure.kind == "target.locked" else "record.timeout"], busy)


def _stop(piece: Slice, why: Failure) -> Stopped:
    return Stopped(piece.at, located(why, piece.at, piece.start))


def _of(kind: FailureKind, busy: TableBusy) -> Failure:
    return replace(busy.failure, kind=kind.name, remedy=kind.remedy)
