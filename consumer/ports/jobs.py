"""Jobs that people gave: letters that are sent again, or given up, bit by bit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from consumer.core.jobs import AT_ONCE, JobState, Progress, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """A step of a job that was taken: how many letters were acted on, or looked at, and how many were passed over."""

    job: int
    kind: str
    before: JobState
    step: Step
    acted: int
    skipped: int

    @property
    def more(self) -> bool:
        """Whether the next step need not wait."""
        return self.skipped > 0 or self.acted >= AT_ONCE


class Jobs(Protocol):
    """The jobs of a group. Raises Transient."""

    def step(self, decide: Callable[[Progress], Step]) -> Stepped | None:
        """Take the next step of the job whose turn it is, and that no other worker is at; None when there is none.

        All of it is one transaction: what was sent is marked so, or was not sent.
        """
        ...
