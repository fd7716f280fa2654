"""Costly questions that run into their time limit again and again are not asked for a while. No clock here."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What was seen lately. `slow`: how many in a row took too long; `until`: none is asked before that moment."""

    slow: int = 0
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits:
    """After `slow` of them in a row there is a rest of so many seconds; each one more begins another."""

    slow: int = 3
    rest: float = 10.0


def rest(costs: Costs, now: float) -> float:
    """Seconds until one may be asked; 0 for now."""
    return max(0.0, costs.until - now)


def asked(costs: Costs, now: float, limits: CostLimits, *, slow: bool) -> Costs:
    """After one was asked, which took too long or did not."""
    if not slow:
        return Costs()
    seen = replace(costs, slow=costs.slow + 1)
    return replace(seen, until=now + limits.rest) if seen.slow >= limits.slow else seen
