"""Many letters sent again, or given up, as one job: when how many of them go, and when the job ends. Rules without I/O.

The first ones after a start are the canary: the job waits until all of them have ended. When too many failed, of the
canary or of those that ended last, it stops and waits for a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import floor

from consumer.core.letters import OPEN, State


class JobKind(StrEnum):
    """What a job does with its letters."""

    REPLAY = "replay"
    DISCARD = "discard"


FITTING: Mapping[JobKind, tuple[State, ...]] = {
    JobKind.REPLAY: (State.DEAD,),
    JobKind.DISCARD: tuple(sorted(OPEN)),
}
"""The states of letters that a job is of where nobody says which."""

SEARCH = "search"
"""The kind of a job that looks at letters, and does nothing with them."""


class JobState(StrEnum):
    """Where a job is. Those of `ACTIVE` go on by themselves; a paused or stopped one waits for a person."""

    PLANNED = "planned"
    CANARY = "canary"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    DONE = "done"


ACTIVE = frozenset({JobState.PLANNED, JobState.CANARY, JobState.RUNNING})
"""The states in which workers take letters of a job."""
WAITING_FOR_A_PERSON = frozenset({JobState.PAUSED, JobState.STOPPED})
"""The states from which a job is resumed."""

AT_ONCE = 500
"""Most letters that are sent in one transaction."""
UNDER_WAY = 500
"""How many letters of a slow job may be sent and not have ended: so many may still fail after it has stopped."""
MOST_UNDER_WAY = 5_000
"""The same of a fast one."""
_UNDER_WAY_SECONDS = 2.0
WINDOW = 100
"""How many of those that ended last are judged."""
ENOUGH = 20
"""From how many on they are judged, when the canary is through."""
_BURST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job at one moment. `idle`: seconds for which its rate was not used. `waiting`: whether letters are to be sent.

    `under_way`: letters that were sent and have not ended. `ended` and `failed`: of the last ones that ended since it
    was started or resumed.
    """

    state: JobState
    rate: float
    idle: float
    waiting: bool
    under_way: int
    ended: int = 0
    failed: int = 0
    canary_left: int = 0
    stop_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What comes next: the job's state, why it stops, and at most how many letters are sent now."""

    state: JobState
    send: int = 0
    why: str = ""


def next_step(job: Progress) -> Step:
    """The next step of an active job."""
    if not job.waiting and not job.under_way:
        return Step(state=JobState.DONE)
    canary = job.state is not JobState.RUNNING and _canary_goes_on(job)
    if job.waiting and not canary and (why := _too_many_failed(job)):
        return Step(state=JobState.STOPPED, why=why)
    room = min(allowed(job.rate, job.idle), AT_ONCE, under_way(job.rate) - job.under_way)
    if canary:
        room = min(room, job.canary_left)
    return Step(state=JobState.CANARY if canary else JobState.RUNNING, send=max(room, 0) if job.waiting else 0)


def allowed(rate: float, idle: float) -> int:
    """How many letters may be sent at once by one who sent none for so long: never more than those of a second."""
    return floor(rate * min(idle, burst(rate)) + 1e-9)


def under_way(rate: float) -> int:
    """How many letters may be sent and not have ended: those of two seconds, so that a rate can be reached."""
    return floor(min(max(UNDER_WAY, rate * _UNDER_WAY_SECONDS), MOST_UNDER_WAY))


def burst(rate: float) -> float:
    """The seconds of a rate that may be used at once: one, or as long as one letter takes."""
    return max(_BURST, 1 / rate)


def _canary_goes_on(job: Progress) -> bool:
    return bool(job.canary_left and job.waiting) or (bool(job.under_way) and job.state is JobState.CANARY)


def _too_many_failed(job: Progress) -> str:
    """Why the job stops, if it does. Behind the canary a few letters say nothing yet."""
    if (job.state is JobState.RUNNING and job.ended < ENOUGH) or job.failed <= job.stop_ratio * job.ended:
        return ""
    return f"{job.failed} of the last {job.ended} letters failed again, more than {job.stop_ratio:.0%}"
