"""The apply thread's story: take partitions, apply batches, resolve what is in doubt, leave out what fails."""

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from consumer.binder import Binder
from consumer.busy import Busy
from consumer.core.failure import Transient, located
from consumer.core.flood import FloodGuard
from consumer.core.kinds import TOO_DEPENDENT
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.sizer import IN_THE_WAY, TOO_MUCH, NoTime, fitting
from consumer.core.steps import changes
from consumer.cuts import (
    Step,
    each_topic,
    first,
    halved,
    handed_on,
    reconsidered,
    smaller,
    without_flooded,
    without_letters,
    without_table,
)
from consumer.dependents import Dependents
from consumer.handover import Handover, Later, Moved, Paced, Stopped, Take, Work
from consumer.holdings import Holdings
from consumer.patience import Patience
from consumer.planner import Planner
from consumer.planning import Instead, planned
from consumer.ports.refusals import (
    CommitUnknown,
    ConnectionLost,
    DataFault,
    Fenced,
    LettersFull,
    Reconsider,
    TableBusy,
    TableFault,
)
from consumer.ports.target import Applied, Outcome, Retention, Sink
from consumer.returns import Pause, Returns

log = structlog.get_logger("headrace.apply")

# what a smaller batch may not meet
_SMALLER = TOO_MUCH | IN_THE_WAY
# seconds between looks at what changes by itself
LOOK_EVERY = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the apply thread works with: plans, their bindings, what is refused too often, not taken in time or refused
    for others' sake, and what becomes of letters that come back."""

    planner: Planner
    binder: Binder
    returns: Returns
    flood: FloodGuard
    busy: Busy
    dependents: Dependents


