"""The reader with tables of several priorities, against a source that notes what is paused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.pressure import PressureLimits, Signals
from consumer.core.priority import Priority
from consumer.core.records import TopicPartition
from consumer.core.sizer import BatchSizer
from consumer.ports.facts import Fact, Halted, Pause
from consumer.ports.target import Taken
from consumer.ports.topics import Intake
from consumer.reading.handover import Handover, Paced, Stopped, Work
from consumer.reading.rationing import Rationing, Sharing
from consumer.reading.reader import BatchLimits, Reader
from tests.unit.test_reader import NOTHING_NEW, NoBindings, ScriptedSource, fetched

CRITICAL, NORMAL, BULK = Priority
FAST, MID, SLOW, RETRY = (TopicPartition(topic, 0) for topic in ("fast", "mid", "slow", "retry"))
KNOWN = {"fast": CRITICAL, "slow": BULK}


class Flowing(ScriptedSource):
    """A source with endless records in each partition that is not paused: `rates` of them at each poll."""

    def __init__(self, rates: Mapping[TopicPartition, int]) -> None:
        super().__init__(partitions=tuple(rates))
        self.rates = dict(rates)
        self.next = dict.fromkeys(rates, 0)
        self.paused: set[TopicPartition] = set()
        # bytes of a record
        self.size = 1
        self.broken: set[TopicPartition] = set()

    def poll(self, limit: int, timeout: float) -> Intake:
        self.limits.append(limit)
        found = []
        for at, rate in self.rates.items():
            if at not in self.paused | self.broken and rate:
                start = self.next[at]
                self.next[at] += min(rate, limit)
                records = fetched(at, *range(start, self.next[at]))
                found.append(replace(records, size=self.size * len(records.offsets)))
        why = failed(KINDS["log.unreadable"], "kafka", "fetch", "d")
        return Intake(fetched=found, broken=dict.fromkeys(self.broken - self.paused, why))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused -= set(partitions)


class Scene:
    """A reader on a flowing source; nothing is applied but by `apply`."""

    def __init__(self, rates: Mapping[TopicPartition, int], known: Mapping[str, Priority] = KNOWN) -> None:
        self.source = Flowing(rates)
        self.handover = Handover(max_bytes=1 << 30, max_batches=2)
        self.signals = Signals()
        self.facts: list[Fact] = []
        sharing = Sharing(
            known=lambda: known,
            signals=lambda: self.signals,
            limits=PressureLimits(goal=0.3, step=0.0, calm=0.0, turn=3600.0),
        )
        planner = NoBindings()
        limits = BatchLimits(sizer=BatchSizer(rows=20_000), lane=lambda topic: topic == "retry", sharing=sharing)
        self.reader = Reader(self.source, planner, NOTHING_NEW, self.handover, limits)
        self.reader.tell = self.facts.append
        self.reader.open()
        self.handover.next(0)
        for at in rates:
            self.handover.tell(Taken(at=at, epoch=1, next_offset=0))
        self.turn()

    def turn(self, times: int = 1) -> None:
        """Looks at signals each time."""
        for _ in range(times):
            self.reader.rationing._next_look = 0.0
            self.reader.turn(0)

    def apply(self) -> Work:
        """Take the next batch, and say that it is applied."""
        job = self.handover.next(0)
        assert isinstance(job, Work)
        self._applied(job)
        return job

    def drained(self, times: int) -> list[Work | Stopped]:
        """All that comes while everything is applied at once."""
        found = []
        for _ in range(times):
            self.turn(3)
            while isinstance(job := self.handover.next(0), Work | Stopped):
                found.append(job)
                if isinstance(job, Work):
                    self._applied(job)
        return found

    def _applied(self, work: Work) -> None:
        records = sum(map(len, work.slices))
        self.handover.tell(Paced(records, 0.03, priority=work.priority, waited=0.05))


def test_each_batch_is_of_one_priority_and_a_lower_one_is_small() -> None:
    """Critical records never share a transaction with others; both go on."""
    scene = Scene({FAST: 10, SLOW: 5_000})
    done: Counter[Priority] = Counter()
    for _ in range(40):
        scene.turn(3)
        job = scene.apply()
        done[job.priority] += 1
        assert {KNOWN[piece.at.topic] for piece in job.slices} == {job.priority}
        if job.priority is BULK:
            assert sum(map(len, job.slices)) <= 3_000

    assert done[CRITICAL] >= 20
    assert done[BULK] >= 8


def test_a_lower_priority_is_read_no_further_ahead_than_two_batches() -> None:
    """So no critical record waits behind it in the client, and reading goes on with the next batch."""
    scene = Scene({FAST: 10, SLOW: 500})
    scene.turn(20)
    assert scene.source.paused == {SLOW}
    assert scene.source.next[SLOW] <= 4_000

    before = scene.source.next[SLOW]
    for _ in range(6):
        scene.apply()
        scene.turn(3)
    assert scene.source.next[SLOW] > before


@pytest.mark.parametrize("priority", Priority)
def test_tables_of_one_priority_share_nothing(priority: Priority) -> None:
    """Without several priorities all is as without any: one batch of all that was gathered."""
    scene = Scene({FAST: 100, SLOW: 100}, known={"fast": priority, "slow": priority})
    scene.turn(100)
    job = scene.apply()

    assert {piece.at for piece in job.slices} == {FAST, SLOW}
    assert job.priority is priority
    assert scene.source.paused == set()


def test_what_critical_tables_wait_is_known_where_a_worker_has_no_others() -> None:
    """And holds nobody back."""
    scene = Scene({FAST: 200}, known={"fast": CRITICAL})
    scene.turn(100)
    scene.handover.tell(replace(Paced(10, 0.01, waited=0.4), priority=scene.apply().priority))
    scene.turn(5)

    assert scene.reader.rationing.waited == 0.4
    assert scene.reader.rationing.held_back is None
    assert scene.source.paused == set()


def test_letters_that_come_back_are_no_reason_to_share() -> None:
    """A worker with bulk tables only goes at full speed, though its retry topics are nobody's."""
    scene = Scene({SLOW: 100, RETRY: 1})
    scene.turn(5)

    assert not scene.reader.rationing.mixed


