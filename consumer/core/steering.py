"""What people decide about work that goes on by itself: jobs of letters, comparisons and recoveries."""

from enum import StrEnum


class Steer(StrEnum):
    """One decision. What was done stays whatever it is; who resumes, goes on where it was."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


def offered(*, active: bool, waits: bool) -> tuple[Steer, ...]:
    """What can be decided about something that goes on, or waits for a person, or neither."""
    if active:
        return (Steer.PAUSE, Steer.CANCEL)
    return (Steer.RESUME, Steer.CANCEL) if waits else ()
