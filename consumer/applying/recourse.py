"""What is to be done instead of a batch that the target did not take: who is at fault, and what that costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from consumer.applying.busy import Busy
from consumer.applying.cuts import Step, apart, each_topic, halved, handed_on, reconsidered, smaller, without_table
from consumer.applying.dependents import Dependents
from consumer.applying.holdings import Holdings
from consumer.applying.patience import Patience
from consumer.binding.binder import Binder
from consumer.core.failure import Transient, located
from consumer.core.kinds import TOO_DEPENDENT
from consumer.core.letters import BEHIND
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.sizer import IN_THE_WAY, TOO_MUCH
from consumer.core.target import TableName
from consumer.ports.refusals import Altered, DataFault, Reconsider, TableBusy, TableFault
from consumer.reading.handover import Handover, Paced, Stopped, Work

log = structlog.get_logger("headrace.apply")

# what a smaller batch may not meet
_SMALLER = TOO_MUCH | IN_THE_WAY
# tables whose refused rows have a batch tried whole again: from the second on they are found in all its tables
_LOOKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recourse:
    """Turns a batch and its failure into steps, in order. Belongs to the apply thread."""

    binder: Binder
    dependents: Dependents
    busy: Busy
    holdings: Holdings
    patience: Patience
    handover: Handover

    def judged(self, work: Work, fault: DataFault | TableFault) -> list[Step]:
        """What a refusal by the target costs: a catalog that moved, or one more table that refuses rows, costs another
        look, rows that are refused cost their record, a table that is refused costs its partitions."""
        if isinstance(fault, Altered) and not fault.tables <= work.altered:
            return [self._anew(work, fault.tables)]
        looks = 1 if isinstance(fault, TableFault) else _LOOKS
        if fault.table not in work.refusing and len(work.refusing) < looks:
            self.binder.forget(fault.table, doubted=True)
            return [replace(work, plan=None, refusing=work.refusing | {fault.table})]
        if isinstance(fault, TableFault):
            return self._without(work, fault)
        if sum(map(len, work.slices)) != 1:
            return halved(work)
        (piece,) = (piece for piece in work.slices if len(piece))
        ref = RecordRef(piece.at, piece.offsets[0])
        if ref in work.rowless or (ref in work.refused and work.refused[ref].kind == BEHIND):
            return [Stopped(piece.at, located(fault.failure, piece.at, ref.offset))]
        if ref in work.refused:
            # its letter can't be written as one of its row: the target can't hold its key, so there is no such row
            return [replace(work, plan=None, rowless=work.rowless | {ref})]
        return [replace(work, plan=None, refused={**work.refused, ref: fault.failure})]

    def _anew(self, work: Work, altered: frozenset[TableName]) -> Work:
        """The batch, to be planned for the tables as they are now: once for each, however many were altered at once."""
        log.info("tables were altered, so rows are planned anew", tables=sorted(map(str, altered)))
        for table in altered:
            self.binder.forget(table, doubted=True)
        return replace(work, plan=None, altered=work.altered | altered)

    def _without(self, work: Work, fault: TableFault) -> list[Step]:
        if fault.table is None and len({piece.at.topic for piece in work.slices}) > 1:
            # whose it is fails alone then
            return [*each_topic(work)]
        topics = self.binder.topics_of(fault.table)
        if fault.failure.kind == TOO_DEPENDENT:
            bad = [piece for piece in work.slices if piece.at.topic in topics]
            self._wait(lambda: self.dependents.of(bad, fault.failure))
        return without_table(work, topics, fault.failure)

    def reconsidered(self, work: Work, found: Reconsider) -> list[Step]:
        """Rows that are refused for others' sake wait once; what is left is planned anew, or passes in parts."""
        waits = self._wait(lambda: self.dependents.of_records(work.slices, found.refused))
        if not waits and handed_on(work, found):
            return halved(work)
        if not work.freed.isdisjoint(found.refused):
            return apart(work, found.refused)
        freed = work.freed | found.freed
        return [replace(work, plan=None, refused=reconsidered(work.refused, found), freed=freed)]

    def put_off(self, work: Work, error: Transient, seconds: float) -> list[Step]:
        """What is to be done after a try that took so long, and failed for a reason that time may heal."""
        if not isinstance(error, TableBusy):
            self._wait_after(work, error)
            return smaller(work) if error.failure.kind in _SMALLER else [work]
        everything = {piece.at.topic for piece in work.slices}
        if error.table is None and len(everything) > 1:
            # whose it is fails alone then
            self._wait_after(work, error)
            return [*each_topic(work)]
        topics = (everything & self.binder.topics_of(error.table)) or everything
        if not self.busy.knows(work, topics):
            self._wait_after(work, error)
        return self.busy.instead(work, topics, error, seconds)

    def _wait_after(self, work: Work, error: Transient) -> None:
        self.handover.tell(Paced(sum(map(len, work.slices)), kind=error.failure.kind))
        self.patience.pause(error)

    def _wait(self, barriers: Callable[[], Mapping[TopicPartition, Mapping[TopicPartition, int]]]) -> bool:
        """Have partitions wait for others, with that they are out of the batch; returns whether any has to."""
        found = self.patience.ask(barriers)
        for at, others in found.items():
            self.holdings.wait(at, others)
        return bool(found)
