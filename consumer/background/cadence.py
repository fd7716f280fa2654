"""How often a loop that mostly does nothing looks for work, and how it tells what fails."""

import threading
import time
from collections.abc import Callable
from typing import Any

from consumer.core.failure import HeadraceError, told
from consumer.ports.facts import Failed, Route, Tell


class Failing:
    """What fails is told each time, and said in the log when its kind is a new one, until it works again.

    For one thread.
    """

    def __init__(self, log: Any, waits: str) -> None:
        self._log = log
        self._waits = waits
        self._said = ""

    def failed(self, error: HeadraceError, tell: Tell) -> None:
        """It did not work."""
        tell(Failed(error.failure, Route.LATER))
        if self._said != error.failure.kind:
            self._said = error.failure.kind
            self._log.warning(self._waits, **told(error.failure))

    def over(self) -> None:
        """It works."""
        self._said = ""


class Cadence:
    """Work is done when it is due; what fails is told, said in the log as `Failing` does, and tried later.

    `first`: seconds until the first look; `again`: after a failure. For one thread.
    """

    def __init__(self, log: Any, waits: str, first: float, again: float) -> None:
        self._failing = Failing(log, waits)
        self._again = again
        self._due = time.monotonic() + first
        self._idle = threading.Event()

    def turn(self, work: Callable[[], float], timeout: float, tell: Tell) -> None:
        """Do the work, if it is due, which says in how many seconds it is again; else wait so long."""
        if time.monotonic() < self._due:
            self._idle.wait(timeout)
            return
        try:
            wait = work()
            self._failing.over()
        except HeadraceError as error:
            wait = self._again
            self._failing.failed(error, tell)
        self._due = time.monotonic() + wait
