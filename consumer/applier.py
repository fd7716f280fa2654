"""The apply thread's story: take partitions, apply batches, resolve what is in doubt, leave out what fails."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from consumer.binder import Binder
from consumer.core import waiting
from consumer.core.backoff import Backoff
from consumer.core.failure import Failure, Transient, failed, located
from consumer.core.flood import FloodGuard
from consumer.core.kinds import KINDS, TABLE_KINDS
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, Slice, TopicPartition, halves
from consumer.handover import Dropped, Handover, Later, Moved, Stopped, Take, Work
from consumer.planner import BadRecord, Planner, Unbound
from consumer.ports import (
    Applied,
    CommitUnknown,
    ConnectionLost,
    DataFault,
    Fenced,
    LettersFull,
    Offsets,
    Outcome,
    Reconsider,
    Sink,
    Start,
    TableFault,
    Taken,
)
from consumer.returns import Pause, Returns

log = structlog.get_logger("headrace.apply")

T = TypeVar("T")


# what a table's owner puts right, so it is looked at again; the others need a decision about its records
_HEALED_BY_OTHERS = {kind.name for kind in TABLE_KINDS if kind.name.startswith("table.")} - {
    "table.flood",
    "table.truncate",
} | {"kafka.letters"}
# what a smaller batch may not meet
_TOO_MUCH = ("target.timeout", "target.resources")
# seconds between looks at what changes by itself
LOOK_EVERY = 2.0


class Stopping(Exception):
    """The process was told to stop, so a wait was cut short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the apply thread works with: plans, their bindings, and what becomes of letters that come back."""

    planner: Planner
    binder: Binder
    returns: Returns
    flood: FloodGuard


class Applier:
    """Owns the target session. `turn` is called in a loop by one thread."""

    def __init__(self, sink: Sink, offsets: Offsets, shop: Workshop, handover: Handover) -> None:
        self._sink = sink
        self._offsets = offsets
        self._planner = shop.planner
        self._binder = shop.binder
        self._returns = shop.returns
        self._flood = shop.flood
        self._handover = handover
        self._marks = shop.planner.marks
        self._epochs: dict[TopicPartition, int] = {}
        self._waiting: dict[TopicPartition, Taken] = {}
        self._stopped: set[TopicPartition] = set()
        self._topic_ids: dict[str, str] = {}
        self._next_look = 0.0
        self._backoff = Backoff()
        self._table_backoff = Backoff(first=10.0, most=60.0)
        # how often each partition was stopped since it last went on
        self._stops: Counter[TopicPartition] = Counter()
        self._failures = 0
        self._reopened = False
        self._opened = False
        self.stopping = threading.Event()
        # called whenever the thread shows that it lives
        self.beat: Callable[[], None] = lambda: None

    def turn(self, timeout: float) -> None:
        """Do one thing: a taking, a batch, or nothing. Raises Persistent, Refused or Stopping."""
        if not self._opened:
            self._patiently(self._sink.open)
            self._opened = True
        job = self._handover.next(timeout)
        if isinstance(job, Take):
            self._take(job.partitions)
        elif isinstance(job, Work):
            self._work(job)
        elif isinstance(job, Stopped):
            self._stop(job)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._look_around()
        if self._reopened:
            self._take_anew()

    def prune(self, keep_hours: float) -> None:
        """Delete what the ledger need not keep; when the target is away the next turn does."""
        with suppress(Transient):
            self._sink.prune(keep_hours)

    # taking

    def _take(self, partitions: Sequence[TopicPartition]) -> None:
        taken = self._patiently(lambda: self._taken([at for at in partitions if not self._handover.released(at)]))
        _say_grown(self._binder.spread({part.at.topic for part in taken if part.at.partition}))
        self._flood.forget(part.at for part in taken)
        for part in taken:
            self._epochs[part.at] = part.epoch
            self._stopped.discard(part.at)
            if part.wait_for:
                self._waiting[part.at] = part
            else:
                self._handover.tell(part)
        log.info("partitions taken", count=len(taken))
        if self._waiting:
            self._say_waiting({part.at for part in taken})

    def _say_waiting(self, taken: Collection[TopicPartition]) -> None:
        for at, older in self._look_at_waiting().items():
            if at in taken:
                log.info(
                    "partition waits",
                    topic=at.topic,
                    partition=at.partition,
                    reason=waiting.reason(older),
                    remedy=waiting.REMEDY,
                )

    def _take_anew(self) -> None:
        """After a reconnect nothing that was known of positions holds."""
        while self._reopened:
            self._reopened = False
            mine = [at for at in (*self._epochs, *self._waiting, *self._stopped) if not self._handover.released(at)]
            self._epochs.clear()
            self._waiting.clear()
            self._stopped.clear()
            self._take(sorted(set(mine)))

    def _taken(self, partitions: Sequence[TopicPartition]) -> list[Taken]:
        if not partitions:
            return []
        known = self._sink.known()
        if not known.started:
            everything = sorted(self._offsets.matching() | set(partitions))
            self._sink.seed(self._offsets.initial(everything))
            known = self._sink.known()
        ids = self._offsets.topic_ids(sorted({at.topic for at in partitions}))
        fresh = [at for at in partitions if at not in known.partitions]
        starts = {at: Start(offset=0, topic_id=ids.get(at.topic)) for at in partitions}
        starts |= self._late_starts(fresh, known.partitions)
        self._marks.learn(self._sink.marks(partitions))
        return [part for part in self._sink.take(starts) if self._same_topic(part, ids)]

    def _late_starts(
        self, fresh: Sequence[TopicPartition], known: frozenset[TopicPartition]
    ) -> dict[TopicPartition, Start]:
        """Partitions that appeared after the group's start begin at their log start.

        A new partition of a topic that is read already waits until the older ones have passed the ends
        they have now: rows whose key moved to it may still have changes there.
        """
        topics = {new.topic for new in fresh}
        ends = self._offsets.ends([at for at in known if at.topic in topics])
        starts = {}
        for at, start in self._offsets.log_start(fresh).items():
            barrier = {str(old.partition): end for old, end in ends.items() if old.topic == at.topic and end}
            starts[at] = replace(start, wait_for=barrier or None)
        return starts

    def _same_topic(self, part: Taken, ids: Mapping[str, str]) -> bool:
        now = ids.get(part.at.topic)
        if now is None or part.topic_id in (None, now):
            if now is not None:
                self._topic_ids[part.at.topic] = now
            return True
        self._sink.stop(part.at, part.epoch, _recreated(part.at))
        self._tell_stopped(Stopped(part.at, _recreated(part.at)))
        return False

    def _look_around(self) -> None:
        """Start partitions whose wait is over; notice topics that were made anew, or grew, while they were read."""
        if self._waiting:
            self._look_at_waiting()
        topics = {at.topic for at in self._epochs} & self._topic_ids.keys()
        with suppress(Transient):
            now = self._offsets.topic_ids(sorted(topics))
            for at in [
                at
                for at in self._epochs
                if now.get(at.topic, self._topic_ids.get(at.topic)) != self._topic_ids.get(at.topic)
            ]:
                self._stop(Stopped(at, _recreated(at)))
            _say_grown(self._binder.look_again())

    def _look_at_waiting(self) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """Start partitions whose wait is over; returns the others with what they wait for."""
        stored = {position.at: position.next_offset for position in self._patiently(self._sink.stored)}
        still = {}
        for at, part in list(self._waiting.items()):
            older = waiting.unpassed(at, part.wait_for, stored)
            if older:
                still[at] = older
            else:
                del self._waiting[at]
                self._handover.tell(part)
        return still

    # applying

    def _work(self, work: Work) -> None:
        todo: deque[Work | Stopped] = deque([work])
        try:
            while todo and not self._reopened:
                step = todo.popleft()
                if isinstance(step, Stopped):
                    self._stop(step)
                elif current := self._current(step):
                    todo.extendleft(reversed(self._returned(current) if current.lane else self._attempt(current)))
        finally:
            self._handover.done()

    def _current(self, work: Work) -> Work | None:
        """The work without the partitions that are no longer ours, or None when nothing is left."""
        owned = [piece for piece in work.slices if self._epochs.get(piece.at) == piece.epoch]
        kept = tuple(self._handover.start(owned))
        if len(kept) == len(work.slices):
            return work
        return replace(work, slices=kept, plan=None) if kept else None

    def _attempt(self, work: Work) -> list[Work | Stopped]:
        """Try one batch; returns what is to be done instead, in order."""
        self.beat()
        try:
            plan = work.plan or self._planned(work)
            if flooded := self._flood.flooded(plan):
                return _without_flooded(work, flooded)
            self._applied(self._sink.apply(plan))
        except BadRecord as bad:
            return [replace(work, slices=_before(work.slices, bad.ref), plan=None), Stopped(bad.ref.at, bad.failure)]
        except Fenced as lost:
            self._drop(lost.partitions)
            return [replace(work, plan=None)]
        except Reconsider as found:
            return [replace(work, plan=None, refused=_reconsidered(work.refused, found))]
        except LettersFull as full:
            return _without_letters(work, plan, full.failure)
        except (DataFault, TableFault) as fault:
            return self._judged(work, fault)
        except CommitUnknown as error:
            self._resolve(plan, error)
        except ConnectionLost as error:
            self._reopen(error)
        except Transient as error:
            self._pause(error)
            return _smaller(work) if error.failure.kind in _TOO_MUCH else [work]
        return []

    def _returned(self, work: Work) -> list[Work | Stopped]:
        """Work on letters that came back; a partition that can't go on yet is taken again when it can."""
        self.beat()
        for piece in work.slices:
            try:
                pause = self._returns.work(piece)
            except Fenced as lost:
                self._drop(lost.partitions)
            except ConnectionLost as error:
                self._reopen(error)
                break
            except CommitUnknown as error:
                # the row says what became of it, whoever asks next
                self._reopen(ConnectionLost(error.failure))
                break
            except Transient as error:
                failure = error.failure
                log.warning("letters wait", topic=piece.at.topic, reason=failure.detail, remedy=failure.remedy)
                self._later(piece.at, Pause(self._backoff.most), failure.detail)
            else:
                if pause is None:
                    self._handover.tell(Moved({piece.at: piece.end}))
                else:
                    self._later(piece.at, pause)
        return []

    def _later(self, at: TopicPartition, pause: Pause, reason: str = "letters are not due yet") -> None:
        self._epochs.pop(at, None)
        self._handover.tell(Later(at, pause.seconds))
        log.debug("retry topic waits", topic=at.topic, partition=at.partition, seconds=pause.seconds, reason=reason)

    def _planned(self, work: Work) -> Plan:
        while True:
            try:
                return self._planner.plan(work.slices, work.refused)
            except Unbound as unbound:
                self._binder.bind(unbound.wanted)

    def _applied(self, applied: Applied) -> None:
        self._failures = 0
        plan = applied.plan
        self._flood.passed(plan)
        for piece in plan.slices:
            self._stops.pop(piece.at, None)
        self._handover.tell(Moved({piece.at: piece.end for piece in plan.slices}))
        if plan.counts.records:
            log.debug("batch applied", records=plan.counts.records, seconds=round(applied.seconds, 4))

    def _judged(self, work: Work, fault: DataFault | TableFault) -> list[Work | Stopped]:
        """What a refusal by the target costs: a catalog that moved costs a second look, rows that are
        refused cost their record, a table that is refused costs its partitions."""
        if not work.judged:
            self._binder.forget(fault.table)
            return [replace(work, plan=None, judged=True)]
        if isinstance(fault, TableFault):
            topics = self._binder.topics_of(fault.table)
            bad = [piece for piece in work.slices if piece.at.topic in topics or not topics]
            stops = [Stopped(piece.at, located(fault.failure, piece.at, piece.start)) for piece in bad]
            return [*stops, replace(work, plan=None)]
        if sum(map(len, work.slices)) == 1:
            (piece,) = (piece for piece in work.slices if len(piece))
            ref = RecordRef(piece.at, piece.offsets[0])
            if ref in work.refused:
                # not even its letter can be written: what refuses it is its key
                return [Stopped(piece.at, located(fault.failure, piece.at, ref.offset))]
            return [replace(work, plan=None, refused={**work.refused, ref: fault.failure})]
        return _halved(work)

    # when something is away

    def _resolve(self, plan: Plan, error: CommitUnknown) -> None:
        """Read the positions back before anything is taken anew."""
        log.warning("commit not answered", reason=error.failure.detail)
        outcome = self._patiently(lambda: self._sink.resolve(plan))
        self._reopened = True
        log.info("commit resolved", outcome=outcome.value)
        if outcome is Outcome.COMMITTED:
            self._handover.tell(Moved({piece.at: piece.end for piece in plan.slices}))

    def _reopen(self, error: ConnectionLost) -> None:
        log.warning("connection lost", reason=error.failure.detail, remedy=error.failure.remedy)
        self._patiently(self._sink.open)
        self._reopened = True

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask until time has healed what was wrong. Raises Stopping when told to stop meanwhile."""
        while True:
            try:
                return ask()
            except ConnectionLost as error:
                self._pause(error)
                self._reopened = True
                with suppress(Transient):
                    self._sink.open()
            except Transient as error:
                self._pause(error)

    def _pause(self, error: Transient) -> None:
        self.beat()
        self._failures += 1
        failure = error.failure
        log.warning(
            "waiting",
            kind=failure.kind,
            code=failure.code,
            reason=failure.detail,
            remedy=failure.remedy,
            attempt=self._failures,
        )
        if self.stopping.wait(self._backoff.delay(self._failures, random.random())):
            raise Stopping from error

    # partitions that do not go on

    def _stop(self, stopped: Stopped) -> None:
        epoch = self._epochs.get(stopped.at)
        if epoch is not None:
            self._patiently(lambda: self._sink.stop(stopped.at, epoch, stopped.failure))
            self._tell_stopped(stopped)

    def _tell_stopped(self, stopped: Stopped) -> None:
        self._epochs.pop(stopped.at, None)
        self._waiting.pop(stopped.at, None)
        self._stopped.add(stopped.at)
        failure = stopped.failure
        self._stops[stopped.at] += 1
        heals = failure.kind in _HEALED_BY_OTHERS
        again = self._table_backoff.delay(self._stops[stopped.at], 1.0) if heals else None
        self._handover.tell(replace(stopped, again=again))
        log.error(
            "partition stopped",
            topic=stopped.at.topic,
            partition=stopped.at.partition,
            component=failure.component,
            operation=failure.operation,
            kind=failure.kind,
            correlation_id=failure.correlation_id,
            code=failure.code,
            again_in=again,
            reason=failure.detail,
            remedy=failure.remedy,
        )

    def _drop(self, partitions: Sequence[TopicPartition]) -> None:
        for at in partitions:
            self._epochs.pop(at, None)
            self._waiting.pop(at, None)
        self._handover.tell(Dropped(tuple(partitions)))
        log.warning("partitions fenced: another owner took them", partitions=[str(at) for at in partitions])


def _say_grown(topics: Collection[str]) -> None:
    for topic in sorted(topics):
        log.warning(
            "topic has grown",
            topic=topic,
            reason="its table has no fitting unique index, which only a topic of one partition can do without",
            remedy="Create a unique index over the key's columns, all NOT NULL, then restart the worker.",
        )


def _without_flooded(work: Work, flooded: Mapping[TopicPartition, int]) -> list[Work | Stopped]:
    """Partitions with too many letters stop in front of the batch; the others go on."""
    kept = tuple(piece for piece in work.slices if piece.at not in flooded)
    stops: list[Work | Stopped] = []
    for piece in work.slices:
        if piece.at in flooded:
            detail = f"{flooded[piece.at]} of its last records can't be applied"
            failure = failed(KINDS["table.flood"], "applier", "count letters", detail)
            stops.append(Stopped(piece.at, located(failure, piece.at, piece.start)))
    return [*stops, replace(work, slices=kept, plan=None)] if kept else stops


def _without_letters(work: Work, plan: Plan, failure: Failure) -> list[Work | Stopped]:
    """No more letters can be written: their partitions stop in front of the batch, the others go on."""
    lettered = {letter.record.ref.at for letter in plan.letters}
    stops = [
        Stopped(piece.at, located(failure, piece.at, piece.start)) for piece in work.slices if piece.at in lettered
    ]
    return [*stops, replace(work, plan=None)]


def _halved(work: Work) -> list[Work | Stopped]:
    return [replace(work, slices=tuple(half), plan=None) for half in halves(work.slices)]


def _smaller(work: Work) -> list[Work | Stopped]:
    """A batch that does not fit into its deadline may in two parts."""
    return _halved(work) if sum(map(len, work.slices)) > 1 else [work]


def _before(slices: Sequence[Slice], ref: RecordRef) -> tuple[Slice, ...]:
    """The batch cut so that the record's partition ends in front of it."""
    return tuple(
        piece.head(sum(1 for offset in piece.offsets if offset < ref.offset)) if piece.at == ref.at else piece
        for piece in slices
    )


def _reconsidered(refused: Mapping[RecordRef, Failure], found: Reconsider) -> dict[RecordRef, Failure]:
    return {ref: why for ref, why in {**refused, **found.refused}.items() if ref not in found.freed}


def _recreated(at: TopicPartition) -> Failure:
    detail = f"topic {at.topic}, partition {at.partition}: its stored position belongs to a topic that was deleted"
    return failed(KINDS["log.recreated"], "kafka", "take", detail)
