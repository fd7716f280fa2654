"""Which tables go first: priorities, whose batch is next, how large one of a lower priority may be. No clock here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

# batches of higher priorities that a waiting one lets pass; then it is its turn
_PASSES = 3
# a batch of a lower priority: the first one's rows, the least, and how it grows while it takes half of its time
_FIRST, _LEAST, _GROWTH = 1_000, 100, 1.5
# of the time that it may take, what a batch is planned for
_CAUTION = 0.8


class Priority(StrEnum):
    """Of a table; the highest first."""

    CRITICAL = "critical"
    NORMAL = "normal"
    BULK = "bulk"

    @property
    def rank(self) -> int:
        """Smaller is higher."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


def highest(priorities: Iterable[Priority]) -> Priority:
    """The highest of them; normal of none."""
    return min(priorities, key=lambda each: each.rank, default=Priority.NORMAL)


@dataclass(slots=True)
class Turns:
    """Whose batch is next, of those that wait: the highest, but nobody is passed over more than a few times."""

    _passed: dict[Priority, int] = field(default_factory=dict)

    def next(self, waiting: Sequence[Priority]) -> Priority:
        """Choose one of at least one, and remember whom it passed over."""
        ranked = sorted(set(waiting), key=lambda each: each.rank)
        tired = [each for each in ranked[1:] if self._passed.get(each, 0) >= _PASSES]
        chosen = tired[0] if tired else ranked[0]
        for each in ranked:
            if each.rank > chosen.rank:
                self._passed[each] = self._passed.get(each, 0) + 1
        self._passed[chosen] = 0
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Ration:
    """Most records of a batch of a lower priority, so that it takes at most so many seconds of the others' time."""

    seconds: float
    records: int = _FIRST

    def applied(self, records: int, seconds: float) -> "Ration":
        """What a batch of so many records says of the next one; one that is not half full says only if it was slow."""
        if seconds > self.seconds:
            fewer = int(min(records, self.records) * self.seconds * _CAUTION / seconds)
            return replace(self, records=max(_LEAST, fewer))
        if 2 * seconds > self.seconds or 2 * records < self.records:
            return self
        return replace(self, records=int(self.records * _GROWTH))
