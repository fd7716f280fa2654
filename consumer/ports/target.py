"""The target: positions, batches, and what is asked beside them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Protocol, TypeVar

from consumer.core.breaking import BreakerStatus
from consumer.core.failure import Failure
from consumer.core.flags import Flag
from consumer.core.key_turns import Ids
from consumer.core.laps import Lap
from consumer.core.letters import Record, Standing, State
from consumer.core.pausing import Paused
from consumer.core.plan import Plan
from consumer.core.records import LastRecord, OffsetRange, RecordRef, TopicPartition
from consumer.core.writes import TableWrite

T = TypeVar("T")

NO_ROOM: Mapping[TopicPartition, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a partition without a position begins. `wait_for`: what it waits for (`consumer.core.waiting`)."""

    offset: int
    topic_id: str | None = None
    wait_for: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored of a group before a taking."""

    started: bool
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A partition that is ours under a new epoch, and where to read on.

    `last_record`: in front of the position; None when there is none or the position was set by hand. `paused`: by a
    person, so it is not read on. `key_ids`: of what is in front of the position, as far as that is known.
    """

    at: TopicPartition
    epoch: int
    next_offset: int
    last_record: LastRecord | None = None
    topic_id: str | None = None
    wait_for: Mapping[str, int] | None = None
    paused: Paused | None = None
    key_ids: Ids = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored position. `stopped`: why its living owner does not go on. `wait_for`: as in `Start`. `key_ids`: as in
    `Taken`.
    """

    at: TopicPartition
    next_offset: int
    epoch: int
    owner: str | None = None
    wait_for: Mapping[str, int] | None = None
    stopped: Mapping[str, object] | None = None
    key_ids: Ids = field(default_factory=dict)


class Outcome(Enum):
    """What became of a batch whose COMMIT was not answered."""

    COMMITTED = "committed"
    NOT_COMMITTED = "not committed"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A committed batch. Durations in seconds by step, as the ledger has them; `laps`: when its steps began, too.

    `closed`: how many older letters of its rows it has closed, by the state that they got.
    """

    plan: Plan
    seconds: float
    durations: Mapping[str, float]
    laps: tuple[Lap, ...] = ()
    closed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Hours for which what has come to its end is kept: rows of the ledger, closed letters with their bytes, changes of
    tables; columns of rows whose key changed; comparisons and recoveries.
    """

    ledger: float = 72.0
    closed_letters: float = 720.0
    moved: float = 24.0
    changes: float = 8760.0
    workflows: float = 2160.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What need not be kept, of which a part was deleted. `more`: there may be more; `failures`: of what failed."""

    more: bool = False
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """The sessions for short questions: how many there may be, are open and used, and how many questions wait for one.

    Since the start: questions that were `asked`, and seconds that they `waited` for a session.
    """

    limit: int
    open: int
    used: int
    waiting: int
    asked: int
    waited: float


class Breaker(Protocol):
    """Keeps questions from a server that is away; for any thread."""

    def ask(self, question: Callable[[], T]) -> T:
        """The answer. Raises what the question raises, and Transient at once, unasked, while the server is away.

        After some time one question is let through, and the others only when that one was answered.
        """
        ...

    def failed(self, failure: Failure) -> None:
        """What was asked without it failed; only what says that the server is away counts, and each failure once."""
        ...

    def answered(self) -> None:
        """What was asked without it was answered."""
        ...

    def ask_soon(self) -> bool:
        """Let the next question through, whenever it comes; False where all are, because the server is not away."""
        ...

    def due(self) -> bool:
        """Whether the server is away, and the next question would be let through to see whether it is back."""
        ...

    def status(self) -> BreakerStatus:
        """Its state now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """Open letters of one partition, with one kind of failure, that are not at rest.

    `state`: they are tried again or sent again; dead ones only wait to be published. `unpublished`: so do all of these.
    `often`: all of these were tried so often that what is there by now would have come.
    """

    at: TopicPartition
    kind: str
    state: State
    unpublished: bool
    letters: int
    often: bool = False


class Overview(Protocol):
    """What those ask of the target who only look. Raises Transient."""

    def stored(self) -> list[Stored]:
        """All positions of the group."""
        ...

    def open_letters(self) -> int:
        """How many letters of the group are open."""
        ...

    def underway(self, ends: Mapping[TopicPartition, int]) -> list[Underway]:
        """The letters of records in front of these ends that are not at rest."""
        ...

    def off(self) -> Collection[Flag]:
        """The flags that are switched off."""
        ...


class Sink(Protocol):
    """The target: one session, used by one thread."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def known(self) -> Known: ...
    def seed(self, starts: Mapping[TopicPartition, Start]) -> None: ...
    def take(self, starts: Mapping[TopicPartition, Start], *, again: bool = False) -> list[Taken]: ...
    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None: ...
    def asked(self) -> list[TopicPartition]: ...
    def begin_anew(self, at: TopicPartition, epoch: int, start: Start) -> None: ...
    def wait(self, at: TopicPartition, epoch: int, wait_for: Mapping[str, int]) -> None: ...
    def relied_on(self, topics: Collection[str], *, leaving: bool = False) -> Mapping[str, Collection[str]]: ...
    def stored(self) -> list[Stored]: ...
    def letters(self, origins: Collection[RecordRef]) -> list[Standing]: ...
    def unique_ones(self, letter: Standing) -> list[Standing]: ...
    def records(self, letters: Sequence[Standing], *, original: bool = False) -> list[Record]: ...
    def place(self, letter: Standing, write: TableWrite) -> None: ...
    def is_of(self, letter: Standing, write: TableWrite) -> bool: ...
    def apply(
        self, plan: Plan, room: Mapping[TopicPartition, int] = NO_ROOM, within: float | None = None
    ) -> Applied: ...
    def resolve(self, applied: Applied, failure: Failure) -> Outcome: ...
    def prune(self, keep: Retention) -> Pruned: ...
    def marks(self) -> list[OffsetRange]: ...
