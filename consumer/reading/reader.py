"""The reader thread's story: poll, gather, plan, hand over. It never waits for the database.

A batch closes when it is full, or as soon as the apply thread is free and anything is waiting. When the
apply thread is behind, partitions pause and polling goes on, so that a slow target causes no rebalance.
Where tables have several priorities, `rationing` says what is read, and each batch is of one of them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, located
from consumer.core.healing import Act
from consumer.core.plan import Plan
from consumer.core.pressure import Strain
from consumer.core.priority import Priority
from consumer.core.records import Slice, TopicPartition
from consumer.core.runs import frame, runs
from consumer.core.sizer import BatchSizer
from consumer.planning.planner import BadRecord
from consumer.planning.unbound import Unbound
from consumer.ports.facts import Halted, Healed, Pause, Shift, Shifted, Tell, untold
from consumer.ports.refusals import DataFault
from consumer.ports.target import Taken
from consumer.ports.topics import Fetched, Intake, Source
from consumer.reading.ahead import Ahead
from consumer.reading.gathering import Gathering, sample
from consumer.reading.handover import Dropped, Handover, Later, Moved, Notice, Paced, Stopped, Work
from consumer.reading.places import LogCut, Places
from consumer.reading.rationing import Rationing, Sharing, counted, partitions_of
from consumer.stopwatch import Stopwatch

log = structlog.get_logger("headrace.read")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a batch closes: at the sizer's number of records, or at so many bytes of them."""

    sizer: BatchSizer = field(default_factory=BatchSizer)
    max_bytes: int = 32 << 20
    # the topics whose records are letters that come back, and no batches
    lane: Callable[[str], bool] = lambda topic: False
    sharing: Sharing = field(default_factory=Sharing)


class Plans(Protocol):
    """What a reader asks of a planner."""

    def knows(self, key: BindingKey) -> bool:
        """Whether records of this kind can be planned."""

    def plan(self, slices: Sequence[Slice]) -> Plan:
        """Plan one transaction. Raises Unbound, BadRecord, DataFault where somebody has to be asked first."""


