"""The reader thread's story: poll, gather, plan, hand over. It never waits for the database.

A batch closes when it is full, or as soon as the apply thread is free and anything is waiting. When the
apply thread is behind, partitions pause and polling goes on, so that a slow target causes no rebalance.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

import structlog

from consumer.ahead import Ahead
from consumer.core.failure import Failure, failed, located
from consumer.core.kinds import KINDS
from consumer.core.plan import BindingKey, Plan, frame, runs
from consumer.core.records import Header, HeadersOf, LastRecord, Slice, TopicPartition
from consumer.core.sizer import BatchSizer
from consumer.handover import Dropped, Handover, Later, Moved, Notice, Paced, Stopped, Work
from consumer.planner import BadRecord, Planner, Unbound
from consumer.ports.refusals import DataFault
from consumer.ports.target import Taken
from consumer.ports.topics import Fetched, Intake, Source

log = structlog.get_logger("headrace.read")


# in place of an offset: the client can't read from the position
_NOWHERE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a batch closes: at the sizer's number of records, or at so many bytes of them."""

    sizer: BatchSizer = field(default_factory=BatchSizer)
    max_bytes: int = 32 << 20
    # the topics whose records are letters that come back, and no batches
    lane: Callable[[str], bool] = lambda topic: False


@dataclass(slots=True)
class _Owned:
    """A partition that is ours: the epoch it is read under and the position after what was gathered.

    `last`: the last record in front of the position, as far as it is known. `sure`: since it was started, something
    came exactly from the position. `jump`: where reading seemed to go on instead, the first time it was seen. `gappy`:
    a jump was seen twice, so the log has gaps.
    """

    epoch: int
    position: int
    last: LastRecord | None = None
    sure: bool = False
    gappy: bool = False
    jump: int | None = None


@dataclass(slots=True)
class _Gathered:
    """What was read of one partition since the last batch, and the epoch under which."""

    epoch: int
    start: int
    end: int
    parts: list[Fetched] = field(default_factory=list)


