"""One running part: started through one long-lived thread, with its log, its signals and its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from consumer.stack import child, sweep
from consumer.stack.birth import birth
from consumer.stack.failures import part_stuck
from consumer.stack.waiting import wait_until

_KILL_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class User:
    """The unprivileged user that a part runs under."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How to start a part. `{dir}` in the arguments becomes the directory as the part's user can reach it."""

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: User | None = None
    death_signal: signal.Signals = signal.SIGKILL
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20.0


class Process:
    """A child of this process. All ends are waited for with a deadline; nothing stays a zombie."""

    def __init__(self, name: str, command: Command, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._popen = popen

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    @property
    def started(self) -> str:
        """The birth of the process, which tells it from a later one with the same id."""
        return birth(self.pid)

    def wait(self, seconds: float) -> int:
        """The exit code; raises when it does not end in time."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired as cause:
            raise part_stuck(self.name, seconds, self.log) from cause

    def send(self, number: signal.Signals) -> None:
        """One signal to the part's main process, without waiting for anything."""
        self._popen.send_signal(number)

    def stop(self) -> None:
        """Asks it to end, and kills it and its descendants when it does not."""
        family = self._family()
        if self.code is None:
            self._send_all(family, signal.SIGCONT)
            self.send(self._command.stop_signal)
            wait_until(lambda: self.code is not None, self._command.stop_seconds)
        self._finish(family)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """A sudden end of the main process; returns when all of its descendants are gone too."""
        family = self._family()
        self.send(number)
        # After the signal, so that a frozen part does nothing more; its descendants must wake up to see the end.
        self._send_all(family, signal.SIGCONT)
        wait_until(lambda: self.code is not None, _KILL_SECONDS)
        self._finish(family)

    def pause(self) -> None:
        """Freezes the part with all of its descendants."""
        self.send(signal.SIGSTOP)
        self._send_all(self._family(), signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen part go on."""
        self._send_all(self._family(), signal.SIGCONT)

    def _family(self) -> list[psutil.Process]:
        try:
            own = psutil.Process(self.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _send_all(family: list[psutil.Process], number: signal.Signals) -> None:
        for each in family:
            try:
                each.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def _finish(self, family: list[psutil.Process]) -> None:
        """Descendants end by themselves when the main process is gone; those that do not are killed."""
        others = [each for each in family if each.pid != self.pid]
        _, alive = psutil.wait_procs(others, timeout=self._command.stop_seconds / 2 if self.code is not None else 0)
        self._send_all(alive, signal.SIGKILL)
        if self.code is None:
            self.send(signal.SIGKILL)
        self.wait(_KILL_SECONDS)
        psutil.wait_procs(alive, timeout=_KILL_SECONDS)


class Spawner:
    """Starts all children from one thread, which lives as long as this object.

    A parent-death signal follows the thread that forked, so a passing thread must never start a part.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="stack-spawner")

    def spawn(self, name: str, command: Command, log: Path) -> Process:
        """Starts a part; its output is appended to the log."""
        return self._pool.submit(self._spawn, name, command, log).result()

    def spawn_sweeper(self, place: Path, programs: tuple[str, ...], lock: int, log: Path) -> "subprocess.Popen[bytes]":
        """Starts a sweeper, which ends leftovers below the place as soon as its standard input is closed.

        It shares the lock, so the data directory is free only when the sweeper has done its work.
        """
        argv = [sys.executable, "-I", "-S", str(Path(sweep.__file__).absolute()), str(place), *programs]
        return self._pool.submit(self._spawn_sweeper, argv, lock, log).result()

    def close(self) -> None:
        """Ends the thread; whatever child still runs gets its death signal."""
        self._pool.shutdown()

    @staticmethod
    def _spawn_sweeper(argv: list[str], lock: int, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_interpreter_environment(),
                pass_fds=[lock],
            )

    @staticmethod
    def _spawn(name: str, command: Command, log: Path) -> Process:
        argv = [sys.executable, "-I", "-S", str(Path(child.__file__).absolute())]
        argv += ["--parent", str(os.getpid()), "--death-signal", str(int(command.death_signal))]
        argv += ["--directory", str(command.directory)]
        if command.user:
            argv += ["--uid", str(command.user.uid), "--gid", str(command.user.gid)]
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **_interpreter_environment()}
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [*argv, "--", *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=command.directory,
                env=environment | dict(command.environment),
            )
        return Process(name, command, popen, log)


def _interpreter_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in child.INTERPRETER_ONLY if name in os.environ}
