"""What the pipeline needs from the outside, as protocols; the edges implement them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

import polars as pl

from consumer.core.breaking import BreakerStatus
from consumer.core.envelope import Column
from consumer.core.failure import Failure, Persistent, Transient
from consumer.core.letterhead import Letterhead
from consumer.core.letters import Record, Standing, State
from consumer.core.plan import Binding, BindingKey, Plan, StagedColumn, TableName, TargetTable
from consumer.core.records import Header, HeadersOf, OffsetRange, RecordRef, TopicPartition, no_headers

T = TypeVar("T")


class BadDatum(Exception):
    """One datum can't be decoded: `index` says which of the values given; the cause says why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """The rows of all sound data, in order; of each bad datum its index among the data, and the reason."""

    frame: pl.DataFrame
    bad: Mapping[int, str]

    def whole(self) -> pl.DataFrame:
        """The frame, if nothing is missing from it. Raises BadDatum for the first bad datum."""
        if self.bad:
            first = min(self.bad)
            raise BadDatum(first, self.bad[first])
        return self.frame


class Decoder(Protocol):
    """Turns Avro data of one writer schema into columns."""

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
        """Decode `data` (bodies without their frame) into one row each, with the top-level `fields`.

        `schema` is a rewritten schema (JSON text). Both implementations return the same columns and types for what both
        can read; what is marked AS_TEXT comes as JSON text. Each datum must be consumed to its last byte. Raises
        BadDatum for the first one that isn't, or whose wanted values aren't of their types; no other datum is
        affected by it.
        """
        ...

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Sifted:
        """Decode as `decode` does, and leave out what it would raise BadDatum for if it stood alone.

        The frame has its columns and types even when all data are bad.
        """
        ...


class Registry(Protocol):
    """Schemas by id, asked for from several threads. `name` tells one registry's ids from another's."""

    @property
    def name(self) -> str: ...

    def schema(self, schema_id: int) -> str:
        """The schema's JSON text. Raises Transient when the registry is away, Persistent when the id is unknown."""
        ...


class Encoder(Protocol):
    """Turns columns into a binary COPY stream."""

    def encode(self, frame: pl.DataFrame, columns: Sequence[StagedColumn]) -> tuple[bytes, ...]:
        """The whole stream, in pieces; `frame` has the columns by name, carried for their staging types."""
        ...


class Bindings(Protocol):
    """What is known of topics, schemas and target tables, without asking anyone."""

    def find(self, key: BindingKey) -> Binding | None:
        """The binding, or None when it has to be made first."""
        ...

    def of_topic(self, topic: str, key_frame: bytes | None) -> Binding | None:
        """Any binding of a table with this key schema, made from values of the topic."""
        ...


