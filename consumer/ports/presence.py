"""What a worker says of itself, and what it is told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from consumer.core.breaking import BreakerStatus
from consumer.core.flags import Flag
from consumer.core.pressure import Strain
from consumer.core.priority import Priority
from consumer.core.records import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """The batch that is being applied, for so many seconds by now."""

    partitions: int
    records: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """What a worker does not read under pressure, and why: since when (seconds since 1970), and the topics."""

    level: int
    strain: Strain
    why: str
    since: float
    priorities: Sequence[Priority]
    topics: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A worker as it is. `partitions`: those that it holds.

    `every`: seconds until the next report. `metrics_port`: where its metrics are served. `flags_off`: the flags that
    are off, as it has heard. `held_back`: what it does not read under pressure.
    """

    state: str
    every: float
    partitions: Collection[TopicPartition]
    batch: InHand | None
    queue_batches: int
    queue_bytes: int
    rss_bytes: int | None
    breakers: Sequence[BreakerStatus]
    metrics_port: int | None = None
    flags_off: Collection[str] = ()
    held_back: HeldBack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What this worker was told to do, and to what."""

    id: int
    action: str
    subject: str


class Board(Protocol):
    """Where workers report and find what was decided; used by one thread. Raises HeadraceError."""

    def heard(self, timeout: float) -> bool:
        """Whether something was decided, after at most so many seconds; what was missed is seen by looking."""
        ...

    def report(self, report: Report) -> None:
        """Write down how this worker is."""
        ...

    def wanted(self) -> bool:
        """Whether partitions of this worker are to be taken anew."""
        ...

    def commands(self) -> list[Told]:
        """What this worker is told to do; each is given out once."""
        ...

    def flags_off(self) -> frozenset[Flag]:
        """The flags that are off."""
        ...

    def answer(self, command: int, outcome: str) -> None:
        """What came of a command."""
        ...

    def reloaded(self, ago: float, outcome: str) -> None:
        """Settings were read again because of a signal, so many seconds ago: kept as if it had been a command."""
        ...

    def take_anew(self) -> int:
        """Ask for all partitions of this worker; returns how many."""
        ...

    def prune(self, hours: float) -> None:
        """Forget workers that are gone, and old commands."""
        ...

    def leave(self) -> None:
        """This worker ends in order."""
        ...

    def close(self) -> None:
        """End the session."""
        ...
