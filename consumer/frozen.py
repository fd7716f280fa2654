"""Ends a process in which no thread of Python's runs any more.

Native code that waits for ever and keeps the interpreter's lock stops all of them, those too that watch the others.
"""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

_STDERR = 2
# parts of the time after which the end is put off again
_PARTS = 10


@contextmanager
def ended_when_frozen(seconds: float) -> Iterator[None]:
    """The process ends with exit code 1 when no thread of Python's has run for so many seconds, or a tenth less.

    Where they stood is on stderr then: files, lines and functions. None of them counts the time, so a process that was
    stopped as a whole for so long ends as well, when it goes on.
    """
    over = Event()
    thread = Thread(target=_putting_off, args=(seconds, over), name="frozen", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        faulthandler.cancel_dump_traceback_later()


def _putting_off(seconds: float, over: Event) -> None:
    while True:
        faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)
        if over.wait(seconds / _PARTS):
            return
