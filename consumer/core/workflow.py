"""Workflows: what a turn of a step came to, and where that leaves the workflow. Rules without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a workflow is. Those of `ACTIVE` go on by themselves; a paused or stopped one waits for a person."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    DONE = "done"


ACTIVE = frozenset({State.PLANNED, State.RUNNING})
"""The states in which turns are taken."""
WAITING_FOR_A_PERSON = frozenset({State.PAUSED, State.STOPPED})
"""The states from which a workflow is resumed."""


class Outcome(StrEnum):
    """What becomes of a step by a turn."""

    GOES_ON = "goes on"
    DONE = "done"
    STOPS = "stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A step whose turn it is. `progress`: what its last turn left; `subject`: what it is about."""

    workflow: int
    kind: str
    step: int
    act: str
    subject: Mapping[str, Any]
    progress: Mapping[str, Any]
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn that was taken. `wait`: seconds until the next; `why`: of one that waits for a person, or is held up."""

    progress: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = Outcome.GOES_ON
    wait: float = 0.0
    why: str = ""


def after(turn: Turn, *, last: bool) -> State:
    """The workflow's state behind a turn of its step; `last`: no step comes after."""
    if turn.outcome is Outcome.STOPS:
        return State.STOPPED
    return State.DONE if turn.outcome is Outcome.DONE and last else State.RUNNING
