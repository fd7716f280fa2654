"""A thread that does one thing again and again while a context is open."""

import threading
from types import TracebackType
from typing import Self

_END = 90.0


class Repeating:
    """Calls `turn` on a thread of its own, each time after so many seconds, until the context is left.

    What ended the thread before is raised there; where something else is raised, that gets a note of it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__.lower(), daemon=True)

    def turn(self) -> None:
        """Do it once."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(_END)
        if self._failure is None:
            return
        if error is None:
            raise self._failure
        error.add_note(f"thread {self._thread.name!r} had ended: {self._failure!r}")

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._seconds):
                self.turn()
        # the top of a thread: what ended it is raised where the context ends
        except BaseException as error:  # noqa: BLE001
            self._failure = error