@pytest.mark.parametrize(
    ("signals", "why"),
    [
        (Signals(away=True), Pause.AWAY),
        (Signals(queue=1.0), Pause.QUEUE),
        (Signals(memory=0.95), Pause.MEMORY),
    ],
)
def test_under_pressure_bulk_is_paused_first_and_it_is_told_why(signals: Signals, why: Pause) -> None:
    """And all is read again when it is over."""
    scene = Scene({FAST: 10, SLOW: 10})
    scene.signals = signals
    scene.turn()

    assert scene.source.paused == {SLOW}
    assert scene.facts[-1] == Halted(why, 1)
    held_back = scene.reader.rationing.held_back
    assert held_back is not None
    assert (held_back.priorities, held_back.topics) == ([BULK], ["slow"])

    scene.signals = Signals()
    scene.turn(8)
    assert scene.reader.rationing.held_back is None
    assert SLOW not in scene.source.paused


def test_critical_tables_that_wait_hold_the_others_back() -> None:
    """Until they are as quick again as they should be."""
    scene = Scene({FAST: 10, SLOW: 10})
    scene.handover.tell(Paced(10, 0.01, priority=CRITICAL, waited=0.4))
    scene.turn()
    assert scene.source.paused == {SLOW}

    scene.handover.tell(Paced(10, 0.01, priority=CRITICAL, waited=0.1))
    scene.turn(8)
    assert SLOW not in scene.source.paused


def test_for_want_of_memory_batches_get_smaller_and_nothing_is_read() -> None:
    """Also where all tables are alike."""
    scene = Scene({FAST: 10}, known={})
    rows = scene.reader._pace.rows
    scene.signals = Signals(memory=0.99)
    scene.turn(4)

    assert scene.source.paused == {FAST}
    assert scene.reader._pace.rows <= rows // 2


def test_what_is_paused_has_a_turn_of_one_batch_now_and_then() -> None:
    """However long the pressure lasts, nobody starves."""
    now = 0.0
    limits = PressureLimits(turn=5.0)
    sharing = Sharing(known=lambda: KNOWN, signals=lambda: Signals(away=True), limits=limits)
    rationing = Rationing(sharing, lambda topic: False, clock=lambda: now)
    closed = []
    for tick in range(200):
        now = tick / 10
        rationing.look(["fast", "slow"])
        shut = BULK in rationing.closed(Counter(), 20_000)
        if tick and not shut:
            rationing.handed(BULK)
            closed.append(now)

    assert closed == [5.0, 10.0, 15.0]


@pytest.mark.parametrize(("size", "most"), [(1, 50_000), (100_000, 2_000)])
def test_what_is_read_ahead_is_bounded_for_the_highest_too(size: int, most: int) -> None:
    """In records and in bytes, while nothing is applied: the target may be away for long."""
    scene = Scene({FAST: 500, SLOW: 500})
    scene.source.size = size
    scene.turn(200)

    assert scene.source.paused == {FAST, SLOW}
    assert sum(scene.source.next.values()) <= most


def test_letters_that_come_back_wait_in_no_more_batches_than_may_wait() -> None:
    """However small they are; they are read on as they are worked on."""
    scene = Scene({FAST: 10, SLOW: 0, RETRY: 500})
    scene.turn(200)
    waiting = list(scene.handover._work)
    assert sum(isinstance(job, Work) and job.lane for job in waiting) <= 2
    assert RETRY in scene.source.paused

    before = scene.source.next[RETRY]
    scene.drained(10)
    assert scene.source.next[RETRY] > before


def test_what_was_read_of_a_broken_partition_is_applied_and_the_stop_is_told() -> None:
    """Also where no other partition has its priority, and what was read is as large as a batch."""
    scene = Scene({FAST: 10, MID: 10, SLOW: 500})
    scene.source.size = 20_000
    scene.turn(12)
    assert SLOW in scene.reader._gathering
    scene.source.broken = {SLOW}
    scene.source.paused.discard(SLOW)

    found = scene.drained(60)
    slow = [piece for job in found if isinstance(job, Work) for piece in job.slices if piece.at == SLOW]
    assert (slow[0].start, slow[-1].end) == (0, scene.source.next[SLOW])
    assert [job.at for job in found if isinstance(job, Stopped)] == [SLOW]

    before = scene.source.next[MID]
    scene.drained(10)
    assert scene.source.next[MID] > before
