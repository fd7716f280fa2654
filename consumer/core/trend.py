"""Whether a partition keeps up, judged by how it went lately and not by any number of records.

As in Burrow: what counts is whether the position moves, and whether it comes near the end now and then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from consumer.core.lag import Going, Lag

WINDOW = 10
"""Glances that are looked back on."""
# of these at the least, before it can be said that a position does not move
_ENOUGH = 4
# seconds that the oldest record may wait; where records come all the time, some always wait
_SOON = 10.0


class Trend(StrEnum):
    """How a partition goes: the worst last."""

    OK = "ok"
    BEHIND = "behind"
    PAUSED = "paused"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Glance:
    """A partition at one moment; `records` that are not applied, None where that is not known."""

    position: int
    records: int | None


def trend(lag: Lag, lately: Sequence[Glance]) -> Trend:
    """How it goes. `lately`: glances, the oldest first, the one of now among them."""
    if lag.going is Going.PAUSED:
        return Trend.PAUSED
    if lag.going is Going.STOPPED:
        return Trend.STALLED
    if not lag.records:
        return Trend.OK
    if lag.going is Going.UNREAD:
        return Trend.STALLED
    if any(glance.records == 0 for glance in lately) or (lag.seconds is not None and lag.seconds <= _SOON):
        return Trend.OK
    still = len(lately) >= _ENOUGH and lately[0].position == lately[-1].position
    return Trend.STALLED if still and lag.going is not Going.WAITING else Trend.BEHIND


def worst_trend(trends: Sequence[Trend]) -> Trend:
    """The one that stands for all of them."""
    return max(trends, key=list(Trend).index, default=Trend.OK)
