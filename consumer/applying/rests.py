"""What the apply thread leaves alone for a while, since it took much of the thread's time.

One rule for batches and for letters: what took so long rests three times as long, so that others have at least three
quarters of the thread's time.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

# how many times as long as it took the thread it is left alone
_TIMES = 3

Key = TypeVar("Key", bound=Hashable)
Why = TypeVar("Why")


class Rests(Generic[Key, Why]):
    """What rests, why and until when. Belongs to the apply thread.

    `together`: all of it may take no more than a quarter of the time, so each rest begins where the one before ends.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, together: bool = False) -> None:
        self._clock = clock
        self._together = together
        self._resting: dict[Key, tuple[Why, float]] = {}
        # when the rest that was begun last ends
        self._last = clock()

    def begin(self, keys: Iterable[Key], why: Why, seconds: float, least: float = 0.0) -> None:
        """Leave alone what took the thread so long, for `least` seconds at least.

        Without keys it is not known yet what that was: where all rests count together, the next one is longer by that.
        """
        now = self._clock()
        begins = max(now, self._last) if self._together else now
        self._last = begins + max(_TIMES * seconds, least)
        self._resting |= dict.fromkeys(keys, (why, self._last))

    def now(self) -> Mapping[Key, tuple[Why, float]]:
        """What rests now: why, and for how many more seconds."""
        now = self._clock()
        self._resting = {key: (why, until) for key, (why, until) in self._resting.items() if now < until}
        return {key: (why, until - now) for key, (why, until) in self._resting.items()}
