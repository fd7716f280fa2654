"""What the apply thread still begins when the process is about to end."""

import math
import time
from collections.abc import Mapping, Sequence
from itertools import count

import pytest

from consumer.applying.applier import Applier
from consumer.applying.attempts import Workshop
from consumer.applying.busy import Busy
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.topic_watch import TopicWatch
from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, failed
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.kinds import KINDS
from consumer.core.plan import Plan
from consumer.core.policy import TablePolicy
from consumer.core.records import OffsetRange, Slice, TopicPartition
from consumer.ports.refusals import CommitUnknown
from consumer.ports.target import NO_ROOM, Applied, Known, Outcome, Start, Taken
from consumer.reading.handover import Handover, Moved, Paced, Work
from tests.unit.known import heartbeat, planner
from tests.unit.patient import patient

AT, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)
LOST = failed(KINDS["target.connection"], "postgres", "commit", "the server closed the connection")


class Ten:
    """A target that takes ten seconds for any batch, as its answers say; and topics without ids."""

    def __init__(self) -> None:
        self.applied: list[tuple[int, int]] = []
        self.rooms: list[Mapping[TopicPartition, int]] = []
        # whether the next commit gets no answer, though it is done
        self.mute = False
        self._epochs = count(1)

    def open(self) -> None:
        """Nothing is to be opened."""

    def known(self) -> Known:
        return Known(started=True, partitions=frozenset({AT, OTHER}))

    def take(self, starts: Mapping[TopicPartition, Start], *, again: bool = False) -> list[Taken]:
        epoch = next(self._epochs)
        return [Taken(at=at, epoch=epoch, next_offset=0) for at in starts]

    def marks(self) -> list[OffsetRange]:
        return []

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        return {}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {}

    def log_start(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Start]:
        return {}

    def apply(self, plan: Plan, room: Mapping[TopicPartition, int] = NO_ROOM, within: float | None = None) -> Applied:
        self.applied += [(piece.start, piece.end) for piece in plan.slices]
        self.rooms.append(room)
        applied = Applied(plan=plan, seconds=10.0, durations={})
        if self.mute:
            self.mute = False
            raise CommitUnknown(LOST, applied)
        return applied

    def resolve(self, applied: Applied, failure: Failure) -> Outcome:
        return Outcome.COMMITTED


class Scene:
    """An applier that owns two partitions and has applied a batch of a hundred records."""

    def __init__(self) -> None:
        self.target = Ten()
        self.handover = Handover(max_bytes=1 << 20, max_batches=100)
        known = KnownBindings()
        known.learn(BindingKey("t", None, b"v"), heartbeat())
        nobody: Sources = Sources(registry=self, catalog=self, offsets=self, rows=self)
        shop = Workshop(
            planner=planner(known),
            binder=Binder(known, nobody, BinderSettings()),
            fetch=lambda wanted: {},
            returns=None,
            flood=FloodGuard(FloodLimits(percent=5)),
            busy=Busy(30.0),
            dependents=None,
            keys=KeyTurns(self.target, self.target),
        )
        patience = patient(self.target)
        holdings = Holdings(self.target, TopicWatch(self.target), self.handover, patience, TablePolicy())
        self.applier = Applier(self.target, shop, self.handover, holdings, patience)
        # nothing changes by itself here
        self.applier._next_look = math.inf
        self.handover.ask((AT, OTHER))
        self.applier.turn(0)
        self.offer(AT, 0, 100)
        self.applier.turn(0)
        self.handover.notices()
        self.target.applied.clear()

    def offer(self, at: TopicPartition, start: int, end: int, *, full: bool = False) -> None:
        """A batch of one partition; `full`: its bytes have closed it."""
        count = end - start
        offsets, keys, values = range(start, end), [None] * count, [b"v"] * count
        piece = Slice(at=at, epoch=1, start=start, end=end, offsets=offsets, keys=keys, values=values)
        self.handover.offer(Work(slices=(piece,), full=full))


@pytest.mark.parametrize(
    ("left", "ranges"),
    [
        pytest.param(60.0, [(100, 300), (300, 310)], id="all of it fits"),
        pytest.param(0.05, [], id="nothing fits"),
    ],
)
def test_no_more_is_begun_than_is_expected_to_end(left: float, ranges: list[tuple[int, int]]) -> None:
    """By the rate of the last batch, a hundred records in ten seconds."""
    scene = Scene()
    scene.applier.patience.drain(time.monotonic() + left)
    scene.offer(AT, 100, 300)
    scene.offer(AT, 300, 310)
    for _ in range(2):
        scene.applier.turn(0)
    assert scene.target.applied == ranges


def test_of_what_does_not_fit_a_part_is_begun_and_nothing_behind_it() -> None:
    """Two minutes would do for twelve hundred records, with some caution for nearly a thousand."""
    scene = Scene()
    scene.applier.patience.drain(time.monotonic() + 120)
    scene.offer(AT, 100, 5000)
    scene.offer(AT, 5000, 5010)
    for _ in range(2):
        scene.applier.turn(0)
    ((start, end),) = scene.target.applied
    assert start == 100
    assert 800 < end - start <= 960


@pytest.mark.parametrize("full", [False, True])
def test_the_reader_hears_what_a_batch_took(full: bool) -> None:
    """It decides how much the next one reads."""
    scene = Scene()
    scene.offer(OTHER, 0, 7, full=full)
    scene.applier.turn(0)
    assert scene.handover.notices() == [Moved({OTHER: 7}), Paced(7, 10.0, full=full)]


def test_the_reader_hears_the_same_of_a_commit_that_got_no_answer() -> None:
    """Once it was found to be done; then everything is taken anew."""
    scene = Scene()
    scene.target.mute = True
    scene.offer(OTHER, 0, 7)
    scene.applier.turn(0)
    assert scene.handover.notices()[:2] == [Moved({OTHER: 7}), Paced(7, 10.0, full=False)]
