"""Ends a process in which no thread of Python's runs any more.

Native code that waits for ever and keeps the interpreter's lock stops all of them, those too that watch the others.
"""

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STDERR = 2
# parts of the time after which the end is put off again
_PARTS = 10


@contextmanager
def ended_when_frozen(seconds: float) -> Iterator[Callable[[], None]]:
    """Yields what puts the end off: `seconds` after it was called last the process ends with exit code 1.

    Where its threads stood is on stderr then: files, lines and functions. No thread of Python's counts the time, so a
    process that was stopped as a whole for so long ends as well, when it goes on.
    """
    due = 0.0

    def alive() -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + seconds / _PARTS
            faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)

    alive()
    try:
        yield alive
    finally:
        faulthandler.cancel_dump_traceback_later()
