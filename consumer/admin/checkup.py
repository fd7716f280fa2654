"""`headrace doctor` in the admin process: one examination at a time, whose report is told to all who ask meanwhile."""

import threading
import time
from collections.abc import Callable

from consumer.admin.doors import Doors
from consumer.admin.problems import Busy
from consumer.core.doctor.finding import Report

KEPT = 15.0
"""Seconds that a report is told again."""
# seconds that an examination is waited for that somebody else has begun: longer than it may take
_PATIENCE = 20.0


class Checkup:
    """Examines when it is asked; for any thread."""

    def __init__(self, doors: Doors, clock: Callable[[], float] = time.monotonic) -> None:
        self._doors = doors
        self._clock = clock
        self._turn = threading.Lock()
        self._last: Report | None = None
        self._until = 0.0

    @property
    def last(self) -> Report | None:
        """The last report, however old; nobody is asked for it."""
        return self._last

    def report(self) -> Report:
        """A report that is some seconds old at most. Raises Busy, and Refused for settings that can't work."""
        if not self._turn.acquire(timeout=_PATIENCE):
            raise Busy("an examination goes on")
        try:
            if self._last is None or self._clock() >= self._until:
                with self._doors.doctor() as examine:
                    self._last = examine()
                self._until = self._clock() + KEPT
            return self._last
        finally:
            self._turn.release()
