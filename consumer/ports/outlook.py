"""What is known of a whole group, whoever of it runs: asked of the target and Kafka by one process, and kept there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from consumer.core.lag import Lag, Place
from consumer.core.trend import Trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """Letters of the group: by open state how many, and when the oldest failed first; the retry lane's due ones."""

    open: Mapping[str, tuple[int, datetime]] = field(default_factory=dict)
    due: int = 0
    overdue: int = 0
    unpublished: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A table: up to which source time it is complete, None while that is not known."""

    table: str
    complete_to: datetime | None
    newest_change: datetime | None
    records: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A table that was compared with its source: when it was last, and how many rows differed, by verdict."""

    table: str
    at: datetime
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest record of the source's heartbeat topic, and when it came (seconds since 1970)."""

    topic: str
    appended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the target knows. `sizes`: bytes of the control schema's tables. `heartbeat`: the last that was kept."""

    letters: Letters = field(default_factory=Letters)
    tables: Sequence[Fresh] = ()
    compared: Sequence[Compared] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    heartbeat: Heartbeat | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A partition's lag, and how it goes."""

    lag: Lag
    trend: Trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A look at the group."""

    at: datetime
    partitions: Sequence[Judged]
    heartbeat: Heartbeat | None
    stored: Stored


class Outlook(Protocol):
    """The target, asked about the group by one thread. Raises HeadraceError."""

    def teller(self) -> str | None:
        """The worker that tells of the group: the one that has lived longest; None while none lives."""
        ...

    def places(self) -> tuple[datetime, list[Place]]:
        """All partitions, and the target's time in front of that."""
        ...

    def keep(self, at: datetime, partitions: Sequence[Judged], heartbeat: Heartbeat | None) -> None:
        """Write down what was seen, for whoever asks the target.

        Of a partition whose lag is not known that is its trend alone: what was seen of it before stays, with its time.
        """
        ...

    def stored(self) -> Stored:
        """What the target knows."""
        ...
