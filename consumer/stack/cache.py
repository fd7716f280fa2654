"""The cache directory of downloads, shared by every project of this user and locked across processes."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumer.stack.failures import refused, transient
from consumer.stack.waiting import wait_until

_ENVIRONMENT = "HEADRACE_CACHE"


def cache_dir() -> Path:
    """`HEADRACE_CACHE`, or `~/.cache/headrace`; made when missing."""
    place = Path(os.environ.get(_ENVIRONMENT) or Path.home() / ".cache" / "headrace").expanduser().absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise refused(
            "cache",
            "cache_unwritable",
            f"the cache directory {place} can't be made: {cause.strerror}",
            f"Set {_ENVIRONMENT} to a directory that can be written.",
        ) from cause
    return place


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Holds an exclusive lock on a file; the lock ends with the process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not wait_until(lambda: try_lock(descriptor), seconds):
            raise transient(
                "lock",
                "lock_held",
                f"another process has held {path} for {seconds:.0f} s",
                "Wait for the other download to end, or end that process.",
            )
        yield
    finally:
        os.close(descriptor)


@contextmanager
def scratch_dir(place: Path) -> Iterator[Path]:
    """A directory for unfinished work, used under a lock: what a killed process left in it is removed."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def try_lock(descriptor: int) -> bool:
    """True when the exclusive lock on this open file is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
