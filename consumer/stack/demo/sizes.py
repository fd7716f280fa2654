"""How much a demonstration plays, how fast, and how long the target stays away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

_LONGEST_BURST = 4_000
_WHOLE, _SECONDS = ("rows", "changes", "rate"), ("outage", "pause")
_MOST_WHOLE, _MOST_SECONDS = 100_000_000, 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """`rows` to begin with, `changes` in all (endless: None), `rate` of changes in a second; seconds of an `outage` and
    of a `pause` between the steps of what goes wrong, for those who look."""

    rows: int
    changes: int | None
    rate: int
    outage: float = 12.0
    pause: float = 0.0

    @property
    def burst(self) -> int:
        """Rows of one burst."""
        return min(_LONGEST_BURST, max(20, (self.changes or 10 * _LONGEST_BURST) // 12))


ONCE = Sizes(rows=200_000, changes=50_000, rate=2_500)
LIVE = Sizes(rows=50_000, changes=None, rate=400, pause=4.0)


def tuned(sizes: Sizes, words: Sequence[str]) -> Sizes:
    """With other numbers, each given as `name=number`. Raises ValueError."""
    given = dict(word.split("=", 1) for word in words)
    if not given.keys() <= {*_WHOLE, *_SECONDS}:
        raise ValueError(f"not among the sizes: {', '.join(given)}")
    changed: dict[str, Any] = {name: int(text) if name in _WHOLE else float(text) for name, text in given.items()}
    if any(not 1 <= changed[name] <= _MOST_WHOLE for name in _WHOLE if name in changed):
        raise ValueError(f"{', '.join(_WHOLE)} are from 1 to {_MOST_WHOLE}")
    if any(not 0 <= changed[name] <= _MOST_SECONDS for name in _SECONDS if name in changed):
        raise ValueError(f"{', '.join(_SECONDS)} are from 0 to {_MOST_SECONDS:.0f} seconds")
    return replace(sizes, **changed)
