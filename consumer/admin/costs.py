"""What questions and exports of people may cost: so many at a time, so long, so many letters."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consumer.admin.problems import Busy
from consumer.core.costly import CostLimits, Costs, asked, rest
from consumer.core.failure import Transient

_TOO_LONG = "target.timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLimits:
    """Most letters of one, and seconds that it may take."""

    letters: int = 1_000_000
    seconds: float = 600.0


class CostGuard:
    """A breaker in front of costly questions; for any thread."""

    def __init__(self, limits: CostLimits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or CostLimits()
        self._clock = clock
        self._lock = threading.Lock()
        self._costs = Costs()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around a question. Raises Busy while none is asked, and whatever the question raises."""
        with self._lock:
            left = rest(self._costs, self._clock())
        if left:
            raise Busy(f"questions like this took too long lately; they are asked again in {left:.0f} s")
        try:
            yield
        except Transient as error:
            if error.failure.kind == _TOO_LONG:
                self._note(slow=True)
            raise
        else:
            self._note(slow=False)

    def _note(self, *, slow: bool) -> None:
        with self._lock:
            self._costs = asked(self._costs, self._clock(), self._limits, slow=slow)
