"""What people ask and decide about a group's batches and positions, as values and a port."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from consumer.core.decision import Decision, Held, Letters
from consumer.core.records import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A row of the ledger. `ranges`: topic, partition, position before and after, epoch (since there is one).

    `outcomes`, of an applied one: `records` by what became of them, `letters` by table and state, `closed` and
    `returned` letters by state, and `left_out`, what was read with it: topic, partition, kind of failure.
    """

    id: int
    state: str
    attempt: int
    worker: str
    records: int
    ranges: list[list[Any]]
    tables: dict[str, dict[str, int]]
    error: dict[str, str] | None
    started_at: datetime
    finished_at: datetime | None
    durations: dict[str, float]
    clocks: dict[str, int]
    outcomes: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A batch's part of one partition, and the position that is stored of it `now`."""

    topic: str
    partition: int
    start: int
    end: int
    epoch: int | None
    now: int | None

    @property
    def passed(self) -> bool:
        """Whether the position is behind it, by this batch or by another."""
        return self.now is not None and self.now >= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A stored position. `stopped`: why its owner, who may be gone, did not go on."""

    topic: str
    partition: int
    next_offset: int
    epoch: int
    owner: str | None
    owner_lives: bool
    stopped: dict[str, Any] | None
    wait_for: dict[str, int] | None
    updated_at: datetime
    again_at: datetime | None

    @property
    def at(self) -> TopicPartition:
        """The partition."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which batches, newest first: those that match all that is given. `before`: smaller ids than this one."""

    state: str | None = None
    topic: str | None = None
    since: datetime | None = None
    before: int | None = None
    most: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Born:
    """A letter of a batch's record, as it is now."""

    id: int
    state: str
    kind: str
    topic: str
    partition: int
    offset: int
    table: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """A change of a target table: one statement, and why it is needed."""

    id: int
    table: str
    topic: str
    schema_id: int
    change: str
    statement: str
    why: str
    state: str
    kind: str | None
    reason: str | None
    remedy: str | None
    planned_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decided_why: str | None
    applied_by: str | None
    applied_at: datetime | None
    error: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Changes that a person has agreed to, and the partitions that go on with them."""

    changes: list[int]
    partitions: list[TopicPartition]


@dataclass(frozen=True, slots=True)
class Note:
    """Who decided, and why; it is kept."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A position that was set, its new epoch, and the letters that were given up with it."""

    before: Held
    after: Decision
    epoch: int
    discarded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What somebody decided or looked at, and why. `details`: what it was before and is now."""

    id: int
    happened_at: datetime
    actor: str
    action: str
    topic: str | None
    partition: int | None
    letters: list[int] | None
    reason: str
    details: dict[str, Any]


class Desk(Protocol):
    """The control schema as people see it. Raises HeadraceError."""

    def batches(self, page: Page) -> list[Batch]: ...
    def batch(self, number: int) -> Batch | None: ...
    def checkpoints(self, number: int) -> list[Checkpoint]:
        """The batch's partitions, in its order."""
        ...

    def letters_of(self, number: int, most: int) -> list[Born]:
        """Letters of the batch's records."""
        ...

    def positions(self, topic: str | None, *, stopped: bool, most: int) -> list[Position]: ...

    def schema_changes(self, table: str | None, *, waiting: bool, most: int) -> list[SchemaChange]:
        """Changes of tables, newest first; `waiting`: only those that are neither made nor superseded, in the order in
        which they are to be made.
        """
        ...

    def approve(self, changes: Sequence[int], note: Note) -> Approved:
        """Agree to planned changes, and have the partitions that wait for them taken anew."""
        ...

    def retry(self, partitions: Sequence[TopicPartition], note: Note) -> list[TopicPartition]:
        """Have owners take partitions anew, whatever stopped them; returns those that have a position."""
        ...

    def deeds(self, *, actor: str | None, action: str | None, before: int | None, most: int) -> list[Deed]:
        """What people did, newest first; `before`: with smaller ids than this one."""
        ...


class Movable(Protocol):
    """Stored positions as they are decided about. Raises HeadraceError."""

    def held(self, at: TopicPartition) -> Held | None:
        """A position as it is now, None when there is none."""
        ...

    def open_letters(self, at: TopicPartition, first: int) -> int:
        """How many letters of a partition are open from an offset on."""
        ...

    def move(self, at: TopicPartition, decide: Callable[[Held, Letters], Decision], note: Note) -> Moved:
        """Set a position to what is decided about it while nobody can move it; letters of a topic made anew go with it.

        Raises whatever `decide` raises; then nothing is changed.
        """
        ...
