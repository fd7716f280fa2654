"""`headrace run` in one process: start, work, notice signals, leave."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import structlog

from consumer.applying.current import Standing, noted_ends, standing
from consumer.applying.topic_watch import TopicWatch
from consumer.background.loops import turning
from consumer.composition.build import build_worker
from consumer.composition.heard import Heard
from consumer.composition.process import (
    Connections,
    Inspection,
    Steering,
    connections,
    inspection,
    tracing,
    watchers,
    worker_name,
)
from consumer.composition.reloading import Reloading
from consumer.core.failure import Transient, told
from consumer.core.records import TopicPartition
from consumer.frozen import ended_when_frozen
from consumer.lifecycle import UNDRAINED
from consumer.ports.target import Underway
from consumer.settings.loading import Settings
from consumer.settings.waits import CLOSING
from consumer.telemetry.logs import say_left_out

log = structlog.get_logger("headrace.worker")

OK, FAILED, PARTIAL = 0, 1, 5
_TICK = 0.05
_LOOK = 0.25
_PR_SET_PDEATHSIG = 1
# seconds after a signal from which on another one means hurry
_AGAIN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """Whose process it is: the supervisor's id, and a pipe for where this one is watched."""

    supervisor: int
    pipe: int


class Signals:
    """SIGTERM and SIGINT as questions: whether the process is told to stop, and whether it was told again.

    SIGHUP has the settings read again (`reload`). `first`: called when the process is told to stop, whatever it does.
    """

    def __init__(
        self, reload: threading.Event, first: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reload = reload
        self._first_told = first
        self._clock = clock
        self._first: float | None = None
        self.hurried = False
        signal.signal(signal.SIGHUP, self._hung_up)
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    @property
    def told(self) -> bool:
        """Whether one has come."""
        return self._first is not None

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = self._clock()
        if self._first is None:
            self._first = now
            self._first_told()
        # a terminal's Ctrl-C comes from the terminal, and from the supervisor
        elif now - self._first > _AGAIN:
            self.hurried = True

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self._reload.set()


class Alarm:
    """Ends the process some time after it was told to stop, whatever it waits for, before others kill it.

    `last`: what is done in front of that, on a thread of its own.
    """

    def __init__(self, seconds: float, last: Callable[[], None] = lambda: None) -> None:
        self.seconds = seconds
        self._last = last
        self._told, self._over = threading.Event(), threading.Event()
        # it is there before: a handler of signals that started a thread might wait for what it has interrupted
        threading.Thread(target=self._wait, name="alarm", daemon=True).start()

    def told(self) -> None:
        """The time begins. For a handler of signals."""
        self._told.set()

    def cancel(self) -> None:
        """The process has come to its end."""
        # the other event is the handler's alone: it may come while this is set
        self._over.set()

    def _wait(self) -> None:
        self._told.wait()
        if not self._over.wait(self.seconds):
            self._end()

    def _end(self) -> None:
        log.error("stopping takes too long; the process ends", seconds=round(self.seconds, 1))
        self._last()
        os._exit(UNDRAINED)


def ends_within(settings: Settings) -> float:
    """Seconds after which a worker that was told to stop has ended."""
    worker = settings.worker
    most = worker.drain_timeout + 2 * CLOSING
    return most if worker.stop_within is None else min(most, max(worker.stop_within - 1.0, worker.drain_timeout))


class CurrentWatch:
    """Looks every now and then whether the group is current; keeps the last standing."""

    # seconds for which copies are waited for that nobody publishes; the rows know all of them
    COPIES = 60.0

    def __init__(self, inspected: Inspection, clock: Callable[[], float] = time.monotonic) -> None:
        self._inspected = inspected
        # turned beside, so that a cluster that is slow to answer holds up no look
        self.topics = TopicWatch(inspected.offsets)
        self._clock = clock
        self._ends: Mapping[TopicPartition, int] | None = None
        self._next = 0.0
        # since when the same copies are all that is waited for
        self._copies: Sequence[Underway] = ()
        self._since = 0.0
        # the log was told
        self._blind = False
        self.last: Standing | None = None

    def settled(self) -> bool:
        """Whether nothing is left but what belongs to partitions that do not go on. Raises Persistent, Refused."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + _LOOK
        try:
            self.last = self._looked()
        except Transient as error:
            if not self._blind:
                log.warning("can't look at the positions", **told(error.failure))
            self._blind = True
            return False
        self._blind = False
        mute = self._unpublished(self.last)
        return self.last.settled or mute

    def _unpublished(self, found: Standing) -> bool:
        """Whether nothing but copies is left, and none of them gets published."""
        copies = tuple(found.underway) if found.only_copies else ()
        if copies != self._copies:
            self._copies, self._since = copies, self._clock()
        return bool(copies) and self._clock() - self._since >= self.COPIES

    def _looked(self) -> Standing:
        if self._ends is None:
            # who may not log in there is told so before Kafka is waited for
            self._inspected.overview.stored()
            self._ends = noted_ends(self._inspected.offsets)
        gone = self.topics.gone({at.topic for at in self._ends})
        found = standing(self._ends, self._inspected.overview, gone)
        self.topics.want(dict.fromkeys(at.topic for at in found.left))
        return found

    def exit_code(self) -> int:
        """0 when current, 5 with the reasons on stderr when some partitions or letters do not go on."""
        if self.last is None:
            return OK
        for at, reason in sorted(self.last.held.items()):
            print(f"{at}: {self.last.left[at]} records left: {reason}", file=sys.stderr)
        for one, reason in self.last.waiting:
            print(f"{one.at}: {_letters(one.letters)} not at rest: {reason}", file=sys.stderr)
        for one in self._copies:
            print(f"{one.at}: {_letters(one.letters)} not published: see kafka.letters in the log", file=sys.stderr)
        if self.last.letters:
            print(f"{_letters(self.last.letters)} open: headrace dlq groups", file=sys.stderr)
        return OK if self.last.current else PARTIAL


@contextmanager
def watching(settings: Settings, shared: Connections, *, until_current: bool) -> Iterator[CurrentWatch | None]:
    """Who looks whether the group is current, if that is wanted; a thread of its own asks which topics are there."""
    if not until_current:
        yield None
        return
    watch = CurrentWatch(inspection(settings, shared))
    with turning("current", watch.topics.turn, lambda: None):
        yield watch


def _letters(number: int) -> str:
    return f"{number} letters are" if number > 1 else f"{number} letter is"


def die_with(supervisor: int) -> None:
    """Have the kernel end this process when its supervisor ends in any way (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        raise SystemExit(FAILED)


def run_worker(
    settings: Settings, load: Callable[[], Settings], *, until_current: bool, under: Supervised | None = None
) -> int:
    """Work until a signal, or until current; returns the exit code. `load`: reads the settings again."""
    reloading = Reloading(settings, load)
    within = Alarm(ends_within(settings))
    signals = Signals(reloading.asked, within.told)
    if under is not None:
        # who may have to start this one again, with the settings of then
        reloading.tell = lambda: os.kill(under.supervisor, signal.SIGHUP)
    name = worker_name(settings)

    def stopped() -> bool:
        reloading.turn()
        return signals.told

    structlog.contextvars.bind_contextvars(worker=name)
    log.info("worker starts")
    heard = Heard()
    with (
        ended_when_frozen(settings.worker.stall_timeout),
        connections(settings, name) as shared,
        tracing(settings, name, heard) as traces,
        watchers(settings, [*(one.tell for one in traces), shared.recorder.tell]) as told,
        watching(settings, shared, until_current=until_current) as watch,
    ):
        for one in traces:
            told.ask(one.samples)
        life = build_worker(settings, name, shared, told, Steering(heard, reloading, lambda: signals.hurried))
        if under is not None:
            say_port(under.pipe, told.port)
        life.run(ticking(lambda: stopped() or (watch is not None and watch.settled())))
        code = watch.exit_code() if watch is not None else OK
    within.cancel()
    log.info("worker left cleanly")
    say_left_out()
    return code


def say_port(pipe: int, port: int | None) -> None:
    """Have the supervisor know where this process is watched."""
    # a supervisor that is gone reads nothing
    with suppress(OSError), os.fdopen(pipe, "w", encoding="ascii") as told:
        told.write(str(port or ""))


def ticking(question: Callable[[], bool]) -> Callable[[], bool]:
    """The question, asked at most once a tick."""

    def ask() -> bool:
        time.sleep(_TICK)
        say_left_out()
        return question()

    return ask
