"""What a restart cost, from the waits of all records: how long partitions stood still, how soon all was well. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from consumer.bench.tide import Wait

LIMIT_MS = 1_000.0
_SECOND = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One worker replaced. Wall clock in milliseconds: told to leave, gone (and replaced), and spread evenly again."""

    place: int
    begun: float
    left: float
    settled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one restart cost.

    `pauses`: the longest wait of a record, by partition, in seconds. `recovered`: seconds from the restart's beginning
    until the end of the last second whose records had a p99 over the limit.
    """

    pauses: tuple[float, ...]
    recovered: float

    @property
    def longest(self) -> float:
        """The pause of the partition that stood still longest."""
        return max(self.pauses)

    @property
    def typical(self) -> float:
        """The median partition's."""
        return median(self.pauses)

    @property
    def stood(self) -> int:
        """Partitions that stood still for more than the limit."""
        return sum(each * _SECOND > LIMIT_MS for each in self.pauses)


def cost(waits: Sequence[Wait], begun: float, until: float) -> Cost:
    """Of a restart that began then, by what was applied from then on until the next one.

    What waits when one begins is that one's: its first records came in front of it, and are not the last one's.
    """
    concerned = [each for each in waits if begun <= each.appended + each.took < until]
    longest: dict[int, float] = {}
    seconds: dict[int, list[float]] = {}
    for each in concerned:
        longest[each.partition] = max(each.took, longest.get(each.partition, 0.0))
        seconds.setdefault(int((each.appended - begun) // _SECOND), []).append(each.took)
    slow = [second for second, tooks in seconds.items() if p99(tooks) > LIMIT_MS]
    return Cost(
        pauses=tuple(round(longest[part] / _SECOND, 2) for part in sorted(longest)),
        recovered=float(max(0, max(slow) + 1)) if slow else 0.0,
    )


def p99(tooks: Sequence[float]) -> float:
    """The wait that one record in a hundred exceeds."""
    return sorted(tooks)[ceil(len(tooks) * 0.99) - 1]
