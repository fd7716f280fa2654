"""Commit-to-apply latency: of what the engine had to do alone, and beside it of what had to wait for the target.

How long the demonstration keeps its target away says nothing of the engine. A record that waited while the target was
away, or until the first batch after that, is in no quantile; it is counted, and in the longest wait of all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consumer.stack.demo.journal import Wait
from consumer.stack.demo.target import Absence


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds, None without records. `delayed` records waited for the target; only `longest_of_all` is theirs too."""

    p50: float | None = None
    p99: float | None = None
    longest: float | None = None
    delayed: int = 0
    longest_of_all: float | None = None


def latency(waits: Sequence[Wait], absences: Iterable[Absence]) -> Latency:
    """The figures of these waits; the target was away so often."""
    spans = [(each.since, float("inf") if each.applied is None else each.applied) for each in absences]
    own = [wait for wait in waits if not any(wait.since < end and wait.until > start for start, end in spans)]
    ordered = sorted(own, key=lambda wait: wait.seconds)
    return Latency(
        p50=_quantile(ordered, 0.5),
        p99=_quantile(ordered, 0.99),
        longest=_quantile(ordered, 1.0),
        delayed=sum(wait.records for wait in waits) - sum(wait.records for wait in own),
        longest_of_all=max((wait.seconds for wait in waits), default=None),
    )


def _quantile(ordered: Sequence[Wait], share: float) -> float | None:
    """The latency that this share of all records did not exceed; None without records."""
    left = share * sum(wait.records for wait in ordered)
    for wait in ordered:
        left -= wait.records
        if left <= 0:
            return wait.seconds
    return None