class Catalog(Protocol):
    """What bindings ask of the target. Raises Transient."""

    def read_table(self, name: TableName) -> TargetTable | None:
        """The table, or None when there is none of that name."""
        ...

    def create_table(self, name: TableName, columns: Sequence[Column], identity: Sequence[str]) -> None:
        """Create a missing table with the identity as primary key."""
        ...

    def claim_table(self, name: TableName, topic: str) -> str:
        """The topic of the group that has the table: this one, unless another had it before."""
        ...

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """Keep schemas for when the registry is away."""
        ...

    def recall_schemas(self, registry: str, ids: Sequence[int]) -> dict[int, str]:
        """Those of the schemas that were kept before."""
        ...

    def remember_source(self, topic: str, key_schema: int, names: Mapping[str, str | None]) -> None:
        """Keep what the source calls the table of a topic and key schema."""
        ...

    def recall_source(self, topic: str, key_schema: int) -> Mapping[str, str | None] | None:
        """The names kept, or None when the group has never bound that topic and key schema."""
        ...


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
    """A partition that is ours under a new epoch, and where to read on."""

    at: TopicPartition
    epoch: int
    next_offset: int
    topic_id: str | None = None
    wait_for: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored position. `stopped`: why its living owner does not go on. `wait_for`: as in `Start`."""

    at: TopicPartition
    next_offset: int
    epoch: int
    owner: str | None = None
    wait_for: Mapping[str, int] | None = None
    stopped: Mapping[str, object] | None = None


class Fenced(Exception):
    """Another owner took these partitions, or moved them; nothing was written."""

    def __init__(self, partitions: tuple[TopicPartition, ...]) -> None:
        super().__init__(", ".join(map(str, partitions)))
        self.partitions = partitions


class CommitUnknown(Transient):
    """The connection was lost after COMMIT was sent: only the stored positions can tell what happened."""


class ConnectionLost(Transient):
    """The session is gone; whatever it had not committed is rolled back."""


class DataFault(Persistent):
    """The target refused the rows of a statement."""

    def __init__(self, failure: Failure, table: TableName | None) -> None:
        super().__init__(failure)
        self.table = table


class TableFault(Persistent):
    """The target refused the statement whatever its rows: no privilege, no such table or column."""

    def __init__(self, failure: Failure, table: TableName | None) -> None:
        super().__init__(failure)
        self.table = table


class LettersFull(Transient):
    """As many letters wait to be published as may; a batch with more of them is not applied."""


class Reconsider(Exception):
    """The batch has to be planned anew, and nothing was written.

    `refused`: records that can't be applied, and why. `freed`: records that need not wait any more.
    """

    def __init__(self, refused: Mapping[RecordRef, Failure], freed: Iterable[RecordRef] = ()) -> None:
        self.freed = frozenset(freed)
        super().__init__(f"{len(refused)} records refused, {len(self.freed)} freed")
        self.refused = refused


class Outcome(Enum):
    """What became of a batch whose COMMIT was not answered."""

    COMMITTED = "committed"
    NOT_COMMITTED = "not committed"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A committed batch. Durations in seconds by step."""

    plan: Plan
    seconds: float
    durations: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Hours for which what has come to its end is kept: rows of the ledger, closed letters with their bytes."""

    ledger: float = 72.0
    closed_letters: float = 720.0


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

    def status(self) -> BreakerStatus:
        """Its state now."""
        ...


class Overview(Protocol):
    """What those ask of the target who only look. Raises Transient."""

    def stored(self) -> list[Stored]:
        """All positions of the group."""
        ...

    def open_letters(self) -> int:
        """How many letters of the group are open."""
        ...


class Sink(Protocol):
    """The target: one session, used by one thread."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def known(self) -> Known: ...
    def seed(self, starts: Mapping[TopicPartition, Start]) -> None: ...
    def take(self, starts: Mapping[TopicPartition, Start]) -> list[Taken]: ...
    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None: ...
    def asked(self) -> list[TopicPartition]: ...
    def wait(self, at: TopicPartition, epoch: int, wait_for: Mapping[str, int]) -> None: ...
    def relied_on(self, topics: Collection[str]) -> Mapping[str, Collection[str]]: ...
    def stored(self) -> list[Stored]: ...
    def letter(self, origin: RecordRef) -> Standing | None: ...
    def followers(self, number: int, most: int) -> list[Standing]: ...
    def apply(self, plan: Plan) -> Applied: ...
    def resolve(self, plan: Plan) -> Outcome: ...
    def prune(self, keep: Retention) -> bool: ...
    def marks(self, partitions: Sequence[TopicPartition]) -> list[OffsetRange]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Consecutive records of one partition as they came off the topic."""

    at: TopicPartition
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    appended_ms: int
    leader_epoch: int | None
    size: int
    # of the record at an offset
    headers: HeadersOf = no_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What one poll brought: records, ends of partitions reached, partitions that can't be read on behind them."""

    fetched: Sequence[Fetched] = ()
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    broken: Mapping[TopicPartition, Failure] = field(default_factory=dict)


class Listener(Protocol):
    """Who is told of assignments; called from within `Source.poll`, on its thread."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> None: ...
    def revoked(self, partitions: Sequence[TopicPartition]) -> None: ...
    def lost(self, partitions: Sequence[TopicPartition]) -> None: ...


class Source(Protocol):
    """The topics: one member of a consumer group, used by one thread."""

    def open(self, listener: Listener) -> None:
        """Join the group. Assigned partitions start paused."""
        ...

    def poll(self, limit: int, timeout: float) -> Intake:
        """At most `limit` records, after at most `timeout` seconds; serves the group's callbacks.

        Raises Persistent when the client can't go on or no broker takes its credentials.
        """
        ...

    def start(self, at: TopicPartition, offset: int) -> bool:
        """Seek and resume an assigned partition; False when the client is not ready for it yet."""
        ...

    def pause(self, partitions: Sequence[TopicPartition]) -> None: ...
    def resume(self, partitions: Sequence[TopicPartition]) -> None: ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell the group, for lag tools only; asynchronous, failures are logged and never raised."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What of a topic decides how its records are applied: whether its cleanup policy compacts, its partitions."""

    compacted: bool
    partitions: int


