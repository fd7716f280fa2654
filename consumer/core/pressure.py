"""What is not read while too much is asked of a worker: bulk tables first, then normal ones, and why. No clock here.

One step up at a time, and only after the last one had time to help; one step down after a while of calm. The bounds of
calm are lower than those of pressure, so that nothing goes to and fro.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from consumer.core.priority import Priority, highest


class Strain(StrEnum):
    """Where the pressure comes from."""

    MEMORY = "memory"
    LATENCY = "latency"
    AWAY = "target_recovering"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """How a worker is. `latency`: seconds from append to commit of the last batch of critical tables, if lately.

    `away`: the target is, or it is being looked whether it is back. `queue`, `memory`: shares of their bounds.
    """

    latency: float = 0.0
    away: bool = False
    queue: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureLimits:
    """`goal`: seconds that critical tables should wait at most. `step`, `calm`: seconds between steps up, and down.

    `eased`: seconds between steps down while nothing causes pressure, but it is not calm either. `turn`: seconds after
    which what is paused has the turn of a batch, whatever the pressure.
    """

    goal: float = 0.3
    step: float = 0.5
    calm: float = 2.0
    eased: float = 30.0
    turn: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """How many steps were taken, when the last one was, and why.

    `eased`: since when nothing causes it any more. `calm`: since when there is nothing near that either.
    """

    level: int = 0
    strain: Strain | None = None
    why: str = ""
    since: float = 0.0
    moved: float = 0.0
    eased: float | None = None
    calm: float | None = None

    def paused(self, held: Collection[Priority]) -> frozenset[Priority]:
        """What of the priorities that are held is not read. The highest goes on, but for want of memory."""
        lowest_first = sorted(held, key=lambda each: -each.rank)
        if self.level > _MOST[Strain.LATENCY]:
            return frozenset(lowest_first)
        below = [each for each in lowest_first if each is not highest(held)]
        return frozenset(each for each in below if each.rank >= len(_RANKED) - self.level)


_RANKED = tuple(Priority)
# the most steps that each may cause: only memory stops what is critical, since the kernel would end all of it
_MOST = {Strain.MEMORY: 3, Strain.LATENCY: 2, Strain.AWAY: 2, Strain.QUEUE: 2}
# shares of a bound from which on it is near, and up to which it is not any more
_NEAR = {Strain.QUEUE: 0.9, Strain.MEMORY: 0.9}
_FAR = {Strain.QUEUE: 0.6, Strain.MEMORY: 0.8}
# of the goal
_CALM_LATENCY = 0.7


def pressed(before: Pressure, signals: Signals, limits: PressureLimits, now: float) -> Pressure:
    """The pressure now. `now`: seconds that never run back."""
    found = _strained(signals, limits)
    if found is not None:
        strain, why = found
        said = replace(before, calm=None, eased=None, strain=strain, why=why, level=min(before.level, _MOST[strain]))
        if before.level >= _MOST[strain] or (before.level and now - before.moved < limits.step):
            return said
        return replace(said, level=before.level + 1, moved=now, since=before.since if before.level else now)
    if before.level == 0:
        return before
    eased = now if before.eased is None else before.eased
    calm = (now if before.calm is None else before.calm) if _calm(signals, limits) else None
    if now - eased < limits.eased and (calm is None or now - calm < limits.calm):
        return replace(before, eased=eased, calm=calm)
    if before.level == 1:
        return Pressure(moved=now)
    return replace(before, level=before.level - 1, moved=now, eased=now, calm=None if calm is None else now)


def _strained(signals: Signals, limits: PressureLimits) -> tuple[Strain, str] | None:
    if signals.memory >= _NEAR[Strain.MEMORY]:
        return Strain.MEMORY, f"memory is at {signals.memory:.0%} of its bound"
    if signals.away:
        return Strain.AWAY, "the target is away, or just coming back"
    if signals.latency > limits.goal:
        return (
            Strain.LATENCY,
            f"critical tables wait {signals.latency:.2f} s, more than their {limits.goal:g} s",
        )
    if signals.queue >= _NEAR[Strain.QUEUE]:
        return Strain.QUEUE, f"what waits to be applied is at {signals.queue:.0%} of its bound"
    return None


def _calm(signals: Signals, limits: PressureLimits) -> bool:
    return (
        signals.memory <= _FAR[Strain.MEMORY]
        and not signals.away
        and signals.latency <= limits.goal * _CALM_LATENCY
        and signals.queue <= _FAR[Strain.QUEUE]
    )
