"""`headrace run --workers N`: N worker processes, spawned, watched, started again, ended together.

One that was told to leave (`headrace workers drain`) is not started again.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from consumer.background.loops import turning
from consumer.composition.binding_settings import binder_settings
from consumer.composition.engine import MIB
from consumer.composition.process import connections, table_names, worker_name
from consumer.composition.reloading import Reloading
from consumer.core.backoff import Backoff
from consumer.core.failure import Refused, failed
from consumer.core.healing import Act
from consumer.core.kinds import KINDS
from consumer.edges import descriptors
from consumer.edges.memory import resident
from consumer.edges.memory import shared as shared_memory
from consumer.ports.facts import Healed, Tell
from consumer.settings.changed import Changed
from consumer.settings.kept import KeptFile
from consumer.settings.loading import Settings, load, variable
from consumer.settings.waits import CLOSING
from consumer.settings.worker import LEAST_MEMORY
from consumer.telemetry.discovery import targets
from consumer.telemetry.labels import Bounded
from consumer.telemetry.process import process_samples
from consumer.telemetry.server import Answer, Asked
from consumer.telemetry.watchers import Probes, Watchers
from consumer.worker import FAILED, OK, Alarm, CurrentWatch, Signals, ends_within, ticking, watching

log = structlog.get_logger("headrace.supervisor")

_REFUSED = 2
# seconds between looks whether workers have left
_TICK = 0.05
# of what whoever stops the process gives it, seconds that are left when it ends at the latest
_BEFORE = 0.5


class GivenUp(Exception):
    """A worker can't be kept running."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A worker that dies more often than this within so many seconds takes the whole service down."""

    deaths: int
    window: float


@dataclass(frozen=True, slots=True)
class Start:
    """How a worker is started: open `files` of this process that it has too, and further environment variables."""

    command: Sequence[str]
    files: Sequence[int] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


class Child:
    """One worker process, started again with backoff when it dies."""

    def __init__(self, start: Start, bound: Bound, tell: Tell) -> None:
        """`tell`: told of what is done about deaths."""
        self._wanted = start
        self._bound = bound
        self._tell = tell
        self._backoff = Backoff(first=0.5, most=30.0)
        self._deaths: list[float] = []
        self._next_start = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self.left = self._told = False
        # from which it tells where it is watched
        self._pipe: int | None = None
        self._port: int | None = None
        # it is to read its settings again when it has said so
        self._hang_up = False

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def port(self) -> int | None:
        """Where it is watched, once it has said so."""
        return self._port if self.alive else None

    def tend(self, now: float) -> None:
        """Start it if it does not run and its delay is over. Raises GivenUp."""
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process.returncode, now)
        if self._process is None and not self.left and now >= self._next_start:
            self._start()
        self._listen()

    def terminate(self) -> None:
        """Ask it to leave."""
        self._told = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def hang_up(self) -> None:
        """Have it read its settings again, once it is there to hear of it."""
        if self._process is None or self._process.poll() is not None:
            # it will be started with them
            return
        if self._pipe is not None:
            # a process that starts dies of a signal that it does not know of yet
            self._hang_up = True
            return
        self._process.send_signal(signal.SIGHUP)

    def wait(self, timeout: float) -> int:
        """Its exit code; it is killed when the time is over."""
        if self._process is None:
            return OK
        try:
            code = self._process.wait(timeout)
            if code == -signal.SIGTERM and self._told:
                # it had not begun, and did not know of the signal yet
                return OK
            # a signal ended it
            return FAILED if code < 0 else code
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
            return FAILED

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _start(self) -> None:
        self._port, self._hang_up = None, False
        self._pipe, child_end = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._process = subprocess.Popen(
                [*self._wanted.command, "--tell-port", str(child_end)],
                stdin=subprocess.DEVNULL,
                pass_fds=(child_end, *self._wanted.files),
                env={**os.environ, **self._wanted.variables},
            )
        finally:
            os.close(child_end)

    def _listen(self) -> None:
        if self._pipe is None:
            return
        try:
            said = os.read(self._pipe, 16)
        except BlockingIOError:
            return
        self._port = int(said) if said.isdigit() else None
        self._close_pipe()
        if self._hang_up:
            self._hang_up = False
            self.hang_up()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def _ended(self, code: int, now: float) -> None:
        self._process = None
        self._close_pipe()
        if code == OK:
            self.left = True
            log.info("worker left, as it was told to")
            return
        self._deaths = [at for at in self._deaths if now - at < self._bound.window] + [now]
        log.warning("worker died", exit_code=code, deaths=len(self._deaths))
        died = f"it died with exit code {code}"
        if code == _REFUSED or len(self._deaths) > self._bound.deaths:
            self._tell(Healed(Act.WORKER_GIVEN_UP, "worker", died))
            raise GivenUp
        self._next_start = now + self._backoff.delay(len(self._deaths), 1.0)
        self._tell(Healed(Act.WORKER_RESTARTED, "worker", died))


