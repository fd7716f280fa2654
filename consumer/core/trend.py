"""Where a partition's lag is going, by its last looks: no threshold, a window. Rules without I/O.

Who was at the end of the log at any time within the window keeps up, however far behind it is at this moment.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from consumer.core.lag import Going, Lag

KEPT = 12
"""Looks that a window has."""
# from how many looks, over so many seconds, a position that does not move is stalled
_STILL, _QUIET = 4, 15.0
# seconds that the oldest record may wait: where records come all the time, some always wait
_SOON = 10.0


class Trend(StrEnum):
    """How it goes; the worst first."""

    UNREAD = "no worker"
    STOPPED = "stopped"
    STALLED = "stalled"
    UNKNOWN = "not known"
    PAUSED = "paused"
    WAITING = "waiting"
    BEHIND = "behind"
    CATCHING_UP = "catching up"
    OK = "ok"


class Mark(NamedTuple):
    """One look at a partition. `at`: seconds on any clock that does not go back."""

    at: float
    position: int
    records: int | None


_STANDING = {
    Going.UNREAD: Trend.UNREAD,
    Going.STOPPED: Trend.STOPPED,
    Going.UNKNOWN: Trend.UNKNOWN,
    Going.PAUSED: Trend.PAUSED,
    Going.WAITING: Trend.WAITING,
}


def trend(lag: Lag, window: Sequence[Mark], *, held_up: bool = False) -> Trend | None:
    """By the window's looks, oldest first, the last of which is `lag`'s; None where it can't be said yet.

    `held_up`: its worker does not ask a server that is away, which it waits for unless it goes on without it.
    """
    if lag.going in _STANDING:
        return _STANDING[lag.going]
    if lag.records is None:
        return None
    if any(mark.records == 0 for mark in window) or not lag.records:
        return Trend.OK
    if lag.seconds is not None and lag.seconds <= _SOON:
        return Trend.OK
    if held_up and len({mark.position for mark in window[-2:]}) == 1:
        return Trend.WAITING
    if _still(window):
        return Trend.STALLED
    known = [mark.records for mark in window if mark.records is not None]
    if len(known) < 2:
        return None
    return Trend.CATCHING_UP if known[-1] < known[0] else Trend.BEHIND


def _still(window: Sequence[Mark]) -> bool:
    """Whether the position has not moved for long enough."""
    last = window[-_STILL:]
    if len(last) < _STILL or any(mark.position != last[-1].position for mark in last):
        return False
    since = next((mark for mark in window if mark.position == last[-1].position), last[0])
    return last[-1].at - since.at >= _QUIET
