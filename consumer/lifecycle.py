"""One worker process: loops on threads, a watch over them, an orderly end.

The death of a loop ends the process; so does a loop that stopped turning.
"""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from consumer.applying.applier import Applier
from consumer.background.loops import Loop, said, say
from consumer.core.failure import Failure, HeadraceError, Transient, failed, told
from consumer.core.kinds import KINDS
from consumer.core.records import OffsetRange
from consumer.planning.decode_watch import DecodeWatch
from consumer.ports.facts import Failed, Route, Tell, untold
from consumer.ports.target import Retention
from consumer.reading.reader import Reader
from consumer.settings.waits import CLOSING

log = structlog.get_logger("headrace.worker")

PRUNE_EVERY = 600.0
# while there is more to delete
PRUNE_ON = 10.0
HUNG = 70
UNDRAINED = 1
LEFT = 0
# seconds in which a hurried end is over
HURRIED = 3.0
# seconds between two looks at the loops, which come many times a second, after which the process was not running
STOOD_STILL = 2.0
_LOOK = 0.05
# seconds that a turn beside reading and applying has before it is cut off, and from then on
_CUT_EVERY = 0.25
# of the loops, those that read and apply
_WORKING = 2
# objects made and not yet freed
COLLECT_AFTER = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSettings:
    """Times in seconds."""

    drain_timeout: float = 20.0
    stall_timeout: float = 120.0
    keep: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True)
