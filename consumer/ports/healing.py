"""Where acts of self-healing are kept, and what else they need of the target."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from consumer.ports.facts import Healed


class HealingRecord(Protocol):
    """The target, used by one thread. Raises HeadraceError."""

    def keep(self, acts: Mapping[Healed, int]) -> None:
        """Write acts down, each with how often it was done."""
        ...

    def prune(self, hours: float) -> None:
        """Forget older ones."""
        ...


class Abandoned(Protocol):
    """Sessions that dead workers of the group have left behind. Raises HeadraceError."""

    def restarts(self, seconds: float) -> Mapping[str, Sequence[float]]:
        """By connector, how many seconds ago it was started again, of the last so many seconds."""
        ...

    def release(self) -> list[str]:
        """End those in whose way others stand; returns whose they were."""
        ...

    def teller(self) -> str | None:
        """The worker that acts for the group: the one that has lived longest; None while none lives."""
        ...
