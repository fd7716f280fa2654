"""How long a step takes that is done in pieces."""

import time
from types import TracebackType

from consumer.core.laps import Lap


class Stopwatch:
    """Runs inside `with`. Used by one thread."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._began: float | None = None
        self._seconds = 0.0
        self._clock = 0.0

    def __enter__(self) -> None:
        if self._began is None:
            self._began = time.time()
        self._clock = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds += time.perf_counter() - self._clock

    def lap(self) -> Lap | None:
        """What was measured since this was last asked; None when that is nothing."""
        if self._began is None:
            return None
        lap = Lap(step=self._step, began=self._began, seconds=self._seconds)
        self._began, self._seconds = None, 0.0
        return lap
