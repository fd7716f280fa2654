"""Batches tried, whole or in parts, until each record is applied, a letter or waits; what is in doubt is resolved."""

import math
import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import structlog

from consumer.applying.busy import Busy
from consumer.applying.cuts import Step, first, parted, without_flooded, without_letters, without_table
from consumer.applying.dependents import Dependents
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.patience import Patience
from consumer.applying.planning import Instead, planned
from consumer.applying.recourse import Recourse
from consumer.applying.returns import Returns, Turn
from consumer.binding.binder import Binder
from consumer.core.failure import Transient, told
from consumer.core.flood import FloodGuard
from consumer.core.plan import Plan
from consumer.core.records import Slice, TopicPartition
from consumer.core.sizer import NoTime, fitting
from consumer.core.steps import changes
from consumer.planning.planner import Planner
from consumer.ports.bindings import Fetch
from consumer.ports.refusals import (
    CommitUnknown,
    ConnectionLost,
    DataFault,
    Fenced,
    LettersFull,
    Reconsider,
    TableFault,
)
from consumer.ports.target import Applied, Outcome, Sink
from consumer.reading.handover import Handover, Later, Moved, Paced, Stopped, Work

log = structlog.get_logger("headrace.apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the apply thread works with: plans, their bindings and schemas, what is refused too often, not taken in time
    or refused for others' sake, whose turn it is when keys have another id, and what becomes of letters that come back.
    """

    planner: Planner
    binder: Binder
    fetch: Fetch
    returns: Returns
    flood: FloodGuard
    busy: Busy
    dependents: Dependents
    keys: KeyTurns


class Attempts:
    """Applies batches in the target session. Belongs to the apply thread."""

    def __init__(self, sink: Sink, shop: Workshop, handover: Handover, holdings: Holdings, patience: Patience) -> None:
        self._sink = sink
        self._planner = shop.planner
        self._binder = shop.binder
        self._fetch = shop.fetch
        self._returns = shop.returns
        self._flood = shop.flood
        self._busy = shop.busy
        self._keys = shop.keys
        self._handover = handover
        self._holdings = holdings
        self._patience = patience
        self._recourse = Recourse(
            binder=shop.binder,
            dependents=shop.dependents,
            busy=shop.busy,
            holdings=holdings,
            patience=patience,
            handover=handover,
        )
        # what was read with the work of now, and goes another way: partitions, and the kinds of failures that are why
        self._left_out: dict[TopicPartition, str] = {}
        # records and seconds of the last batch
        self._last = (0, 0.0)

    def work(self, work: Work) -> None:
        """Do a batch. What is left when the session had to be opened anew is read again. Raises Stopping."""
        todo: deque[Step] = deque([work])
        self._left_out = {}
        try:
            while todo and not self._patience.reopened:
                step = todo.popleft()
                if isinstance(step, Stopped):
                    self._left_out[step.at] = step.failure.kind
                    self._holdings.stop(step)
                elif isinstance(step, Later):
                    if step.failure is not None:
                        self._left_out[step.at] = step.failure.kind
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
        return work.part(kept) if kept else None

    def _in_time(self, work: Work | None) -> Work | None:
        """As much of the work as fits into what is left until the process ends; all of it while no end is near.

        What is not begun is read again by whoever takes the partitions next.
        """
        if work is None or work.lane or not self._patience.stopping.is_set():
            return work
        records, seconds = self._last
        try:
            most = fitting(records, seconds, self._patience.until - time.monotonic()) if records else math.inf
        except NoTime:
            most = 0
        if most >= sum(map(len, work.slices)):
            return work
        # what was read behind the cut must not follow
        self._holdings.forget()
        return first(work, int(most)) if most else None

    def _attempt(self, work: Work) -> list[Step]:
        """Try one batch; returns what is to be done instead, in order."""
        self._patience.beat()
        began = time.monotonic()
        try:
            plan = work.plan or planned(work, self._planner, self._binder, self._fetch, self._patience.beat)
            if flooded := self._flood.flooded(plan):
                return without_flooded(work, plan, flooded)
            plan = self._in_turn(work, replace(plan, left_out=self._left_out) if self._left_out else plan)
            if (applied := self._committed(plan, work)) is not None:
                self._applied(applied, work)
        except Instead as instead:
            return list(instead.steps)
        except Fenced as lost:
            self._holdings.drop(lost.partitions)
            return [replace(work, plan=None)]
        except Reconsider as found:
            return self._recourse.reconsidered(work, found)
        except LettersFull as full:
            return without_letters(work, plan, full.failure)
        except (DataFault, TableFault) as fault:
            return self._recourse.judged(work, fault)
        except ConnectionLost as error:
            self._patience.reopen(error)
        except Transient as error:
            return self._recourse.put_off(work, error, time.monotonic() - began)
        return []

    def _in_turn(self, work: Work, plan: Plan) -> Plan:
        """The plan, with the ids of keys that it brings. Raises Instead where partitions have to wait for others: what
        is in front of such an id comes first then.
        """
        late = self._patience.ask(lambda: self._keys.late(plan))
        if not late:
            return self._keys.noted(plan)
        starts = {piece.at: piece.offsets[0] for piece in work.slices if piece.at in late}
        if behind := {at: offset for at, offset in late.items() if offset > starts[at]}:
            raise Instead(parted(work, behind))
        unknown = self._patience.ask(lambda: self._keys.unknown(late))
        for at in unknown:
            self._holdings.without_leader(at)
        known = {at: offset for at, offset in late.items() if at not in unknown}
        waits = self._patience.ask(lambda: self._keys.waits(known)) if known else {}
        for at, others in waits.items():
            self._holdings.wait(at, others)
        if unknown or waits:
            raise Instead([replace(work, plan=None)])
        return self._keys.noted(plan)

    def _returned(self, work: Work) -> list[Step]:
        """Work on letters that came back; a partition that can't go on yet is taken again when it can."""
        try:
            turn = self._returns.work(work.slices, self._patience.beat)
        except Fenced as lost:
            self._holdings.drop(lost.partitions)
            self._give_back(work, but=lost.partitions, seconds=0.0, reason="others of its batch were fenced")
        except ConnectionLost as error:
            self._patience.reopen(error)
        except CommitUnknown as unknown:
            # the rows say what became of the letters, whoever reads their copies next
            if self._was_committed(unknown):
                self._evolved(unknown.applied.plan)
        except Transient as error:
            failure = error.failure
            log.warning("letters wait", **told(failure))
            self._give_back(work, seconds=self._patience.most, reason=failure.detail)
        except (DataFault, TableFault) as fault:
            return without_table(work, (), fault.failure)
        else:
            self._went_on(work, turn)
        return []

    def _give_back(self, work: Work, *, but: Collection[TopicPartition] = (), seconds: float, reason: str) -> None:
        """Have partitions taken anew, wherever in them the work was."""
        for piece in work.slices:
            if piece.at not in but:
                self._holdings.later(piece.at, seconds, reason)

    def _went_on(self, work: Work, turn: Turn) -> None:
        for plan in turn.evolved:
            self._evolved(plan)
        undone = {*turn.waits, *(piece.at for piece in turn.left)}
        self._handover.tell(Moved({piece.at: piece.end for piece in work.slices if piece.at not in undone}))
        for at, seconds in turn.waits.items():
            self._holdings.later(at, seconds, turn.why)
        if turn.left:
            self._handover.go_on(replace(work, slices=turn.left))

    def _applied(self, applied: Applied, work: Work) -> None:
        self._patience.rewarded()
        plan = applied.plan
        self._flood.passed(plan)
        self._busy.passed(plan, applied.seconds)
        self._keys.passed(plan)
        self._evolved(plan)
        self._holdings.went_on(piece.at for piece in plan.slices)
        self._handover.tell(Moved({piece.at: piece.end for piece in plan.slices}))
        if plan.counts.records:
            self._last = plan.counts.records, applied.seconds
            waited = _waited(plan.slices, time.time())
            self._handover.tell(Paced(*self._last, full=work.full, priority=work.priority, waited=waited))
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

    def _committed(self, plan: Plan, work: Work) -> Applied | None:
        """Apply a plan; None where COMMIT got no answer and was not done."""
        try:
            return self._sink.apply(plan, self._flood.room(plan), self._busy.within(plan))
        except CommitUnknown as unknown:
            return unknown.applied if self._was_committed(unknown) else None

    def _was_committed(self, unknown: CommitUnknown) -> bool:
        """Read the positions back before anything is taken anew."""
        log.warning("commit not answered", **told(unknown.failure))
        self._patience.reopen(ConnectionLost(unknown.failure))
        outcome = self._patience.ask(lambda: self._sink.resolve(unknown.applied, unknown.failure))
        log.info("commit resolved", outcome=outcome.value)
        return outcome is Outcome.COMMITTED


def _waited(slices: Iterable[Slice], now: float) -> float:
    """Seconds since the oldest of the records was appended, as far as that is known."""
    oldest = min((at for piece in slices if (at := piece.appended_ms) is not None), default=None)
    return 0.0 if oldest is None else max(0.0, now - oldest / 1000)
