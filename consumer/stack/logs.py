"""Logs of processes that write for as long as they like: bounded while a keeper looks after them, read from their end.

The writers only ever append, so a log can be cut under them: what it holds goes to `<name>.log.1`, over what was there.
"""

import shutil
import threading
from contextlib import suppress
from pathlib import Path

LIMIT = 10_000_000
_LOOK_SECONDS = 1.0
_LINE_BYTES = 200


class Keeper:
    """Cuts every log of a directory that is over the limit, once a second until it is closed."""

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        self._directory = directory
        self._limit = limit
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="stack-logs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; safe to call again."""
        self._closed.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            for log in self._directory.glob("*.log"):
                # A log that is gone, or a disk that is full: the next look tries again.
                with suppress(OSError):
                    _cut(log, self._limit)


def earlier(log: Path) -> Path:
    """Where the part of a log that was cut off last is."""
    return log.with_name(f"{log.name}.1")


def tail(log: Path, lines: int) -> str:
    """The last lines of a log, from before its last cut too where it has grown too little since; empty without one."""
    size = _LINE_BYTES * max(lines, 1)
    text = _end(log, size)
    text = _end(earlier(log), size - len(text)) + text
    return "\n".join(text.decode("utf-8", "replace").splitlines()[-lines:])


def remove(log: Path) -> None:
    """Takes a log away with what was cut off; nothing may write to it."""
    for each in (log, earlier(log)):
        each.unlink(missing_ok=True)


def _cut(log: Path, limit: int) -> None:
    if log.stat().st_size <= limit:
        return
    with log.open("r+b") as full, earlier(log).open("wb") as kept:
        # To the end of the file, with what is written meanwhile; only a line between this and the cut is lost.
        shutil.copyfileobj(full, kept)
        full.truncate(0)


def _end(file: Path, size: int) -> bytes:
    if size <= 0 or not file.exists():
        return b""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - size))
        return stream.read(size)