class Side:
    """A loop beside reading and applying: one turn of it, and what closes all that it owns.

    `cut`: has the turn that is under way come to nothing, where one may last; for any thread, again until it has ended.
    """

    name: str
    turn: Callable[[float], None]
    close: Callable[[], None]
    cut: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the life of a worker needs beside reader and applier.

    `close_target` ends what the apply thread owns; `mark` writes decode marks on a session of its own. `leaving`: set
    when the worker is to end in order. `hurried`: whether it is to end at once, after it was told to end; `cut` has the
    target undo the batch in flight then.
    """

    close_target: Callable[[], None]
    mark: Callable[[Sequence[OffsetRange]], None]
    sides: Sequence[Side] = ()
    tell: Tell = untold
    watches: Sequence[DecodeWatch] = ()
    leaving: threading.Event = field(default_factory=threading.Event)
    hurried: Callable[[], bool] = lambda: False
    cut: Callable[[], None] = lambda: None


class WorkerLife:
    """Runs a reader, an applier and the loops beside them until told to stop."""

    def __init__(self, reader: Reader, applier: Applier, settings: LifeSettings, hooks: Hooks) -> None:
        self._settings = settings
        self._applier = applier
        self._open_reader = reader.open
        self._reading = Loop("reader", reader.turn, reader.close)
        self._applying = Loop("applier", self._apply_turn, hooks.close_target)
        # in the order of their end: first no more is read; what is applied may still have to be bound
        self._loops = (self._reading, self._applying, *(Loop(side.name, side.turn, side.close) for side in hooks.sides))
        self._cuts = {side.name: side.cut for side in hooks.sides if side.cut is not None}
        applier.patience.beat = self._applying.beat
        self._hooks = hooks
        self._next_prune = time.monotonic() + PRUNE_EVERY
        # when was looked last, and since when the process runs without having stood still as a whole
        self._looked = self._awake = time.monotonic()
        # when a hurried end is to be over
        self._over: float | None = None

    def run(self, until: Callable[[], bool]) -> None:
        """Work until `until()` says so, or it is to leave. Raises what ended a loop, Transient when one stalled."""
        _tune_interpreter()
        self._open_reader()
        for loop in reversed(self._loops):
            loop.start()
        try:
            while not (until() or self._hooks.leaving.is_set()):
                self._watch()
        finally:
            self._drain()
        self._raise_failures()

    @property
    def turned(self) -> Mapping[str, float]:
        """When each loop last turned, on the clock that never runs back; for any thread."""
        return {loop.name: loop.turned for loop in self._loops}

    def _apply_turn(self, timeout: float) -> None:
        self._applier.turn(timeout)
        if time.monotonic() > self._next_prune:
            more = self._applier.prune(self._settings.keep)
            self._next_prune = time.monotonic() + (PRUNE_ON if more else PRUNE_EVERY)
            # few objects are made, so the collector would look for cycles (of errors and their frames) too seldom
            gc.collect()

    def _watch(self) -> None:
        self._raise_failures()
        now = time.monotonic()
        if now - self._looked > STOOD_STILL:
            # it was stopped, or its container frozen: no thread is to blame
            self._awake = now
        self._looked = now
        for watch in self._hooks.watches:
            if ranges := watch.overdue(self._awake):
                self._end_hung(ranges)
        for loop in self._loops:
            still = time.monotonic() - max(loop.turned, self._awake)
            if still > self._settings.stall_timeout:
                failure = _stalled(loop.name, still)
                self._hooks.tell(Failed(failure, Route.ENDED))
                log.error("loop stalled", **told(failure))
                raise Transient(failure)

    def _end_hung(self, ranges: Sequence[OffsetRange]) -> None:
        """Native code does not return: mark what it was given, then end without waiting for any thread."""
        named = [f"{r.at} {r.start}-{r.end}" for r in ranges]
        log.error("decoding does not end; the ranges go to the row decoder", ranges=named)
        try:
            self._hooks.mark(ranges)
        except HeadraceError as error:
            log.error("the ranges could not be marked", **told(error.failure))
        os._exit(HUNG)

    def _drain(self) -> None:
        """End in stages: no more is read, which leaves the group after the batch in flight; what was read is applied or
        given up; then the rest is closed.
        """
        deadline = time.monotonic() + self._settings.drain_timeout
        self._applier.patience.drain(deadline)
        late = self._stopped(self._loops[:_WORKING], deadline)
        late += self._stopped(self._loops[_WORKING:], time.monotonic() + CLOSING)
        if late:
            log.error("not drained in time; the fence protects what was in flight", loops=late)
            for loop in self._loops:
                # nobody is left to raise it to
                if loop.failure is not None:
                    say(loop)
            # the server would work on for nobody
            self._hooks.cut()
            # A thread inside a driver would hold the interpreter's own end up.
            # Whoever was told to leave is not started again.
            os._exit(LEFT if self._hooks.leaving.is_set() else UNDRAINED)

    def _stopped(self, loops: Sequence[Loop], deadline: float) -> list[str]:
        """Stop loops one after the other; returns those that still run then."""
        late = []
        for loop in loops:
            loop.stop.set()
            cut = self._cuts.get(loop.name)
            while loop.alive and not loop.join(_CUT_EVERY if cut else _LOOK):
                if cut:
                    cut()
                if self._hooks.hurried():
                    deadline = min(deadline, self._hurry())
                if time.monotonic() > deadline:
                    late.append(loop.name)
                    break
        return late

    def _hurry(self) -> float:
        """Have the batch in flight undone, once; returns when all is to be over."""
        if self._over is None:
            log.warning("told to stop again: the batch in flight is undone")
            self._over = time.monotonic() + HURRIED
            self._applier.patience.drain(time.monotonic())
            self._hooks.cut()
        return self._over

    def _raise_failures(self) -> None:
        for loop in self._loops:
            if loop.failure is not None:
                # its causes may quote rows
                raise said(loop) from None


def _tune_interpreter() -> None:
    # many short hand-overs of the interpreter's lock: native code on one thread, Python on the other
    sys.setswitchinterval(0.0005)
    # Messages hold no cycles, but the collector would walk all of a batch's many times: tried, a quarter of the
    # reader's time. So it looks only after more objects than a few batches have, and never at what a start made.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)


def _stalled(name: str, seconds: float) -> Failure:
    return failed(KINDS["worker.stalled"], "worker", name, f"the {name} loop has not turned for {seconds:.0f} s")
