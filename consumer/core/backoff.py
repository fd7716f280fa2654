"""Exponential backoff with jitter; chance is an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays in seconds: `first`, doubled each time up to `most`."""

    first: float = 0.1
    most: float = 15.0

    def delay(self, attempt: int, chance: float) -> float:
        """The delay before attempt `attempt` (from 1), between half and all of its step by `chance` in [0, 1)."""
        step = min(self.most, self.first * 2.0 ** min(attempt - 1, 62))
        return float(step * (0.5 + chance / 2))