class Reader:
    """Owns the source. `turn` is called in a loop by one thread. Implements `consumer.ports.topics.Listener`."""

    # how long a full reader waits for room before it pauses its partitions
    PATIENCE = 1.0
    # how long a revocation waits for the batch in flight
    RELEASE = 5.0
    # how long a fenced partition that the group still assigns to us is left alone before it is taken again:
    # a worker that was stopped learns within a heartbeat that it lost its partitions
    GRACE = 10.0
    # topics of one batch; the others stay gathered and are first in the next
    TOPICS = 64
    # how many such batches may be gathered at once
    ROUNDS = 4
    # records to learn a table's name from; the first that decodes is enough
    SAMPLE = 20

    def __init__(self, source: Source, planner: Planner, ahead: Ahead, handover: Handover, limits: BatchLimits) -> None:
        self._source = source
        self._planner = planner
        self._ahead = ahead
        self._handover = handover
        self._limits = limits
        self._assigned: set[TopicPartition] = set()
        self._owned: dict[TopicPartition, _Owned] = {}
        self._to_start: dict[TopicPartition, Taken] = {}
        # when partitions that are assigned to us are to be taken again
        self._again: dict[TopicPartition, float] = {}
        self._broken: dict[TopicPartition, Failure] = {}
        self._gathered: dict[TopicPartition, _Gathered] = {}
        self._wanted: set[BindingKey] = set()
        self._doubted: set[TopicPartition] = set()
        self._pace = limits.sizer.first()
        self._rows = 0
        self._bytes = 0
        self._full_since: float | None = None
        self._paused = False

    def open(self) -> None:
        """Join the group."""
        self._source.open(self)

    def close(self) -> None:
        """Leave the group, which learns of the last positions first."""
        self._heed_notices()
        self._source.close()

    def turn(self, timeout: float) -> None:
        """Poll once, or wait for room; hand over a batch when one is due. Raises Persistent."""
        self._heed_notices()
        if self._paused and not self._full() and self._handover.room():
            # what made it full may be gone: revoked, or taken anew after a reconnect
            self._resume()
        self._start_taken()
        self._take_again()
        if self._full():
            self._hand_over_or_hold()
            return
        # waits short while something is gathered, so that it is on its way soon
        self._gather(self._source.poll(self._bound() - self._rows, 0.005 if self._gathered else timeout))
        if self._full() or (self._gathered and self._handover.hungry()):
            self._hand_over_or_hold()

    # the group's callbacks, called from within poll

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self._assigned |= set(partitions)
        self._handover.ask(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._forget(partitions)
        if not self._handover.release(partitions, self.RELEASE):
            log.warning("revoked while a batch is in flight; the fence decides", count=len(partitions))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        self._forget(partitions)
        self._handover.release(partitions, 0)
        log.warning("partitions lost", count=len(partitions))

    def _forget(self, partitions: Sequence[TopicPartition]) -> None:
        for at in partitions:
            self._assigned.discard(at)
            self._owned.pop(at, None)
            self._to_start.pop(at, None)
            self._again.pop(at, None)
            self._broken.pop(at, None)
            self._drop_gathered(at)

    # notices

    def _heed_notices(self) -> None:
        moved: dict[TopicPartition, int] = {}
        for notice in self._handover.notices():
            if isinstance(notice, Moved):
                moved |= notice.positions
            else:
                self._heed(notice)
        mine = {at: offset for at, offset in moved.items() if at in self._owned}
        if mine:
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
        sizer, before = self._limits.sizer, self._pace.rows
        if paced.kind:
            self._pace = sizer.failed(self._pace, paced.records, paced.kind)
        else:
            self._pace = sizer.committed(self._pace, paced.records, paced.seconds)
        if self._pace.rows < before:
            log.info("batches are made smaller", rows=self._pace.rows, kind=paced.kind, seconds=round(paced.seconds, 3))

    def _taken(self, taken: Taken) -> None:
        if taken.at in self._assigned:
            self._owned.pop(taken.at, None)
            self._broken.pop(taken.at, None)
            self._again.pop(taken.at, None)
            self._drop_gathered(taken.at)
            self._to_start[taken.at] = taken

    def _start_taken(self) -> None:
        if self._paused:
            return
        for at, taken in list(self._to_start.items()):
            if self._start(at, taken.next_offset, taken.last_record):
                self._owned.setdefault(at, _Owned(taken.epoch, taken.next_offset, taken.last_record))
                del self._to_start[at]

    def _start(self, at: TopicPartition, position: int, last: LastRecord | None) -> bool:
        """Have the source read on behind the last record, whose epoch it compares.

        That is not from the position where this was moved over what is no record. A record there now proves that the
        log was cut and written anew, which no epoch can: of a transaction marker's epoch nothing is ever told.
        """
        if last is None:
            return self._source.start(at, position)
        return self._source.start(at, last.offset + 1, last.leader_epoch)

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
            self._owned.pop(at, None)
            self._to_start.pop(at, None)
            self._drop_gathered(at)
        if mine:
            self._source.pause(mine)

    # gathering

    def _gather(self, intake: Intake) -> None:
        # what follows a doubt in the same intake was read before the new seek, so it says nothing
        self._doubted.clear()
        for fetched in intake.fetched:
            if fetched.at not in self._doubted:
                self._add(fetched)
        for at, failure in intake.broken.items():
            if at not in self._doubted:
                self._break(at, failure)
        for at, end in intake.ends.items():
            if at not in self._doubted:
                self._reached(at, end)

    def _add(self, fetched: Fetched) -> None:
        owned = self._owned.get(fetched.at)
        if owned is None:
            return
        if fetched.offsets[0] < owned.position:
            if owned.last is not None and _lies_between(fetched.offsets, owned.last.offset, owned.position):
                self._give_up(fetched.at, owned, _written_anew(owned.last.offset + 1))
                return
            # what a seek left behind in the client's queue
            fetched = _from(fetched, owned.position)
        if not fetched.offsets or not self._believed(fetched.at, owned, fetched.offsets[0]):
            return
        end = fetched.offsets[-1] + 1
        gathered = self._gathered.setdefault(fetched.at, _Gathered(owned.epoch, owned.position, owned.position))
        gathered.parts.append(fetched)
        gathered.end = owned.position = end
        owned.last = LastRecord(end - 1, fetched.leader_epoch)
        self._rows += len(fetched.offsets)
        self._bytes += fetched.size
        self._want(fetched)

    def _want(self, fetched: Fetched) -> None:
        """Have a new schema or table looked up before the batch that brings it is full."""
        if self._limits.lane(fetched.at.topic):
            return
        key = BindingKey(fetched.at.topic, frame(fetched.keys[0]), frame(fetched.values[0]))
        if key in self._wanted or key.value_frame is None or self._planner.knows(key):
            return
        self._wanted.add(key)
        gathered = _Gathered(0, fetched.offsets[0], fetched.offsets[-1] + 1, [fetched])
        self._ahead.want(key, runs(_slice(fetched.at, gathered).head(self.SAMPLE))[0])

    def _reached(self, at: TopicPartition, end: int) -> None:
        """At the end of a partition the position moves over what is no record (transaction markers)."""
        owned = self._owned.get(at)
        if owned is None or end < owned.position:
            return
        if self._believed(at, owned, end) and end > owned.position:
            gathered = self._gathered.setdefault(at, _Gathered(owned.epoch, owned.position, owned.position))
            gathered.end = owned.position = end

    def _believed(self, at: TopicPartition, owned: _Owned, offset: int) -> bool:
        """Whether reading really goes on at `offset`.

        What comes may belong to where the client stood before (tried: the end of a partition, reported late,
        made a position jump over everything unread). So a jump counts only when it is seen again after one
        more seek to the position. A log that had one gap has more (compaction, transaction markers), so there
        later ones are believed at once.
        """
        if offset == owned.position or (owned.sure and owned.gappy):
            owned.sure, owned.jump = True, None
            return True
        if offset == owned.jump:
            owned.sure, owned.gappy, owned.jump = True, True, None
            return True
        owned.jump = offset
        self._seek_again(at, owned)
        return False

    def _seek_again(self, at: TopicPartition, owned: _Owned) -> None:
        self._doubted.add(at)
        if not self._start(at, owned.position, owned.last):
            # not ready: as if it had just been taken
            self._to_start[at] = Taken(at=at, epoch=owned.epoch, next_offset=owned.position, last_record=owned.last)

    def _break(self, at: TopicPartition, failure: Failure) -> None:
        """Reading can't go on, if the client says so again after one more seek to the position, or takes no seek."""
        owned = self._owned.get(at)
        if owned is None:
            return
        if owned.sure or owned.jump != _NOWHERE:
            owned.sure, owned.jump = False, _NOWHERE
            self._doubted.add(at)
            if failure.kind == "log.out_of_range" and owned.last and owned.last.offset + 1 < owned.position:
                # retention may have come up to the position meanwhile
                owned.last = None
            if self._start(at, owned.position, owned.last):
                return
        self._give_up(at, owned, failure)

    def _give_up(self, at: TopicPartition, owned: _Owned, failure: Failure) -> None:
        self._source.pause((at,))
        del self._owned[at]
        self._broken[at] = located(failure, at, owned.position)
        self._stop_broken()

    def _stop_broken(self) -> None:
        """Stop partitions that can't be read on, once what was read in front of the place is on its way."""
        for at in [at for at in self._broken if at not in self._gathered]:
            self._handover.report(Stopped(at, self._broken.pop(at)))

    def _drop_gathered(self, at: TopicPartition) -> None:
        gone = self._gathered.pop(at, None)
        if gone is not None:
            self._rows -= sum(len(part.offsets) for part in gone.parts)
            self._bytes -= sum(part.size for part in gone.parts)

    # handing over

    def _full(self) -> bool:
        return self._rows >= self._bound() or self._bytes >= self._limits.max_bytes

    def _bound(self) -> int:
        """Most records to gather: of many topics more, since a batch takes only some of them."""
        topics = len({at.topic for at in self._gathered})
        return self._limits.sizer.most(self._pace) * max(1, min(self.ROUNDS, -(-topics // self.TOPICS)))

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
            self._source.pause(list(self._owned))
            log.info("paused: the target is behind")

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._source.resume(list(self._owned))
            for owned in self._owned.values():
                owned.sure, owned.jump = False, None
            log.info("resumed")

    def _hand_over(self) -> None:
        slices = tuple(_slice(at, self._gathered[at]) for at in self._in_turn())
        for piece in slices:
            self._drop_gathered(piece.at)
        main = tuple(piece for piece in slices if not self._limits.lane(piece.at.topic))
        if main:
            plan = self._plan(main)
            if plan is not None:
                self._pace = self._limits.sizer.folded(self._pace, plan.counts)
            self._handover.offer(Work(slices=main, plan=plan))
        if len(main) < len(slices):
            self._handover.offer(Work(slices=tuple(piece for piece in slices if piece not in main), lane=True))
        self._stop_broken()

    def _in_turn(self) -> list[TopicPartition]:
        """What the next batch takes: the topics that have waited longest, so that one batch touches few tables."""
        topics = set(islice(dict.fromkeys(at.topic for at in self._gathered), self.TOPICS))
        return [at for at in self._gathered if at.topic in topics]

    def _plan(self, slices: Sequence[Slice]) -> Plan | None:
        """The plan, or None where the apply thread has to ask someone or to judge a record first."""
        try:
            return self._planner.plan(slices)
        except (Unbound, BadRecord, DataFault):
            return None


def _from(fetched: Fetched, position: int) -> Fetched:
    """The records at and behind a position."""
    first = bisect_left(fetched.offsets, position)
    return replace(fetched, offsets=fetched.offsets[first:], keys=fetched.keys[first:], values=fetched.values[first:])


def _lies_between(offsets: Sequence[int], last: int, position: int) -> bool:
    """Whether one of the offsets is behind the last record and in front of the position."""
    first = bisect_right(offsets, last)
    return first < len(offsets) and offsets[first] < position


def _written_anew(offset: int) -> Failure:
    kind = KINDS["log.truncated"]
    return failed(kind, "kafka", "fetch", f"{kind.sign} (there is a record now at or behind {offset}, where none was)")


def _by_leader(parts: Sequence[Fetched]) -> Iterator[list[Fetched]]:
    return (list(same) for _, same in groupby(parts, lambda part: part.leader_epoch))


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
    )


def _headers(parts: Sequence[Fetched]) -> HeadersOf:
    """Those of a record, from the part that it came with."""

    def of(offset: int) -> tuple[Header, ...]:
        return next(part.headers(offset) for part in parts if part.offsets[-1] >= offset)

    return of
