"""One process that holds a stack until it is told to end: in the foreground, or detached with a way to end it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from consumer.stack import logs, ownership
from consumer.stack.failures import persistent, transient
from consumer.stack.layout import Layout, load
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WATCH_SECONDS = 3600.0
_WATCH_INTERVAL = 0.5
_READY_SECONDS = 1800.0
_DOWN_SECONDS = 90.0
_KILL_SECONDS = 30.0
_NAME = "supervisor"


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP ends the block; later ones are ignored, so that the end is orderly."""

    def end(number: int, frame: object) -> None:
        for each in _ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in _ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def hold(stack: Stack, say: Callable[[str], None]) -> None:
    """Returns never: watches the parts until a signal comes, and starts again what ended by itself."""
    while True:
        wait_until(lambda: bool(stack.ended()), _WATCH_SECONDS, interval=_WATCH_INTERVAL)
        for name in stack.ended():
            say(f"{name} ended by itself; it is started again, see {stack.log_path(name)}")
            stack.stop_part(name)
            stack.start_part(name)


def detach(data_dir: Path, arguments: Sequence[str]) -> int:
    """Starts a supervisor that outlives this process; its process id, once its stack is ready."""
    layout = Layout(data_dir.absolute())
    ownership.make(layout)
    log = layout.log(_NAME)
    logs.remove(log)
    with log.open("ab") as output:
        # The working directory may vanish later; modules must be found all the same, so it stays as it is.
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "consumer.stack.commands", "up", "--data-dir", str(layout.root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_ready(layout, supervisor, log)
    except BaseException:
        # Ctrl-C included: nobody would know of the supervisor otherwise.
        supervisor.terminate()
        supervisor.wait(_DOWN_SECONDS)
        raise
    return supervisor.pid


def end(data_dir: Path) -> bool:
    """Ends the stack of this directory, however it was started; False when nothing runs there."""
    layout = Layout(data_dir.absolute())
    pid = ownership.owner(layout)
    if pid is None and ownership.is_free(layout):
        return False
    for number, seconds in ((signal.SIGTERM, _DOWN_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        if pid is not None and ownership.owner(layout) == pid:
            os.kill(pid, number)
        if wait_until(lambda: ownership.is_free(layout), seconds):
            return True
    detail = f"the stack in {layout.root} (process {pid}) did not end"
    raise transient("down", "down_late", detail, f"Read {layout.log(_NAME)}.")


def _wait_ready(layout: Layout, supervisor: "subprocess.Popen[bytes]", log: Path) -> None:
    def settled() -> bool:
        if supervisor.poll() is not None:
            return True
        state = load(layout)
        return state is not None and state.ready and (state.supervisor or (0, ""))[0] == supervisor.pid

    if not wait_until(settled, _READY_SECONDS):
        raise transient("up", "up_late", f"not ready after {_READY_SECONDS:.0f} s", f"Read {log}.")
    if supervisor.returncode is not None:
        raise persistent("up", "up_failed", logs.tail(log, 30) + "\n", f"The whole log is {log}.")
