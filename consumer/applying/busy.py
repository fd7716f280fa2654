"""Tables that do not take their rows in time: a lock is held, a trigger is slow, others are in the way each time.

What a table costs is its own partitions. What is of it is tried apart from others and in parts, and once rows of it are
applied again a part gets only the time that they make likely. So a single record that is at fault is found soon, and
costs itself. After some time the partitions stop and are taken again later; meanwhile the table rests, so that others
have the most of the time.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from consumer.applying.cuts import Step, by_topic, smaller
from consumer.applying.rests import Rests
from consumer.core.failure import Failure, located
from consumer.core.failure_kind import FailureKind
from consumer.core.kinds import KINDS
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.ports.refusals import TableBusy
from consumer.reading.handover import Stopped, Work

_LOCKED, _TIMEOUT = "target.locked", "target.timeout"
# How often a batch of a table is tried at once before it is tried in parts. A lock may be gone soon, and conflicts are
# quick, and mostly over at the next try.
_TRIES = {_TIMEOUT: 1, _LOCKED: 2, "target.conflict": 10}
# how often a record is tried alone; with a stop between, unless others of its partition are applied meanwhile
_ALONE = 2
# of what failed, the part that is tried the next time
_PART = 32
# how many deadlines a table may cost others in one go
_IN_VAIN = 2
# the least number of records from which on a partition is tried with others again
_MANY = 5_000
# the least seconds that a part gets, and how many times as many as are likely
_LEAST, _SLACK = 1.0, 4


@dataclass(slots=True)
class _Search:
    """A partition that is tried in parts of at most so many records.

    `enough`: when that may be so many it is tried with others again; no less than what failed at first. `slow`: for
    what takes too long, so that parts may be given less time. `pace`: seconds a record of its last part that was
    applied. `well`: others were applied since a record was found at fault, so it is not the table. `alone`: the record
    that failed alone, and how often.
    """

    most: int
    enough: int
    slow: bool
    pace: float | None = None
    well: bool = False
    alone: tuple[RecordRef, int] | None = None


class Busy:
    """The partitions whose tables were busy. Belongs to the apply thread. `deadline`: that of a batch, in seconds."""

    def __init__(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline = deadline
        # the topics whose partitions are not tried
        self._rests: Rests[str, Failure] = Rests(clock)
        self._searches: dict[TopicPartition, _Search] = {}
        # seconds in which topics were tried in vain since they rested last
        self._spent: defaultdict[str, float] = defaultdict(float)

    def rested(self, work: Work) -> tuple[Work | None, list[Stopped]]:
        """What may be tried of a batch, and the stops of partitions whose tables rest."""
        rests = self._rests.now()
        resting = [piece for piece in work.slices if piece.at.topic in rests and len(piece)]
        if not resting:
            return work, []
        stops = [_stop(piece, rests[piece.at.topic][0]) for piece in resting]
        kept = tuple(piece for piece in work.slices if piece not in resting)
        return work.part(kept) if kept else None, stops

    def apart(self, work: Work) -> list[Work]:
        """The parts in which a batch is tried: what is of other partitions first, then as many of each as may be."""
        mine = [piece for piece in work.slices if piece.at in self._searches and len(piece)]
        if not mine or (len(work.slices) == 1 and len(mine[0]) <= self._searches[mine[0].at].most):
            return [work]
        others = [piece for piece in work.slices if piece not in mine]
        parts = [others] if others else []
        for piece in mine:
            most = self._searches[piece.at].most
            parts += [[part] for part in (piece.head(most), piece.tail(most)) if len(part)]
        return [work.part(part) for part in parts]

    def within(self, plan: Plan) -> float | None:
        """The seconds that a part gets; None for as many as any batch.

        A record that stands alone has less only when others of its partition were quick, so that it is not the table.
        What a truncate takes has nothing to do with how many records there are.
        """
        pieces = [piece for piece in plan.slices if len(piece)]
        search = self._searches.get(pieces[0].at) if len(pieces) == 1 and not plan.truncates else None
        if search is None or not search.slow or (search.pace is None and len(pieces[0]) == 1):
            return None
        seconds = max(_LEAST, _SLACK * len(pieces[0]) * (search.pace or 0.0))
        return seconds if seconds < self._deadline else None

    def knows(self, work: Work, topics: Collection[str]) -> bool:
        """Whether what the batch has of these topics is tried in parts already."""
        return any(piece.at in self._searches for piece in work.slices if piece.at.topic in topics)

    def instead(self, work: Work, topics: Collection[str], busy: TableBusy, seconds: float) -> list[Step]:
        """What is to be done after a try that took so long, and failed for the table of these topics.

        Others' first; then the table's again, in parts, until it has cost enough and rests.
        """
        others, its = by_topic(work, topics)
        its = replace(its, tries=work.tries + 1)
        front: list[Step] = [others] if others.slices else []
        if not self.knows(work, topics) and its.tries < _TRIES[busy.failure.kind]:
            return [*front, its] if front else smaller(its)
        mine = {piece.at.topic for piece in its.slices}
        for topic in mine:
            self._spent[topic] += seconds
        ref, sure = self._failed(its, busy)
        if ref is not None and sure and ref not in its.refused:
            self._searches[ref.at].well = False
            return [*front, replace(its, refused={**its.refused, ref: of_record(busy)})]
        if not sure and self._goes_on(its, busy, ref):
            return [*front, *self.apart(its)]
        why = _of(KINDS["table.busy"], busy)
        self._rests.begin(topics, why, max(self._spent.pop(topic) for topic in mine))
        return [*front, *(_stop(piece, why) for piece in its.slices)]

    def _failed(self, work: Work, busy: TableBusy) -> tuple[RecordRef | None, bool]:
        """Note that a batch of one table failed; returns the record that is alone in it, and whether it is at fault."""
        pieces = [piece for piece in work.slices if len(piece)]
        slow = busy.failure.kind == _TIMEOUT
        for piece in pieces:
            new = _Search(most=1, enough=max(_MANY, len(piece)), slow=slow)
            search = self._searches.setdefault(piece.at, new)
            search.most, search.slow = max(1, len(piece) // _PART), slow
        # a lock is nobody's fault
        if sum(map(len, pieces)) > 1 or busy.failure.kind == _LOCKED:
            return None, False
        ref = RecordRef(pieces[0].at, pieces[0].offsets[0])
        search = self._searches[ref.at]
        times = search.alone[1] + 1 if search.alone and search.alone[0] == ref else 1
        search.alone = ref, times
        return ref, times >= _ALONE

    def _goes_on(self, work: Work, busy: TableBusy, alone: RecordRef | None) -> bool:
        """Whether it is looked for what is at fault at once."""
        if busy.failure.kind == _LOCKED or (alone is not None and not self._searches[alone.at].well):
            return False
        return max(self._spent[piece.at.topic] for piece in work.slices) <= _IN_VAIN * self._deadline

    def passed(self, plan: Plan, seconds: float) -> None:
        """Records were applied in so many seconds, so more of them are tried the next time."""
        letters = Counter(letter.record.ref.at for letter in plan.letters)
        for piece in plan.slices:
            search = self._searches.get(piece.at)
            if search is None or not len(piece):
                continue
            if len(piece) > letters[piece.at]:
                search.pace, search.well = seconds / len(piece), True
            search.alone = None
            search.most *= 2
            if search.most > search.enough:
                del self._searches[piece.at]
                self._spent.pop(piece.at.topic, None)


def of_record(busy: TableBusy) -> Failure:
    """Why a record alone is not applied: a lock is its table's matter."""
    return _of(KINDS["table.busy" if busy.failure.kind == _LOCKED else "record.timeout"], busy)


def _stop(piece: Slice, why: Failure) -> Stopped:
    return Stopped(piece.at, located(why, piece.at, piece.start))


def _of(kind: FailureKind, busy: TableBusy) -> Failure:
    return replace(busy.failure, kind=kind.name, remedy=kind.remedy)