def supervise(settings: Settings, config: Path | None, workers: int, *, until_current: bool) -> int:
    """Run the workers until a signal, or until current; returns the exit code."""
    # elsewhere than on Linux workers are started with what the file says then
    kept = KeptFile(config) if sys.platform == "linux" else None
    reloading = Reloading(settings, kept.load if kept else partial(load, config))
    children: list[Child] = []
    within = Alarm(outlives(settings), lambda: _kill(children))
    signals = Signals(reloading.asked, within.told)
    bound = Bound(settings.healing.worker_deaths, settings.healing.worker_window)
    with (
        connections(settings, worker_name(settings)) as shared,
        turning("healing", shared.recorder.turn, shared.recorder.close),
        watching(settings, shared, until_current=until_current) as watch,
    ):
        watched = settings.telemetry
        told = Watchers(Bounded(watched.max_topics), [shared.recorder.tell], counts=watched.serve)
        start = start_of(settings, config, kept, workers)
        children += [Child(start, bound, told.tell) for _ in range(workers)]
        names = table_names(settings, shared)

        def use(changed: Changed) -> None:
            # what they name has to be there, before a worker is started with it
            binder_settings(changed.settings)
            for topic, table in changed.renamed.items():
                names.require_renamed(topic, table)
            if kept:
                kept.keep()
            for child in children:
                child.hang_up()

        def looked() -> bool:
            reloading.turn()
            return signals.told

        reloading.use = use
        try:
            with _discovery(settings, told, children):
                code = _watched(children, looked, watch)
        except GivenUp:
            log.error("a worker can't be kept running; see its last lines above")
            code = FAILED
        finally:
            codes = _end(children, signals, settings.worker.drain_timeout + 3 * CLOSING)
    within.cancel()
    return code or max(codes)


def outlives(settings: Settings) -> float:
    """Seconds after which a supervisor that was told to stop has ended: behind its workers, and before it is killed."""
    within = settings.worker.stop_within
    most = ends_within(settings) + 2 * CLOSING
    return most if within is None else min(most, max(within - _BEFORE, settings.worker.drain_timeout))


def _kill(children: list[Child]) -> None:
    for child in children:
        child.kill()


def start_of(settings: Settings, config: Path | None, kept: KeptFile | None, workers: int) -> Start:
    """How each of so many workers is started. Raises Refused."""
    command = [sys.executable, "-m", "consumer", "run", "--supervisor", str(os.getpid())]
    command += ["--config", str(config)] if config else []
    command += ["--kept", str(kept.fd)] if kept else []
    return Start(command, [kept.fd] if kept else [], memory_of_each(settings, shared_memory(workers)))


def memory_of_each(settings: Settings, share: int | None) -> Mapping[str, str]:
    """What a worker may hold, as a variable, where only their container bounds them: each would take it for its own.

    `share`: bytes of each. Raises Refused where nobody could work with that.
    """
    if share is None or settings.worker.memory_mb is not None:
        return {}
    most = share // MIB
    if most < LEAST_MEMORY:
        detail = f"each worker would have {most} MB of the container's memory, and needs {LEAST_MEMORY}"
        remedy = "Start fewer workers (--workers), or give the container more memory."
        raise Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))
    return {variable("worker.memory_mb"): str(most)}


@contextmanager
def _discovery(settings: Settings, told: Watchers, children: list[Child]) -> Iterator[None]:
    """Say meanwhile where the workers are watched."""
    wanted = settings.telemetry
    if not wanted.serve:
        yield
        return
    told.ask(lambda: process_samples(settings.kafka.group, resident(), (descriptors.held(), descriptors.limit())))
    told.probe(
        Probes(unready=lambda: "" if all(child.alive or child.left for child in children) else "a worker does not run")
    )

    def listed(asked: Asked) -> Answer:
        ports = [child.port for child in children if child.port is not None]
        return targets(asked, wanted.host, ports, settings.kafka.group)

    with told.serving(wanted.host, wanted.port, {"/sd": listed}):
        yield


def _watched(children: list[Child], looked: Callable[[], bool], watch: CurrentWatch | None) -> int:
    """Tend them until `looked` says that it is told to stop, or there is nothing more to do."""

    def tended() -> bool:
        stop = looked()
        for child in children:
            child.tend(time.monotonic())
        return stop or all(child.left for child in children)

    if watch is None:
        _until(tended)
        return OK
    _until(lambda: tended() or watch.settled())
    return watch.exit_code()


def _until(question: Callable[[], bool]) -> None:
    ask = ticking(question)
    while not ask():
        pass


def _end(children: list[Child], signals: Signals, timeout: float) -> list[int]:
    """Have them leave, together; in a hurry when told again."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + timeout
    hurried = False
    while any(child.alive for child in children) and time.monotonic() < deadline:
        if signals.hurried and not hurried:
            hurried = True
            for child in children:
                child.terminate()
        time.sleep(_TICK)
    return [child.wait(0.1) for child in children]
