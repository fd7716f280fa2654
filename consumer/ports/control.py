"""What people ask of workers and tables and tell them, as values and a port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from consumer.core.flags import Flag, FlagSet
from consumer.core.healing import Healing
from consumer.core.lag import Going, Lag, Place, worst
from consumer.core.pausing import Paused, Subject
from consumer.core.records import TopicPartition
from consumer.ports.desk import Note

# reports that may be missed, and seconds that one may be late: a machine that is busy is not gone
_MISSED, _LATE = 5, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker process as it reported itself `quiet` seconds ago.

    `partitions`: topic and partition; older versions report the end of its log, too. `batch`: partitions, records and
    seconds of what it applies. `breakers`: name, state, since, failures in a row, kind and detail of the last one.
    `flags_off`: the flags that are off, as it has heard.
    `held_back`: what it does not read under pressure: level, strain, why, since, priorities, topics.
    """

    name: str
    host: str
    pid: int
    version: str
    state: str
    started_at: datetime
    seen_at: datetime
    quiet: float
    every: float
    partitions: list[list[Any]]
    batch: dict[str, Any] | None
    queue_batches: int
    queue_bytes: int
    rss_bytes: int | None
    breakers: list[dict[str, Any]]
    metrics_port: int | None
    flags_off: list[str] = field(default_factory=list)
    held_back: dict[str, Any] | None = None

    @property
    def gone(self) -> bool:
        """Whether it reports no more, without having left in order."""
        return self.quiet > _MISSED * self.every + _LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A topic of a group and the table that it is bound to, None while it is to none.

    `parts`: its partitions, and why those stand that do not go on; how far their logs reach is not asked for.
    `letters`: open ones of its records. `batch`, `applied_at`: the last batch that wrote the table, if it is among the
    newest ones.
    """

    table: str | None
    topic: str
    parts: list[Lag]
    letters: int
    dead: int
    batch: int | None
    applied_at: datetime | None

    @property
    def going(self) -> Going:
        """How the partition is that is worst."""
        return worst(part.going for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """A pause that was begun or ended, and the partitions that it holds. `changed`: it was not so before."""

    pause: Paused
    partitions: list[TopicPartition]
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a worker was told to do, and what came of it. `outcome`: None while it has not said."""

    id: int
    worker: str
    action: str
    subject: str
    actor: str
    reason: str
    asked_at: datetime
    done_at: datetime | None
    outcome: str | None


class Control(Protocol):
    """Workers and tables as people see them, and what they are told. Raises HeadraceError."""

    def workers(self) -> list[Worker]:
        """All that report, and those that did lately."""
        ...

    def tables(self) -> list[TableState]:
        """By topic, those of tables first."""
        ...

    def pauses(self) -> list[Paused]:
        """What is paused."""
        ...

    def pause(self, subject: Subject, note: Note) -> Switched | None:
        """From when this returns, no batch of its partitions is committed. None when the group has nothing of it."""
        ...

    def resume(self, subject: Subject, note: Note) -> Switched | None:
        """End a pause; its owners take the partitions anew. None when there is none of exactly this."""
        ...

    def flags(self) -> list[FlagSet]:
        """The flags that somebody has set."""
        ...

    def set_flag(self, flag: Flag, on: bool | None, note: Note) -> bool:
        """Set a flag, or (None) have it be as if nobody had; returns whether it is another way than before."""
        ...

    def tell(self, action: str, subject: str, workers: Sequence[str], note: Note) -> list[int]:
        """Have each of the workers carry something out, once; returns the commands' ids."""
        ...

    def healed(self, most: int) -> list[Healing]:
        """What was put right without a hand, the newest first, at most so many."""
        ...

    def told(self, commands: Sequence[int]) -> list[Command]:
        """What came of commands."""
        ...


class Surveyed(Protocol):
    """The group's partitions, and its audit, for what else is asked for them. Raises HeadraceError."""

    def places(self) -> list[Place]:
        """All partitions, by topic and number."""
        ...

    def note(self, action: str, details: Mapping[str, Any], note: Note) -> None:
        """Write down what somebody does elsewhere."""
        ...
