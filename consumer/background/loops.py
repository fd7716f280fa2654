"""Threads that turn until they are told to stop, and what is known of how they ended."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from consumer.applying.patience import Stopping
from consumer.core.failure import HeadraceError, Persistent, told, unforeseen

log = structlog.get_logger("headrace.worker")

TURN = 0.05
# of a loop that nobody's life turns: seconds of a turn, and for its end
_ASIDE, _LEAVE = 0.2, 5.0


class Loop:
    """A thread that turns until told to stop; keeps when it last turned and how it ended."""

    def __init__(
        self, name: str, turn: Callable[[float], None], finish: Callable[[], None], timeout: float = TURN
    ) -> None:
        """`finish` ends what it owns, on its thread. `timeout`: seconds that a turn waits for something to do."""
        self.name = name
        self.turned = time.monotonic()
        self.failure: BaseException | None = None
        self.stop = threading.Event()
        self._turn = turn
        self._finish = finish
        self._timeout = timeout
        # what is bound to the log here, as the worker's name, is bound there too
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; False when it is still running."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def beat(self) -> None:
        """Note that the loop lives, in the middle of a long turn."""
        self.turned = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self.stop.is_set():
                self._turn(self._timeout)
                self.beat()
        except Stopping:
            pass
        # the top of a thread: whoever owns it reads what ended it
        except BaseException as error:  # noqa: BLE001
            self.failure = error
        finally:
            self._close()

    def _close(self) -> None:
        try:
            self._finish()
        except HeadraceError as error:
            log.warning("closing failed", loop=self.name, **told(error.failure))


@contextmanager
def turning(name: str, turn: Callable[[float], None], finish: Callable[[], None]) -> Iterator[Loop]:
    """A loop where no worker's life turns it. What ends it is logged then; it is told to stop afterwards."""

    def end() -> None:
        if loop.failure is not None:
            say(loop)
        finish()

    loop = Loop(name, turn, end, _ASIDE)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop.set()
        loop.join(_LEAVE)


def say(loop: Loop) -> None:
    """Log what ended a loop, where nobody is left to raise it to."""
    error = said(loop)
    why = told(error.failure) if isinstance(error, HeadraceError) else {"reason": type(error).__name__}
    log.error("loop ended", loop=loop.name, **why)


def said(loop: Loop) -> BaseException:
    """What ended a loop; of an error that should not be, its kind and place, since its words may quote rows."""
    error = loop.failure
    if isinstance(error, HeadraceError | KeyboardInterrupt | SystemExit):
        return error
    return Persistent(unforeseen("worker", loop.name, error))
