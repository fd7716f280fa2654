"""`headrace run --workers N`: N worker processes, spawned, watched, started again, ended together.

One that was told to leave (`headrace workers drain`) is not started again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from consumer.build import connections, inspection
from consumer.core.backoff import Backoff
from consumer.settings import Settings
from consumer.worker import FAILED, OK, CurrentWatch, Signals, ticking

log = structlog.get_logger("headrace.supervisor")

_REFUSED = 2
# a worker that dies more often than this within the window takes the whole service down
_DEATHS = 5
_WINDOW = 60.0


class GivenUp(Exception):
    """A worker can't be kept running."""


class Child:
    """One worker process, started again with backoff when it dies."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._backoff = Backoff(first=0.5, most=30.0)
        self._deaths: list[float] = []
        self._next_start = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self.left = False

    def tend(self, now: float) -> None:
        """Start it if it does not run and its delay is over. Raises GivenUp."""
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process.returncode, now)
        if self._process is None and not self.left and now >= self._next_start:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    def terminate(self) -> None:
        """Ask it to leave."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, timeout: float) -> int:
        """Its exit code; it is killed when the time is over."""
        if self._process is None:
            return OK
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
            return FAILED

    def _ended(self, code: int, now: float) -> None:
        self._process = None
        if code == OK:
            self.left = True
            log.info("worker left, as it was told to")
            return
        self._deaths = [at for at in self._deaths if now - at < _WINDOW] + [now]
        log.warning("worker died", exit_code=code, deaths=len(self._deaths))
        if code == _REFUSED or len(self._deaths) > _DEATHS:
            raise GivenUp
        self._next_start = now + self._backoff.delay(len(self._deaths), 1.0)


def supervise(settings: Settings, config: Path | None, workers: int, *, until_current: bool) -> int:
    """Run the workers until a signal, or until current; returns the exit code."""
    signals = Signals()
    command = [sys.executable, "-m", "consumer", "run", "--supervisor", str(os.getpid())]
    command += ["--config", str(config)] if config else []
    children = [Child(command) for _ in range(workers)]
    try:
        code = _watched(settings, children, signals, until_current)
    except GivenUp:
        log.error("a worker can't be kept running; see its last lines above")
        code = FAILED
    finally:
        codes = _end(children, settings.worker.drain_timeout + 10)
    return code or max(codes)


def _watched(settings: Settings, children: list[Child], signals: Signals, until_current: bool) -> int:
    def tended() -> bool:
        for child in children:
            child.tend(time.monotonic())
        return signals.told or all(child.left for child in children)

    if not until_current:
        _until(tended)
        return OK
    with connections(settings, "inspect") as shared:
        watch = CurrentWatch(inspection(settings, shared))
        _until(lambda: tended() or watch.settled())
        return watch.exit_code()


def _until(question: Callable[[], bool]) -> None:
    ask = ticking(question)
    while not ask():
        pass


def _end(children: list[Child], timeout: float) -> list[int]:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + timeout
    return [child.wait(max(0.1, deadline - time.monotonic())) for child in children]