class Applier:
    """Owns the target session. `turn` is called in a loop by one thread."""

    def __init__(self, sink: Sink, shop: Workshop, handover: Handover, holdings: Holdings, patience: Patience) -> None:
        self._sink = sink
        self._planner = shop.planner
        self._binder = shop.binder
        self._returns = shop.returns
        self._flood = shop.flood
        self._dependents = shop.dependents
        self._busy = shop.busy
        self._handover = handover
        self._next_look = 0.0
        self._opened = False
        # records and seconds of the last batch
        self._last = (0, 0.0)
        self.patience = patience
        self._holdings = holdings

    @property
    def opened(self) -> bool:
        """Whether the target was reached."""
        return self._opened

    def turn(self, timeout: float) -> None:
        """Do one thing: a taking, a batch, or nothing. Raises Persistent, Refused or Stopping."""
        if not self._opened:
            self.patience.open()
            self._opened = True
        job = self._handover.next(timeout)
        if isinstance(job, Take):
            self._take(job.partitions)
        elif isinstance(job, Work):
            self._work(job)
        elif isinstance(job, Stopped):
            self._holdings.stop(job)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._look_around()
        while self.patience.reopened:
            self.patience.reopened = False
            mine = self._holdings.everything()
            self._holdings.forget()
            self._take(mine)

    def look_soon(self) -> None:
        """Something was decided; for any thread."""
        self._next_look = 0.0

    def prune(self, keep: Retention) -> bool:
        """Delete a part of what need not be kept, if the target is there; returns whether there may be more."""
        with suppress(Transient):
            return self._sink.prune(keep)
        return False

    def _take(self, partitions: Sequence[TopicPartition]) -> None:
        taken = self._holdings.take(partitions)
        if not taken:
            return
        ours = [part.at for part in taken]
        # all of this before any of it is read
        self._planner.marks.learn(self.patience.ask(lambda: self._sink.marks(ours)))
        _say_grown(self._binder.spread({at.topic for at in ours if at.partition}))
        self._flood.forget(ours)
        self._holdings.begin(taken)

    def _look_around(self) -> None:
        with suppress(Transient):
            self._holdings.look_around()
            _say_grown(self._binder.look_again())
        try:
            asked = self._holdings.asked()
        except ConnectionLost as error:
            # without work nobody else would notice
            self.patience.reopen(error)
        except Transient as error:
            log.debug("decisions are looked for later", reason=error.failure.detail)
        else:
            if asked:
                log.info("partitions are taken anew, as asked", count=len(asked))
                self._take(asked)

    # applying

    def _work(self, work: Work) -> None:
        todo: deque[Step] = deque([work])
        try:
            while todo and not self.patience.reopened:
                step = todo.popleft()
                if isinstance(step, Stopped):
                    self._holdings.stop(step)
                elif isinstance(step, Later):
                    self._holdings.delay(step)
                elif current := self._in_time(self._current(step)):
                    todo.extendleft(reversed(self._done(current)))
        finally:
            self._handover.done()

    def _done(self, work: Work) -> list[Step]:
        """Do a batch, or what can be done of it at once; returns what is to be done then, in order."""
        if work.lane:
            return self._returned(work)
        may, stops = self._busy.rested(work)
        if stops:
            return [*stops, may] if may else list(stops)
        now, *then = self._busy.apart(work)
        return [*self._attempt(now), *then]

    def _current(self, work: Work) -> Work | None:
        """The work without the partitions that are no longer ours, or None when nothing is left."""
        kept = tuple(self._handover.start(self._holdings.owned(work.slices)))
        if len(kept) == len(work.slices):
            return work
        return replace(work, slices=kept, plan=None) if kept else None

    def _in_time(self, work: Work | None) -> Work | None:
        """As much of the work as fits into what is left until the process ends; all of it while no end is near.

        What is not begun is read again by whoever takes the partitions next.
        """
        if work is None or work.lane or not self.patience.stopping.is_set():
            return work
        records, seconds = self._last
        try:
            most = fitting(records, seconds, self.patience.until - time.monotonic()) if records else math.inf
        except NoTime:
            most = 0
        if most >= sum(map(len, work.slices)):
            return work
        # what was read behind the cut must not follow
        self._holdings.forget()
        return first(work, int(most)) if most else None

    def _attempt(self, work: Work) -> list[Step]:
        """Try one batch; returns what is to be done instead, in order."""
        self.patience.beat()
        began = time.monotonic()
        try:
            plan = work.plan or planned(work, self._planner, self._binder)
            if flooded := self._flood.flooded(plan):
                return without_flooded(work, flooded)
            self._applied(self._sink.apply(plan, self._flood.room(plan), self._busy.within(work)))
        except Instead as instead:
            return list(instead.steps)
        except Fenced as lost:
            self._holdings.drop(lost.partitions)
            return [replace(work, plan=None)]
        except Reconsider as found:
            return self._reconsidered(work, found)
        except LettersFull as full:
            return without_letters(work, plan, full.failure)
        except (DataFault, TableFault) as fault:
            return self._judged(work, fault)
        except CommitUnknown as error:
            self._resolve(plan, error)
        except ConnectionLost as error:
            self.patience.reopen(error)
        except Transient as error:
            return self._put_off(work, error, time.monotonic() - began)
        return []

    def _reconsidered(self, work: Work, found: Reconsider) -> list[Step]:
        """Rows that are refused for others' sake wait once; what is left is planned anew, or passes in parts."""
        waits = self._wait(lambda: self._dependents.of_records(work.slices, found.refused))
        if not waits and handed_on(work, found):
            return halved(work)
        return [replace(work, plan=None, refused=reconsidered(work.refused, found))]

    def _put_off(self, work: Work, error: Transient, seconds: float) -> list[Step]:
        """What is to be done after a try that took so long, and failed for a reason that time may heal."""
        if not isinstance(error, TableBusy):
            self._wait_after(work, error)
            return smaller(work) if error.failure.kind in _SMALLER else [work]
        everything = {piece.at.topic for piece in work.slices}
        if error.table is None and len(everything) > 1:
            # whose it is fails alone then
            self._wait_after(work, error)
            return [*each_topic(work)]
        topics = (everything & self._binder.topics_of(error.table)) or everything
        if not self._busy.knows(work, topics):
            self._wait_after(work, error)
        return self._busy.instead(work, topics, error, seconds)

    def _wait_after(self, work: Work, error: Transient) -> None:
        self._handover.tell(Paced(sum(map(len, work.slices)), kind=error.failure.kind))
        self.patience.pause(error)

    def _returned(self, work: Work) -> list[Step]:
        """Work on letters that came back; a partition that can't go on yet is taken again when it can."""
        self.patience.beat()
        for piece in work.slices:
            try:
                pause = self._returns.work(piece)
            except Fenced as lost:
                self._holdings.drop(lost.partitions)
            except ConnectionLost as error:
                self.patience.reopen(error)
                break
            except CommitUnknown as error:
                # the row says what became of it, whoever asks next
                self.patience.reopen(ConnectionLost(error.failure))
                break
            except Transient as error:
                failure = error.failure
                log.warning("letters wait", topic=piece.at.topic, reason=failure.detail, remedy=failure.remedy)
                self._holdings.later(piece.at, self.patience.most, failure.detail)
            else:
                self._went_on(piece.at, piece.end, pause)
        return []

    def _went_on(self, at: TopicPartition, end: int, pause: Pause | None) -> None:
        if pause is None:
            self._handover.tell(Moved({at: end}))
        else:
            self._holdings.later(at, pause.seconds, "letters are not due yet")

    def _applied(self, applied: Applied) -> None:
        self.patience.rewarded()
        plan = applied.plan
        self._flood.passed(plan)
        self._busy.passed(plan, applied.seconds)
        self._evolved(plan)
        self._holdings.went_on(piece.at for piece in plan.slices)
        self._handover.tell(Moved({piece.at: piece.end for piece in plan.slices}))
        if plan.counts.records:
            self._last = plan.counts.records, applied.seconds
            self._handover.tell(Paced(*self._last))
            log.debug("batch applied", records=plan.counts.records, seconds=round(applied.seconds, 4))

    def _evolved(self, plan: Plan) -> None:
        """Tables that were changed are bound as they are now."""
        for evolution in plan.evolving():
            self._binder.forget(evolution.table)
            log.info(
                "table follows its source",
                table=str(evolution.table),
                schema=evolution.schema_id,
                changes=changes(evolution.steps),
            )

    def _judged(self, work: Work, fault: DataFault | TableFault) -> list[Step]:
        """What a refusal by the target costs: a catalog that moved costs a second look, rows that are
        refused cost their record, a table that is refused costs its partitions."""
        if not work.judged:
            self._binder.forget(fault.table)
            return [replace(work, plan=None, judged=True)]
        if isinstance(fault, TableFault):
            if fault.table is None and len({piece.at.topic for piece in work.slices}) > 1:
                # whose it is fails alone then
                return [*each_topic(work)]
            topics = self._binder.topics_of(fault.table)
            if fault.failure.kind == TOO_DEPENDENT:
                bad = [piece for piece in work.slices if piece.at.topic in topics]
                self._wait(lambda: self._dependents.of(bad, fault.failure))
            return without_table(work, topics, fault.failure)
        if sum(map(len, work.slices)) == 1:
            (piece,) = (piece for piece in work.slices if len(piece))
            ref = RecordRef(piece.at, piece.offsets[0])
            if ref in work.refused:
                # not even its letter can be written: what refuses it is its key
                return [Stopped(piece.at, located(fault.failure, piece.at, ref.offset))]
            return [replace(work, plan=None, refused={**work.refused, ref: fault.failure})]
        return halved(work)

    def _wait(self, barriers: Callable[[], Mapping[TopicPartition, Mapping[TopicPartition, int]]]) -> bool:
        """Have partitions wait for others, with that they are out of the batch; returns whether any has to."""
        found = self.patience.ask(barriers)
        for at, others in found.items():
            self._holdings.wait(at, others)
        return bool(found)

    def _resolve(self, plan: Plan, error: CommitUnknown) -> None:
        """Read the positions back before anything is taken anew."""
        log.warning("commit not answered", reason=error.failure.detail)
        self.patience.reopen(ConnectionLost(error.failure))
        outcome = self.patience.ask(lambda: self._sink.resolve(plan))
        log.info("commit resolved", outcome=outcome.value)
        if outcome is Outcome.COMMITTED:
            self._evolved(plan)
            self._handover.tell(Moved({piece.at: piece.end for piece in plan.slices}))


def _say_grown(topics: Collection[str]) -> None:
    for topic in sorted(topics):
        log.warning(
            "topic has grown",
            topic=topic,
            reason="its table has no fitting unique index, or applies truncates without a version column, which only a "
            "topic of one partition can do",
            remedy="Create a unique index over the key's columns, all NOT NULL, or give the table a version_column, "
            "then restart the worker.",
        )
