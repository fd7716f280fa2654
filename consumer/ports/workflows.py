"""Workflows that people gave, taken on turn by turn."""

from dataclasses import dataclass
from typing import Protocol

from consumer.core.workflow import State, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A turn that was taken, and what the workflow was before and is now."""

    workflow: int
    what: str
    act: str
    before: State
    state: State
    turn: Turn


class CutOff(Exception):
    """The process is to end: the turn is rolled back, and is another one's to take."""


class Workflows(Protocol):
    """The workflows of a group. Raises HeadraceError."""

    def turn(self, only: int | None = None) -> Turned | None:
        """Take a turn of a workflow that is due and that no other process is at, or of that `only`; None without one.

        All of it is one transaction with what it leaves.
        """
        ...
