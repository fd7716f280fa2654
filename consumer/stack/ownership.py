"""Who owns a data directory: one supervisor at a time, known by a lock that ends with it and with its sweeper."""

import os
import sys

import psutil

from consumer.stack.birth import birth, is_zombie
from consumer.stack.cache import try_lock
from consumer.stack.failures import refused
from consumer.stack.layout import Layout, load
from consumer.stack.waiting import wait_until

_SWEEPER_SECONDS = 20.0
_UNUSABLE = frozenset(",;{}")


def make(layout: Layout) -> None:
    """Makes the data directory; refuses a path with letters that mean something else in the parts' settings."""
    if sys.platform != "linux":
        raise refused(
            "open", "platform", f"the stack does not run on {sys.platform}", "Use Linux, or a Linux container."
        )
    if _UNUSABLE & set(str(layout.root)):
        detail = f"the path {layout.root} holds one of {' '.join(sorted(_UNUSABLE))}"
        raise refused("open", "data_dir_unusable", detail, "Choose another data directory.")
    try:
        layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        layout.logs.mkdir(mode=0o700, exist_ok=True)
    except OSError as cause:
        detail = f"the data directory {layout.root} can't be made: {cause.strerror}"
        raise refused("open", "data_dir_unwritable", detail, "Choose another data directory.") from cause


def own(layout: Layout) -> int:
    """Takes the data directory and gives the lock's descriptor; waits for an earlier owner's sweeper, not for an owner.

    The descriptor may be inherited: the directory is free when the last process that holds it has ended.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    wait_until(lambda: try_lock(descriptor) or owner(layout) is not None, _SWEEPER_SECONDS)
    if try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    detail = f"a stack runs in {layout.root} already (process {owner(layout)})"
    end = f"End it with: headrace stack down --data-dir {layout.root} (a demo: Ctrl-C in its terminal)"
    raise refused("open", "stack_running", detail, f"{end}, or choose another directory.")


def is_free(layout: Layout) -> bool:
    """True when no supervisor and no sweeper works in this data directory."""
    if not layout.lock.exists():
        return True
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def owner(layout: Layout) -> int | None:
    """The process id of the living supervisor of this data directory."""
    state = load(layout)
    if state is None or state.supervisor is None or not is_running(*state.supervisor):
        return None
    return state.supervisor[0]


def is_running(pid: int, started: str | float) -> bool:
    """True when the process that had this id and this birth still runs; earlier versions wrote a time of day."""
    try:
        if isinstance(started, str):
            same = birth(pid) == started
        else:
            same = abs(psutil.Process(pid).create_time() - started) < 1.0
        return same and not is_zombie(pid)
    except (OSError, psutil.NoSuchProcess):
        return False
