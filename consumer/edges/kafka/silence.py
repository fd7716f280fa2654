"""How long the cluster has said nothing, and what to do about it."""

import time
from collections.abc import Callable

# parts of the longest silence after which it is asked for a sign of life, again and again
_QUESTIONS = 3


class Silence:
    """Begins when it is made and whenever something is heard. Seconds of `clock`."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self.heard()

    def heard(self) -> None:
        """Something came from the cluster."""
        self._since = self._asked = self._clock()

    def to_ask(self) -> bool:
        """Whether it is time to ask for a sign of life; the next time comes a while later."""
        now = self._clock()
        if now - self._asked < self._longest / _QUESTIONS:
            return False
        self._asked = now
        return True

    def too_long(self) -> bool:
        """Whether nobody answers."""
        return self._clock() - self._since >= self._longest