class Offsets(Protocol):
    """Questions about topics, asked apart from reading."""

    def matching(self) -> frozenset[TopicPartition]:
        """Every partition that exists now and that the settings select."""
        ...

    def initial(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        """Where they begin by `kafka.initial`."""
        ...

    def log_start(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        """The first offset that each log still has."""
        ...

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after each log's last record."""
        ...

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """The topics' ids, for those that exist."""
        ...

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        """What the topics are like now, for those that exist."""
        ...


class Origins(Protocol):
    """Records at their origin, read again one by one."""

    def fetch(self, ref: RecordRef) -> Record | None:
        """The record, or None when it is not in the log any more. Raises Transient."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How much a log still has: offsets below `start` are gone, those below `leaving` may be gone soon."""

    start: int
    leaving: int = 0


class Logs(Protocol):
    """Questions about how long logs keep their records. Raises Transient, or Persistent for credentials."""

    def reach(self, partitions: Sequence[TopicPartition], hours: float) -> Mapping[TopicPartition, Reach]:
        """What may leave each log within so many hours; of those that are not known nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """An open letter whose record leaves its log, or is `gone`. `kept`: the letter has the record's bytes."""

    id: int
    origin: RecordRef
    table: str | None
    gone: bool
    kept: bool


class Pointers(Protocol):
    """Open letters that point to their records, or whose copies do; used by one thread. Raises Transient."""

    def partitions(self, after: TopicPartition | None, most: int) -> list[TopicPartition]:
        """Where their records lie, in order, behind `after`."""
        ...

    def part(self, reaches: Mapping[TopicPartition, Reach], most: int) -> list[Parting]:
        """Note at most so many whose record is leaving or gone. Each comes once for either, whoever asks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTopic:
    """A topic for copies of letters. `retention` in seconds."""

    name: str
    partitions: int
    retention: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """The copy of a letter at one attempt, to be published. A pointer has key and headers, but no value."""

    id: int
    attempt: int
    topic: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of a copy: where it lies, or the failure. `too_large`: only a smaller one would be taken."""

    id: int
    attempt: int
    topic: str
    partition: int | None = None
    offset: int | None = None
    failure: Failure | None = None
    too_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unposted:
    """A letter whose copy is to be published: its state, letterhead and record; a pointer has no value."""

    id: int
    state: State
    head: Letterhead
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)


class Outbox(Protocol):
    """The letters whose copies are still to be published. Raises Transient."""

    def claim(self, most: int, seconds: float) -> list[Unposted]:
        """At most so many, oldest first, which nobody else gets for so many seconds."""
        ...

    def confirm(self, posted: Sequence[Posted]) -> None:
        """Note where copies lie; those that failed may be claimed again at once."""
        ...

    def republish(self) -> int:
        """Have copies published again that are overdue by twice their delay; returns how many."""
        ...


class Letterbox(Protocol):
    """Where copies of letters are published; used by one thread. Publishing only follows what the database knows."""

    def ensure(self, topics: Sequence[LetterTopic]) -> None:
        """Make the topics that are missing, look at the others. Raises Transient, or Persistent for credentials.

        A topic whose settings may lose or remove copies is left as it is and named in the log.
        """
        ...

    def post(self, letters: Sequence[Outgoing]) -> int:
        """Queue copies; returns how many were taken, from the first on: fewer when the queue is full.

        Waits for nobody. Each copy that was taken comes back from `posted` once, whatever becomes of it.
        """
        ...

    def posted(self) -> list[Posted]:
        """What became of copies since the last call."""
        ...

    def flush(self, timeout: float) -> int:
        """Wait at most `timeout` seconds until everything posted is settled; returns how many copies are not."""
        ...

    def close(self) -> None:
        """Give up what is still queued; `posted` then says so."""
        ...
