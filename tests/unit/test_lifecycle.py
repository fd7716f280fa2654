"""The watch over a worker's loops: one that does not turn, and one that ends, end the worker with the reason."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest

from consumer.applying.applier import Applier
from consumer.applying.attempts import Workshop
from consumer.applying.busy import Busy
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.topic_watch import TopicWatch
from consumer.binding.known import KnownBindings
from consumer.core.failure import HeadraceError
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.policy import TablePolicy
from consumer.lifecycle import LEFT, STOOD_STILL, UNDRAINED, Hooks, LifeSettings, Side, WorkerLife
from consumer.ports.topics import Intake
from consumer.reading.ahead import Ahead
from consumer.reading.handover import Handover
from consumer.reading.reader import BatchLimits, Reader
from tests.unit.known import planner
from tests.unit.patient import patient
from tests.unit.test_reader import ScriptedSource
from tests.unit.world import World

SECRET = "sesame"
NEVER = threading.Event()


@pytest.fixture(autouse=True)
def untuned() -> Iterator[None]:
    """What a life tunes in its process is as before."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Idle:
    """A target and a cluster of which nothing is asked."""

    def open(self) -> None:
        """It is there."""

    def topic_ids(self, topics: object) -> dict[str, str]:
        """None."""
        return {}


class Odd(ScriptedSource):
    """A source whose poll does something else; `told` is set when the life ends."""

    def __init__(self, does: Callable[["Odd"], None]) -> None:
        super().__init__(partitions=())
        self.told = threading.Event()
        self._does = does

    def poll(self, limit: int, timeout: float) -> Intake:
        self._does(self)
        return Intake()


def blocked(source: Odd) -> None:
    """The client does not return."""
    source.told.wait(30)


def broken(source: Odd) -> None:
    """The program has a mistake, whose words hold a row."""
    raise ValueError(SECRET)


def lived(
    does: Callable[[Odd], None],
    leaving: threading.Event,
    stall: float = 60.0,
    drain: float = 60.0,
    sides: Sequence[Side] = (),
) -> WorkerLife:
    """A worker whose source does that; a loop may take `stall` seconds for a turn."""
    source, known = Odd(does), KnownBindings()
    handover = Handover(max_bytes=1 << 20, max_batches=2)
    binder = World({}, lambda name: None).binder(known)
    plans = planner(known)
    shop = Workshop(
        planner=plans,
        binder=binder,
        fetch=lambda wanted: {},
        returns=None,
        flood=FloodGuard(FloodLimits()),
        busy=Busy(30.0),
        dependents=None,
        keys=KeyTurns(Idle(), None),
    )
    patience = patient(Idle())
    holdings = Holdings(Idle(), TopicWatch(Idle()), handover, patience, TablePolicy())
    applier = Applier(Idle(), shop, handover, holdings, patience)
    # what tells the applier that the end has come frees the source too
    applier.patience.stopping = source.told
    reader = Reader(source, plans, Ahead(binder), handover, BatchLimits())
    settings = LifeSettings(stall_timeout=stall, drain_timeout=drain)
    hooks = Hooks(close_target=lambda: None, mark=lambda ranges: None, leaving=leaving, sides=sides)
    return WorkerLife(reader, applier, settings, hooks)


def ending(does: Callable[[Odd], None], stall: float = 60.0) -> HeadraceError:
    """What ends a worker whose source does that."""
    with pytest.raises(HeadraceError) as caught:
        lived(does, threading.Event(), stall).run(lambda: NEVER.wait(0.01))
    return caught.value


def test_a_worker_that_is_to_leave_ends_in_order() -> None:
    """Though nothing else tells it to."""
    leaving = threading.Event()

    def quiet(source: Odd) -> None:
        # when it has begun to read
        leaving.set()
        source.told.wait(0.01)

    looks = iter(range(5_001))
    lived(quiet, leaving).run(lambda: NEVER.wait(0.01) or next(looks) == 4_999)
    assert next(looks) < 4_999


@pytest.mark.provokes("worker.stalled")
def test_a_loop_that_does_not_turn_ends_the_worker() -> None:
    """Another process takes its partitions."""
    failure = ending(blocked, 0.3).failure

    assert (failure.kind, failure.operation) == ("worker.stalled", "reader")
    assert "has not turned" in failure.detail
    assert failure.remedy


@pytest.mark.provokes("worker.defect")
def test_a_loop_that_ends_with_a_mistake_ends_the_worker() -> None:
    """Its place is told and its words are not."""
    error = ending(broken)

    assert (error.failure.kind, error.failure.operation) == ("worker.defect", "reader")
    assert "ValueError at test_lifecycle.py" in error.failure.detail
    assert SECRET not in str(error)
    assert error.__cause__ is None


def test_a_process_that_stood_still_as_a_whole_goes_on() -> None:
    """As one that was stopped by a signal, or whose container was frozen: no loop is to blame for it."""
    leaving, turned = threading.Event(), threading.Event()
    looks = count()

    def until() -> bool:
        """Nothing runs during the second look; in the third one everything does again."""
        look = next(looks)
        if look == 1:
            NEVER.wait(2 * STOOD_STILL)
        if look > 1:
            turned.set()
        return look > 5

    def stopped(source: Odd) -> None:
        turned.wait(30)

    lived(stopped, leaving, 1.9 * STOOD_STILL).run(until)
    assert next(looks) == 7


def test_a_turn_beside_that_lasts_is_cut_off_until_it_ends() -> None:
    """One cut may fall between two statements. What the side owns is closed then, and the worker ends in order."""
    begun, over, leaving = threading.Event(), threading.Event(), threading.Event()
    cuts, closed = count(1), threading.Event()

    def turn(_: float) -> None:
        begun.set()
        over.wait(60)

    def cut() -> None:
        if next(cuts) == 2:
            over.set()

    life = lived(lambda source: None, leaving, sides=[Side("long", turn, closed.set, cut)])
    life.run(lambda: begun.wait(30))
    assert (closed.is_set(), next(cuts)) == (True, 3)


@pytest.mark.parametrize(("told_to_leave", "code"), [(True, LEFT), (False, UNDRAINED)])
def test_one_that_was_told_to_leave_and_can_not_end_in_order_has_left_all_the_same(
    monkeypatch: pytest.MonkeyPatch, told_to_leave: bool, code: int
) -> None:
    """Its supervisor does not start it again then."""
    ended: list[int] = []
    free = threading.Event()

    def end(said: int) -> None:
        ended.append(said)
        free.set()
        raise SystemExit(said)

    reading = threading.Event()

    def stuck(_: Odd) -> None:
        reading.set()
        free.wait(30)

    monkeypatch.setattr(os, "_exit", end)
    leaving = threading.Event()
    if told_to_leave:
        leaving.set()
    with pytest.raises(SystemExit):
        lived(stuck, leaving, drain=0.1).run(lambda: reading.wait(30))
    assert ended == [code]
