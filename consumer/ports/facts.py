"""What the pipeline tells of itself, to whoever watches.

A fact is told once for a batch or an event, never for a record. Whoever hears it answers at once, raises nothing and
keeps nothing of the records.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from consumer.core.failure import Failure
from consumer.core.healing import Act
from consumer.core.laps import Lap
from consumer.core.plan import Plan
from consumer.core.records import Slice
from consumer.ports.letters import Outgoing
from consumer.ports.target import Applied


class Route(StrEnum):
    """What is done about a failure."""

    RETRY = "retry_topic"
    HELD = "held"
    DEAD = "dead_letter"
    WAITED = "waited_for"
    AGAIN = "tried_again"
    WAITS = "partition_waits"
    STOPPED = "partition_stopped"
    LATER = "later"
    ENDED = "worker_ended"


class Pause(StrEnum):
    """Why partitions are not read for a while."""

    BEHIND = "target_behind"
    STOPPED = "stopped"
    PERSON = "person"
    SCHEMA = "schema"
    LEADER = "leader"
    FORBIDDEN = "forbidden"
    ROWS = "other_rows"
    MEMORY = "memory"
    LATENCY = "latency"
    AWAY = "target_recovering"
    QUEUE = "queue"


class Shift(StrEnum):
    """What a rebalance of the group does to partitions."""

    ASSIGNED = "assigned"
    REVOKED = "revoked"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The apply thread begins with a batch, or with letters that came back (`lane`). `polled`: how it was read."""

    slices: Sequence[Slice]
    lane: bool
    polled: Lap | None


@dataclass(frozen=True, slots=True)
class Ended:
    """It is done with it, whatever became of it."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """The transaction that begins is this batch of the ledger."""

    batch: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch is in the target."""

    applied: Applied


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A batch was rolled back after so many seconds; what is done about it is told by who decides that."""

    plan: Plan
    failure: Failure
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Something failed, and what is done about it."""

    failure: Failure
    route: Route


@dataclass(frozen=True, slots=True)
class Halted:
    """So many partitions are not read on, for a reason."""

    why: Pause
    partitions: int


@dataclass(frozen=True, slots=True)
class Shifted:
    """The group moved so many partitions."""

    how: Shift
    partitions: int


@dataclass(frozen=True, slots=True)
class Overtaken:
    """So many partitions were taken by another owner before this one had heard of it."""

    partitions: int


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """The group was not told of positions, which costs nothing but the view of lag tools. `code`: Kafka's word."""

    code: str


@dataclass(frozen=True, slots=True)
class Healed:
    """The service has put something right by itself, or has done what it can; kept for people."""

    act: Act
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Copies of letters were sent. `failures`: why some were not taken, or got no answer; these are sent again."""

    copies: Sequence[Outgoing]
    failures: Sequence[Failure]
    lap: Lap


Fact = (
    Began
    | Ended
    | Numbered
    | Committed
    | Undone
    | Failed
    | Halted
    | Shifted
    | Overtaken
    | Uncommitted
    | Healed
    | Published
)
Tell = Callable[[Fact], None]


def untold(fact: Fact) -> None:
    """Nobody watches."""