class Reader:
    """Owns the source. `turn` is called in a loop by one thread. Implements `consumer.ports.topics.Listener`."""

    # how long a full reader waits for room before it pauses its partitions
    PATIENCE = 1.0
    # how long a revocation waits for the batch in flight
    RELEASE = 5.0
    # how long a fenced partition that is still ours is left alone: who was stopped soon learns that it lost it
    GRACE = 10.0
    # how many batches may be gathered at once, where there are many topics
    ROUNDS = 4
    # records of one poll where tables have several priorities
    SIP = 2_000
    # records to learn a table's name from, by the first that decodes
    SAMPLE = 20
    # bindings of which it is remembered that they were asked for
    WANTED = 4096

    def __init__(self, source: Source, planner: Plans, ahead: Ahead, handover: Handover, limits: BatchLimits) -> None:
        self._source = source
        self._planner = planner
        self._ahead = ahead
        self._handover = handover
        self._limits = limits
        self._assigned: set[TopicPartition] = set()
        self._places = Places(source)
        self._gathering = Gathering()
        # when partitions that are assigned to us are to be taken again
        self._again: dict[TopicPartition, float] = {}
        self._broken: dict[TopicPartition, Failure] = {}
        self._wanted: set[BindingKey] = set()
        self._pace = limits.sizer.first()
        self.rationing = Rationing(limits.sharing, limits.lane)
        # not read for a while, for the sake of others or of memory
        self._yielding: set[TopicPartition] = set()
        self._full_since: float | None = None
        self._paused = False
        self._polling = Stopwatch("poll")
        # told of pauses and rebalances; set by whoever watches
        self.tell: Tell = untold

    def open(self) -> None:
        """Join the group."""
        self._source.open(self)

    def close(self) -> None:
        """Leave the group, which learns of the last positions first: what is assigned is revoked."""
        self._source.close()

    def turn(self, timeout: float) -> None:
        """Poll once, or wait for room; hand over a batch when one is due. Raises Persistent."""
        self._heed_notices()
        if self._paused and not self._full() and self._handover.room():
            # what made it full may be gone: revoked, or taken anew after a reconnect
            self._resume()
        begun = not self._paused and self._places.start()
        self._take_again()
        self._share(anew=begun)
        if self.rationing.mixed:
            self._turn_by_priority(timeout)
            return
        if self._full():
            self._hand_over_or_hold()
            return
        self._poll(self._bound() - self._gathering.rows, timeout)
        if self._full() or (self._gathering and self._handover.hungry()):
            self._hand_over_or_hold()

    def _poll(self, most: int, timeout: float) -> None:
        # waits short while something is gathered, so that it is on its way soon
        wait = 0.005 if self._gathering else timeout
        with self._polling:
            intake = self._source.poll(most, wait)
        self._gather(intake)
        if not self._gathering:
            # waiting for records is no part of reading them
            self._polling.lap()

    # the group's callbacks, called from within poll

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self._assigned |= set(partitions)
        self._handover.ask(partitions)
        self.tell(Shifted(Shift.ASSIGNED, len(partitions)))

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        if not self._handover.release(partitions, self.RELEASE):
            log.warning("revoked while a batch is in flight; the fence decides", count=len(partitions))
        # while they are ours the group learns how far that batch has come
        self._heed_notices()
        self._forget(partitions)
        self.tell(Shifted(Shift.REVOKED, len(partitions)))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        self._forget(partitions)
        self._handover.release(partitions, 0)
        self.tell(Shifted(Shift.LOST, len(partitions)))
        log.warning("partitions lost", count=len(partitions))

    def _forget(self, partitions: Sequence[TopicPartition]) -> None:
        for at in partitions:
            self._assigned.discard(at)
            self._again.pop(at, None)
            self._broken.pop(at, None)
            self._drop(at)

    def _drop(self, at: TopicPartition) -> None:
        self._yielding.discard(at)
        self._places.drop(at)
        self._gathering.drop(at)

    # notices

    def _heed_notices(self) -> None:
        moved: dict[TopicPartition, int] = {}
        for notice in self._handover.notices():
            if isinstance(notice, Moved):
                moved |= notice.positions
            elif isinstance(notice, Taken):
                # whoever had it before may not have told the group how far it came
                moved[notice.at] = notice.next_offset
            self._heed(notice)
        if mine := {at: offset for at, offset in moved.items() if at in self._assigned}:
            self._source.commit(mine)

    def _heed(self, notice: Notice) -> None:
        if isinstance(notice, Taken):
            self._taken(notice)
        elif isinstance(notice, Stopped):
            self._halt((notice.at,))
            if notice.again is not None:
                self._again |= dict.fromkeys(self._assigned & {notice.at}, time.monotonic() + notice.again)
        elif isinstance(notice, Dropped):
            self._halt(notice.partitions)
            self._again |= dict.fromkeys(self._assigned & set(notice.partitions), time.monotonic() + self.GRACE)
        elif isinstance(notice, Later):
            self._halt((notice.at,))
            self._again |= dict.fromkeys(self._assigned & {notice.at}, time.monotonic() + notice.seconds)
        elif isinstance(notice, Paced):
            self._paced(notice)

    def _paced(self, paced: Paced) -> None:
        self.rationing.paced(paced)
        sizer, before = self._limits.sizer, self._pace.rows
        if paced.kind:
            self._pace = sizer.failed(self._pace, paced.records, paced.kind)
        else:
            self._pace = sizer.committed(self._pace, paced.records, paced.seconds, full=paced.full)
        if self._pace.rows < before:
            self.tell(Healed(Act.RESIZED, "batches", paced.kind or "slow commits"))
            log.info("batches are made smaller", rows=self._pace.rows, kind=paced.kind, seconds=round(paced.seconds, 3))

    def _taken(self, taken: Taken) -> None:
        if taken.at in self._assigned:
            self._broken.pop(taken.at, None)
            self._again.pop(taken.at, None)
            self._gathering.drop(taken.at)
            self._places.take(taken)

    def _take_again(self) -> None:
        now = time.monotonic()
        due = [at for at, when in self._again.items() if now > when]
        for at in due:
            del self._again[at]
        if due:
            self._handover.ask(due)

    def _halt(self, partitions: Sequence[TopicPartition]) -> None:
        mine = [at for at in partitions if at in self._assigned]
        for at in mine:
            self._drop(at)
        if mine:
            self._source.pause(mine)

    # gathering

    def _gather(self, intake: Intake) -> None:
        self._places.begin()
        for fetched in intake.fetched:
            self._add(fetched)
        for at, failure in intake.broken.items():
            if self._places.is_lost(at, failure):
                self._give_up(at, failure)
        for at, end in intake.ends.items():
            if stretch := self._places.reached(at, end):
                self._gathering.add(stretch)

    def _add(self, fetched: Fetched) -> None:
        try:
            stretch = self._places.read(fetched)
        except LogCut as cut:
            self._give_up(fetched.at, cut.failure)
            return
        if stretch is not None and stretch.fetched is not None:
            self._gathering.add(stretch)
            self._want(stretch.fetched)

    def _want(self, fetched: Fetched) -> None:
        """Have a new schema or table looked up before the batch that brings it is full."""
        key = BindingKey(fetched.at.topic, frame(fetched.keys[0]), frame(fetched.values[0]))
        if key.value_frame is None or self._limits.lane(key.topic):
            return
        if self._planner.knows(key):
            # once it is forgotten it is wanted anew
            self._wanted.discard(key)
        elif key not in self._wanted:
            if len(self._wanted) >= self.WANTED:
                self._wanted.clear()
            self._wanted.add(key)
            self._ahead.want(key, runs(sample(fetched, self.SAMPLE))[0])

    def _give_up(self, at: TopicPartition, failure: Failure) -> None:
        self._source.pause((at,))
        position = self._places.drop(at)
        assert position is not None, "only what is read can be given up"
        self._broken[at] = located(failure, at, position)
        self._stop_broken()

    def _stop_broken(self) -> None:
        """Stop partitions that can't be read on, once what was read in front of the place is on its way."""
        for at in [at for at in self._broken if at not in self._gathering]:
            self._handover.report(Stopped(at, self._broken.pop(at)))

    # handing over

    def _full(self) -> bool:
        return self._gathering.rows >= self._bound() or self._gathering.bytes >= self._limits.max_bytes

    def _bound(self) -> int:
        """Most records to gather: of many topics more, since a batch takes only some of them."""
        return self._limits.sizer.most(self._pace) * min(self.ROUNDS, self._gathering.batches)

    def _hand_over_or_hold(self) -> None:
        if self._handover.wait_room(0.05) and self._bound_or_needed(0.05):
            self._full_since = None
            self._resume()
            self._hand_over()
            return
        now = time.monotonic()
        self._full_since = self._full_since or now
        if now - self._full_since > self.PATIENCE:
            self._pause()
            # nothing comes while paused; the group's callbacks are served
            self._gather(self._source.poll(1, 0.05))

    def _bound_or_needed(self, timeout: float) -> bool:
        """Wait for the bindings that were asked for, unless the apply thread would run dry."""
        return self._handover.hungry() or self._ahead.settled(timeout)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            every = self._places.every()
            self._source.pause(every)
            self.tell(Halted(Pause.BEHIND, len(every)))
            log.info("paused: the target is behind")

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            every = self._places.every()
            self._yielding.clear()
            self._source.resume(every)
            self._places.resumed(every)
            log.info("resumed")

    def _hand_over(self, priority: Priority | None = None) -> None:
        """Hand over what was gathered, or what of it has a priority."""
        full = self._gathering.bytes >= self._limits.max_bytes
        if priority is None:
            slices = self._gathering.take()
        else:
            rationing = self.rationing
            slices = self._gathering.take(lambda topic: rationing.of(topic) is priority, self._most(priority))
        self.rationing.handed(priority)
        priority = priority or self.rationing.common
        main = tuple(piece for piece in slices if not self._limits.lane(piece.at.topic))
        if main:
            if (plan := self._plan(main)) is not None:
                self._pace = self._limits.sizer.folded(self._pace, plan.counts)
            self._handover.offer(Work(slices=main, plan=plan, full=full, polled=self._polling.lap(), priority=priority))
        if len(main) < len(slices):
            letters = tuple(piece for piece in slices if piece not in main)
            self._handover.offer(Work(slices=letters, lane=True, priority=priority))
        self._stop_broken()

    # sharing

    def _share(self, *, anew: bool) -> None:
        """Have read what may be read now. `anew`: partitions were begun, which the source has resumed."""
        rationing, every = self.rationing, self._places.every()
        before = rationing.strain, rationing.paused
        looked = rationing.look([*(at.topic for at in every), *self._gathering.topics()])
        if rationing.strain is Strain.MEMORY and before[0] is not Strain.MEMORY:
            self._pace = self._limits.sizer.smaller(self._pace)
            self.tell(Healed(Act.RESIZED, "batches", "memory is near its bound"))
        if self._paused or not (looked or anew or rationing.mixed):
            return
        gathered = counted(self._gathering.amounts(), rationing.of)
        full = self._gathering.bytes / self._limits.max_bytes
        closed = rationing.closed(gathered, self._limits.sizer.most(self._pace), full)
        if not closed and not self._yielding:
            return
        wanted = partitions_of(every, closed, rationing.of)
        if (newly := rationing.paused - before[1]) and rationing.strain:
            held = len(partitions_of(every, newly, rationing.of))
            self.tell(Halted(Pause[rationing.strain.name], held))
        yields = wanted if anew else wanted - self._yielding
        goes_on = [at for at in self._yielding - wanted if at in self._places]
        self._yielding = wanted
        if yields:
            self._source.pause(list(yields))
        if goes_on:
            self._source.resume(goes_on)
            self._places.resumed(goes_on)

    def _turn_by_priority(self, timeout: float) -> None:
        """Poll, and hand over a batch of each priority that has one and a place for it; waits for nobody."""
        self._full_since = None
        self._resume()
        rationing = self.rationing
        # not much at once, so that nobody waits long behind what others have in the client's queue
        self._poll(min(self.SIP, *(self._most(each) for each in rationing.held)), timeout)
        gathered = counted(self._gathering.amounts(), rationing.of)
        for priority in rationing.held:
            rows = gathered.get(priority)
            if rows is None or not self._handover.room_for(priority) or not self._bound_or_needed(0.0):
                continue
            if self._handover.hungry() or rationing.due(priority, rows, self._most(priority)):
                self._hand_over(priority)

    def _most(self, priority: Priority) -> int:
        return self.rationing.most(priority, self._limits.sizer.most(self._pace))

    def _plan(self, slices: Sequence[Slice]) -> Plan | None:
        """The plan, or None where the apply thread has to ask someone or to judge a record first."""
        try:
            return self._planner.plan(slices)
        except (Unbound, BadRecord, DataFault):
            return None
