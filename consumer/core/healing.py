"""What the service does by itself to put something right, and how often it may. No clock here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from consumer.core.connectors import Connector


class Act(StrEnum):
    """What was done."""

    RECONNECTED = "reconnected"
    RESIZED = "batches resized"
    SET_ASIDE = "set aside"
    GOES_ON = "goes on"
    SERVER_BACK = "server back"
    RESOURCES_BACK = "resources back"
    SESSION_REBUILT = "session rebuilt"
    CLIENT_ANEW = "client made anew"
    WORKER_RESTARTED = "worker restarted"
    WORKER_GIVEN_UP = "worker given up"
    TASK_RESTARTED = "connector restarted"
    TASK_GIVEN_UP = "connector given up"
    LOCKS_RELEASED = "locks released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """An act as it is kept: of which worker, on what, why, and how often in a row."""

    id: int
    act: str
    subject: str
    detail: str
    worker: str
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBudget:
    """How often what has failed may be started again: `most` within `window` seconds, and how long after the last."""

    most: int
    window: float = 3600.0
    first: float = 10.0

    def due(self, tried: Sequence[float]) -> bool:
        """Whether it may be started again, when that was done so many seconds ago each time."""
        lately = [ago for ago in tried if ago < self.window]
        if len(lately) >= self.most:
            return False
        # the second try waits twice as long as the first
        return not lately or min(lately) >= self.first * 2.0 ** (len(lately) - 1)

    def spent(self, tried: Sequence[float]) -> bool:
        """Whether nothing is left of it."""
        return len([ago for ago in tried if ago < self.window]) >= self.most


def to_restart(
    connectors: Sequence[Connector],
    tried: Mapping[str, Sequence[float]],
    budget: RestartBudget,
    reads: Callable[[str], bool],
) -> tuple[list[Connector], list[Connector]]:
    """The connectors with something that has failed: those to start again now, and those that are given up.

    Only those that are known to write what is read: Kafka Connect may have others, which are not ours to touch.
    """
    broken = [one for one in connectors if one.condition == "failed" and one.writes(reads)]
    due = [one for one in broken if budget.due(tried.get(one.name, ()))]
    return due, [one for one in broken if budget.most and budget.spent(tried.get(one.name, ()))]
