"""Processes that begin with the program already imported.

Importing takes a worker longer than most tests need it: one process does so for all tests of a session, and is copied
(`fork`) for each start. What runs then has a process id, a session, a log and an end of its own, as any other process.
"""

import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

_PROGRAM = "tests.real.engine.nursery"
_PR_SET_PDEATHSIG = 1
# seconds for a copy to be made, however busy the machine is
_PATIENCE = 120.0
# of one request or answer, a line each
_MOST_BYTES = 1 << 20


class Born:
    """A process that was started so: as much of `subprocess.Popen` as tests need."""

    def __init__(self, pid: int, changed: threading.Condition) -> None:
        self.pid = pid
        self._changed = changed
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        with self._changed:
            return self._code

    def wait(self, timeout: float) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        with self._changed:
            self._changed.wait_for(lambda: self._code is not None, timeout)
            if self._code is None:
                raise subprocess.TimeoutExpired("a process of the nursery", timeout)
            return self._code

    def send_signal(self, number: signal.Signals) -> None:
        """A signal from outside; none to what is known to have ended."""
        with self._changed:
            if self._code is None:
                os.kill(self.pid, number)

    def end(self, code: int) -> None:
        """It has ended."""
        with self._changed:
            self._code = code
            self._changed.notify_all()


class Nursery:
    """The process that is copied, and the thread that hears which copies have ended."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with closing(theirs):
            command = [sys.executable, "-m", _PROGRAM, str(theirs.fileno())]
            self._popen = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._lines = ours.makefile("rwb")
        self._changed = threading.Condition()
        self._asking = threading.Lock()
        self._begun: dict[str, Born] = {}
        self._born: dict[int, Born] = {}
        self._asked = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> Born:
        """Start `python *words`, a session of its own, whose output is added to the log."""
        with self._asking:
            self._asked += 1
            name = str(self._asked)
            asked = {"name": name, "words": list(words), "log": str(log.resolve()), "environment": dict(environment)}
            self._lines.write(json.dumps(asked).encode() + b"\n")
            self._lines.flush()
        with self._changed:
            assert self._changed.wait_for(lambda: name in self._begun, _PATIENCE), "the nursery does not answer"
            return self._begun.pop(name)

    def _listen(self) -> None:
        for line in self._lines:
            said: dict[str, Any] = json.loads(line)
            if "name" in said:
                born = self._born[said["pid"]] = Born(said["pid"], self._changed)
                with self._changed:
                    self._begun[said["name"]] = born
                    self._changed.notify_all()
            else:
                self._born.pop(said["pid"]).end(said["code"])


@lru_cache(maxsize=1)
def nursery() -> Nursery:
    """The one of this test process, started when it is first needed; it ends with the test process."""
    return Nursery()


# in the process that is copied


def _serve(connection: socket.socket) -> dict[str, Any]:
    """Copy this process as often as asked. Returns in each copy, with what it is to become."""
    woken, waking = socket.socketpair()
    for each in (woken, waking):
        each.setblocking(False)
    signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    read = b""
    while True:
        ready, _, _ = select.select([connection, woken], [], [])
        if woken in ready:
            woken.recv(_MOST_BYTES)
            _tell_ended(connection)
        if connection not in ready:
            continue
        more = connection.recv(_MOST_BYTES)
        if not more:
            # the tests are over, in whatever way; copies end with this process
            sys.exit()
        *lines, read = (read + more).split(b"\n")
        for line in lines:
            asked: dict[str, Any] = json.loads(line)
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (connection, woken, waking):
                    each.close()
                return asked
            _tell(connection, {"name": asked["name"], "pid": pid})


def _tell_ended(connection: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _tell(connection, {"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(connection: socket.socket, said: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(said).encode() + b"\n")


def _become(asked: Mapping[str, Any]) -> None:
    """What `python *words` would have been."""
    os.setsid()
    _end_with_parent()
    with open(os.devnull) as nothing, open(asked["log"], "ab") as log:
        os.dup2(nothing.fileno(), 0)
        for output in (1, 2):
            os.dup2(log.fileno(), output)
    os.environ.clear()
    os.environ.update(asked["environment"])
    words = asked["words"]
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(words)
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


def _end_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent or parent == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def _main() -> None:
    import consumer.cli
    import consumer.worker
    from consumer.telemetry import process

    assert consumer.cli
    assert consumer.worker
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        asked = _serve(connection)
    # it begins now, and not when it was imported
    process._STARTED = time.time()
    _become(asked)


if __name__ == "__main__":
    _main()
