"""What a batch will do, as values."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from consumer.core.checks import Check
from consumer.core.doubts import Doubt
from consumer.core.envelope import Column, WriterSchema
from consumer.core.failure import Failure
from consumer.core.fold import SEQ
from consumer.core.laps import Lap
from consumer.core.letters import Letter, Record, Verdict
from consumer.core.modes import Mode, OnTruncate, SoftDelete
from consumer.core.records import OffsetRange, RecordRef, Slice, TopicPartition
from consumer.core.rewriting import Rewritten
from consumer.core.shaping import Shape
from consumer.core.steps import AddLabel, DropColumn, Step, TableShape
from consumer.core.types import Carriage, Kind

SourceTimes = Mapping[TopicPartition, tuple[int, int]]
"""By partition: oldest and newest source time, in milliseconds since 1970."""

Stamps = NDArray[np.int64]
"""Times of records, in milliseconds since 1970."""

Contexts = Sequence[tuple[RecordRef, str]]
"""What a column of some records says of their traces."""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A target table."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetColumn:
    """A target column as the catalog has it. `type_name` is pg_type.typname, `cast` its name in a cast, `item` what an
    array holds; `digits`, `length` and `masked` as in `Kind`; `collation` where that takes values that differ for one.

    `lacks`: the privileges on it that we do not have. `required`: it takes no null. `needed`: a new row has
    to be given a value of it, since neither a default nor a trigger does it.
    """

    name: str
    type_name: str
    cast: str
    is_enum: bool = False
    item: Kind | None = None
    digits: int | None = None
    length: int | None = None
    masked: bool = False
    collation: str | None = None
    identity: bool = False
    generated: bool = False
    required: bool = False
    needed: bool = False
    lacks: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind:
        """Its type, as values are carried into it."""
        return Kind(
            name=self.type_name,
            is_enum=self.is_enum,
            item=self.item,
            digits=self.digits,
            length=self.length,
            masked=self.masked,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTable:
    """A target table as the catalog has it. `unique`: column sets of its usable unique indexes.

    `lacks`: the privileges on all of it, or on its schema, that we do not have.
    `rank`: how many tables it refers to, directly or through others, so that parents come before their children.
    """

    name: TableName
    columns: tuple[TargetColumn, ...]
    unique: tuple[frozenset[str], ...]
    lacks: frozenset[str] = frozenset()
    rank: int = 0

    def column(self, name: str) -> TargetColumn | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """What has to be done to a table before rows of a schema go into it.

    `before` and `after`: the table's shape; None where there is no table. `sql`: the steps as statements, for people.
    `sources`: the source's columns, each with the table's one that takes it then, None where none does.
    """

    table: TableName
    topic: str
    schema_id: int
    steps: tuple[Step, ...]
    sql: tuple[str, ...]
    before: TableShape | None
    after: TableShape | None
    sources: Mapping[str, str | None] = field(default_factory=dict, compare=False)

    @property
    def labels(self) -> tuple[AddLabel, ...]:
        """The steps that need a transaction of their own."""
        return tuple(step for step in self.steps if isinstance(step, AddLabel))

    @property
    def dropped(self) -> frozenset[str]:
        """The columns that go: not with rows that still have them, which are of an older schema."""
        return frozenset(step.column for step in self.steps if isinstance(step, DropColumn))

    @property
    def rest(self) -> tuple[Step, ...]:
        """The steps that go with the rows."""
        return tuple(step for step in self.steps if not isinstance(step, AddLabel))


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundColumn:
    """A source column and the target column that takes it."""

    source: Column
    target: TargetColumn
    how: Carriage


class BindingKey(NamedTuple):
    """What a run of records has in common. Frames are the five bytes in front of an Avro datum.

    Those that stand for ids from elsewhere in the record mean something in this process alone.
    """

    topic: str
    key_frame: bytes | None
    value_frame: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Everything that turns the records of one (topic, key schema, value schema) into writes.

    `table` is None for records that are ignored by rule (heartbeats, transaction markers). `replaces`: no unique
    index of the table tells its rows apart, so they are deleted and inserted anew. `strict`: whatever comes behind a
    letter of its row waits. `version`: the target column that takes a change's position in its source, None where the
    rows are not guarded by one; it is among `columns`. `truncate`: what a truncate does to it. `soft`: how rows are
    marked as deleted; None where they are deleted. `mode`: whether the table has rows, or events, which have no
    identity; `key_columns` are then those of their keys, and `meta` what is said beside them. `may_lack`: the columns
    that the creates of key changes may lack. `checks`: what images have to keep to.
    `shape`: what the settings make of images. `identity` and the names in `columns`' sources are those of the shaped
    image, which are the source's; without any only truncates can be applied. `unreadable`: why none of the records can
    be read; `spoiled`: it is of these ranges alone, where it says nothing of other records. `evolutions`: what has to
    be done to the table first; it is bound as it is then. `labels`: those that the table's enums have then, by the
    source's columns, where others are to be added. `doubts`: the columns whose nulls in updates are not taken at their
    word.
    """

    schema: WriterSchema
    key_writer: Rewritten | None = None
    table: TargetTable | None = None
    columns: tuple[BoundColumn, ...] = ()
    identity: tuple[str, ...] = ()
    compacted: bool = False
    replaces: bool = False
    strict: bool = False
    version: str | None = None
    truncate: OnTruncate = OnTruncate.STOP
    soft: SoftDelete | None = None
    mode: Mode = Mode.ROWS
    key_columns: tuple[str, ...] = ()
    meta: tuple["StagedColumn", ...] = ()
    may_lack: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    shape: Shape | None = None
    unreadable: Failure | None = None
    spoiled: tuple[OffsetRange, ...] = ()
    evolutions: tuple[Evolution, ...] = ()
    labels: Mapping[str, Collection[str]] = field(default_factory=dict)
    doubts: Mapping[str, Doubt] = field(default_factory=dict)

    def is_of(self, run: "Run") -> bool:
        """Whether it is the binding of these records, too."""
        return not self.spoiled or all(any(map(partial(_holds, part), self.spoiled)) for part in run.ranges())

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns of images that what is written depends on."""
        return self.shape.inputs if self.shape else tuple(column.source for column in self.columns)

    @property
    def floored(self) -> bool:
        """Whether what is older than a truncate may come behind it, and is kept out by its version."""
        return self.truncate is OnTruncate.APPLY and self.version is not None

    @property
    def alone(self) -> bool:
        """Whether it holds only as long as its topic has one partition."""
        truncates = self.truncate is OnTruncate.APPLY and self.mode is not Mode.HISTORY
        return self.replaces or self.mode is Mode.MATCH or (truncates and self.version is None)


class Action(Enum):
    """What a staged set of rows does to its table, in the order in which a stage does it.

    LOOK_UP: nothing; the rows are identities that letters are known by. KEEP: some columns of rows that go on under
    another key are kept apart. TAKE: upsert rows with the columns that were kept for them. REMOVE: as many rows as are
    staged, each of them equal to one of these. INSERT: rows of their own, which need be like no others.
    """

    LOOK_UP = "look up"
    KEEP = "keep"
    DELETE = "delete"
    UPSERT = "upsert"
    REPLACE = "replace"
    UPDATE = "update"
    TAKE = "take"
    REMOVE = "remove"
    INSERT = "insert"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedColumn:
    """A column of a staging table; `cast` is the target type where our SQL casts, `collation` as in `TargetColumn`."""

    name: str
    staging: str
    cast: str | None = None
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where staged rows come from: `places` has one for each, counted through the runs laid end to end.

    `changes`: identity and SEQ of all changes of the runs, also of those that became letters; None where nobody asks.
    """

    runs: tuple["Run", ...] = field(repr=False)
    places: pl.Series = field(repr=False)
    changes: pl.DataFrame | None = field(default=None, repr=False)

    def ref(self, row: int) -> RecordRef:
        """The origin of a staged row; of a folded one that of its last change."""
        return origin(self.runs, self.places[row])

    def every(self) -> set[RecordRef]:
        """The origins of all changes of rows in the runs; none where nobody asks."""
        if self.changes is None:
            return set()
        refs = [RecordRef(run.piece.at, offset) for run in self.runs for offset in _offsets(run)]
        return {refs[place] for place in self.changes[SEQ]}

    def record(self, row: int) -> Record:
        """The record that a staged row is from; of a folded one its last change."""
        return recorded(self.runs, self.places[row])

    def alone(self, rows: Collection[int]) -> bool:
        """Whether each of these staged rows is all that the runs say of its identity."""
        if self.changes is None:
            return False
        keys = [name for name in self.changes.columns if name != SEQ]
        own = self.changes.filter(pl.col(SEQ).is_in(self.places[sorted(rows)].implode())).select(keys)
        return self.changes.join(own, on=keys, how="semi")[SEQ].n_unique() == len(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWrite:
    """One staging load and what it does. `payload`: a whole binary COPY stream.

    `fresh`: every row is from a snapshot or an insert, so a plain INSERT may be tried first. `strict`: its rows wait
    behind any letter of theirs. `version`, `soft`: as in `Binding`; the version is staged. `floored`: a truncate keeps
    it out where it is older. `moving`: the columns that are kept, taken or compared, with their types. `required`: of
    those that are compared the ones that take no null. `kept_as`: the names under which they are kept, which are the
    source's: the table's may change meanwhile. `rank`: as in `TargetTable`. `doubted`: columns whose
    null refuses a row that has a value there; of what is taken they are all null.
    """

    table: TableName
    action: Action
    columns: tuple[StagedColumn, ...]
    identity: tuple[str, ...]
    rows: int
    payload: tuple[bytes, ...] = field(repr=False)
    origins: Origins = field(repr=False)
    fresh: bool = False
    overriding: bool = False
    strict: bool = False
    version: str | None = None
    floored: bool = False
    moving: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    kept_as: Mapping[str, str] = field(default_factory=dict)
    soft: SoftDelete | None = None
    rank: int = 0
    doubted: frozenset[str] = frozenset()

    @property
    def merges(self) -> bool:
        """Whether the table may take keys for one that differ here."""
        own = [column for column in self.columns if column.name in self.identity]
        return self.action is not Action.KEEP and any(column.cast or column.collation for column in own)

    @property
    def turn(self) -> tuple[int, TableName]:
        """Its place among the writes of one action: parents first, but the rows of children are deleted first.

        One order for all, so that two workers never wait for each other.
        """
        return -self.rank if self.action in (Action.DELETE, Action.REMOVE) else self.rank, self.table


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Letters of one table's block, and the rows that their places count; none where no row is known."""

    letters: tuple[Letter, ...]
    table: TableName | None = None
    identities: TableWrite | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """The source emptied a table. `refs`: the last record of each partition that says so.

    With a `version` column only rows older than `position` go; where there is none, its topic has one partition.
    `soft`: as in `Binding`.
    """

    table: TableName
    refs: tuple[RecordRef, ...]
    version: str | None = None
    position: int | None = None
    soft: SoftDelete | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Truncates, then writes of disjoint rows, and the letters that stand beside them."""

    writes: tuple[TableWrite, ...] = ()
    letters: tuple[Aside, ...] = ()
    truncates: tuple[Truncate, ...] = ()

    def staged(self) -> list[TableWrite]:
        """Everything that needs a staging table."""
        return [*self.writes, *(aside.identities for aside in self.letters if aside.identities is not None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Records of a batch by outcome."""

    records: int = 0
    upserts: int = 0
    deletes: int = 0
    ignored: int = 0
    folded: int = 0
    letters: int = 0
    truncates: int = 0

    def lettered(self, rows: int, *, deletes: bool) -> "Counts":
        """The same, when so many rows became letters instead."""
        if deletes:
            return replace(self, deletes=self.deletes - rows, letters=self.letters + rows)
        return replace(self, upserts=self.upserts - rows, letters=self.letters + rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One transaction: stages run one after the other, the writes of a stage touch disjoint rows."""

    slices: tuple[Slice, ...]
    stages: tuple[Stage, ...]
    counts: Counts = field(default_factory=lambda: Counts())
    # letters that came back, which this transaction brings further
    verdicts: tuple[Verdict, ...] = ()
    # by partition, oldest and newest source time in milliseconds; none of one whose records have no time
    source_times: SourceTimes = field(default_factory=dict)
    # the source's times of all its records, in no order; 0 where the source does not know
    stamps: Sequence[Stamps] = field(default=(), repr=False, compare=False)
    # how many records are of which table, without those that became letters or mean nothing
    tables: Mapping[TableName, int] = field(default_factory=dict)
    # how long it took to make
    laps: tuple[Lap, ...] = ()
    # how many data were read by which decoder
    decoded: Mapping[str, int] = field(default_factory=dict)
    # what was read with its records and is left out of it: partitions, and the kinds of failures that are why
    left_out: Mapping[TopicPartition, str] = field(default_factory=dict)
    # trace contexts of some of its records, from a column of theirs
    contexts: Contexts = ()
    # changes of tables that its rows need first
    evolutions: tuple[Evolution, ...] = ()

    @property
    def source_ms(self) -> tuple[int, int] | None:
        """Oldest and newest source time of the batch in milliseconds, None when no record has one."""
        times = self.source_times.values()
        return (min(oldest for oldest, _ in times), max(newest for _, newest in times)) if times else None

    @property
    def writes(self) -> list[TableWrite]:
        """All writes in order."""
        return [write for stage in self.stages for write in stage.writes]

    @property
    def letters(self) -> list[Letter]:
        """All letters in order."""
        return [letter for stage in self.stages for aside in stage.letters for letter in aside.letters]

    def evolving(self) -> list[Evolution]:
        """The changes of tables that are made with it."""
        used = {
            (write.table, name)
            for write in self.writes
            for name in (*(column.name for column in write.columns), *write.moving)
        }
        return [each for each in self.evolutions if not any((each.table, name) in used for name in each.dropped)]

    def with_letters(self, number: int, asides: Sequence[Aside]) -> "Plan":
        """The plan as it was applied, when rows of a stage became letters while it was."""
        writes = list(self.stages[number].writes)
        counts, tables = self.counts, Counter(self.tables)
        for aside in asides:
            place = next(place for place, write in enumerate(writes) if write is aside.identities)
            left = len(aside.letters)
            counts = counts.lettered(left, deletes=writes[place].action is Action.DELETE)
            tables[writes[place].table] -= left
            writes[place] = replace(writes[place], rows=writes[place].rows - left)
        stage = replace(self.stages[number], writes=tuple(writes), letters=(*self.stages[number].letters, *asides))
        stages = (*self.stages[:number], stage, *self.stages[number + 1 :])
        return replace(self, stages=stages, counts=counts, tables=tables)

    @property
    def truncates(self) -> list[Truncate]:
        """All truncates in order."""
        return [one for stage in self.stages for one in stage.truncates]

    @property
    def size(self) -> int:
        """Bytes held: raw records and COPY streams."""
        copies = sum(len(chunk) for write in self.writes for chunk in write.payload)
        return copies + sum(piece.size for piece in self.slices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive records of a slice with one key schema and one value schema: `[start, end)` in its lists."""

    piece: Slice
    start: int
    end: int
    key_frame: bytes | None
    value_frame: bytes | None

    def ranges(self) -> Iterator[OffsetRange]:
        """Its offsets without what is between them: of letters these are other records, which may be sound."""
        offsets = _offsets(self)
        start = before = offsets[0]
        for offset in offsets[1:]:
            if offset > before + 1:
                yield OffsetRange(self.piece.at, start, before + 1)
                start = offset
            before = offset
        yield OffsetRange(self.piece.at, start, before + 1)


def _holds(part: OffsetRange, whole: OffsetRange) -> bool:
    return part.at == whole.at and whole.start <= part.start and part.end <= whole.end


def _offsets(run: Run) -> Sequence[int]:
    return run.piece.offsets[run.start : run.end]


def frame(raw: bytes | None) -> bytes | None:
    """The five bytes in front of an Avro datum: zero, then the schema id, big-endian. None for no datum."""
    return None if raw is None else raw[:5]


def runs(piece: Slice, borders: Collection[int] = ()) -> list[Run]:
    """Cut a slice where a schema changes, and in front of some offsets. Tombstones belong to the run around them."""
    value_frames = {value[:5] for value in piece.values if value is not None}
    key_frames = {key[:5] for key in piece.keys if key is not None}
    if None in piece.keys:
        key_frames.add(b"")
    if len(value_frames) <= 1 and len(key_frames) <= 1 and not borders:
        only_key = next(iter(key_frames), b"") or None
        only_value = next(iter(value_frames), None)
        whole = Run(piece=piece, start=0, end=len(piece), key_frame=only_key, value_frame=only_value)
        return [whole] if len(piece) else []
    return _cut(piece, borders) if len(piece) else []


def _cut(piece: Slice, borders: Collection[int]) -> list[Run]:
    found: list[Run] = []
    start = 0
    current: tuple[bytes | None, bytes | None] = (frame(piece.keys[0]), frame(piece.values[0]))
    for index in range(1, len(piece)):
        here = (frame(piece.keys[index]), frame(piece.values[index]))
        joined = None if piece.offsets[index] in borders else _joined(current, here)
        if joined is None:
            found.append(Run(piece=piece, start=start, end=index, key_frame=current[0], value_frame=current[1]))
            start, current = index, here
        else:
            current = joined
    found.append(Run(piece=piece, start=start, end=len(piece), key_frame=current[0], value_frame=current[1]))
    return found


def _joined(
    run: tuple[bytes | None, bytes | None], here: tuple[bytes | None, bytes | None]
) -> tuple[bytes | None, bytes | None] | None:
    """The run's frames with one more record in it, or None when the record begins a new run."""
    if run[0] != here[0]:
        return None
    if run[1] is None or here[1] is None or run[1] == here[1]:
        return (run[0], run[1] or here[1])
    return None


def origin(group: Sequence[Run], index: int) -> RecordRef:
    """The record at `index` of the runs laid end to end."""
    for run in group:
        length = run.end - run.start
        if index < length:
            return RecordRef(run.piece.at, run.piece.offsets[run.start + index])
        index -= length
    raise IndexError(index)


def recorded(group: Sequence[Run], index: int) -> Record:
    """The record at `index` of the runs laid end to end, as it lay in its topic."""
    for run in group:
        length = run.end - run.start
        if index < length:
            return _record(run.piece, run.start + index)
        index -= length
    raise IndexError(index)


def _record(piece: Slice, at: int) -> Record:
    ref = RecordRef(piece.at, piece.offsets[at])
    key, value = piece.keys[at], piece.values[at]
    if piece.framing is not None:
        key, value = (None if raw is None else piece.framing.bare(raw) for raw in (key, value))
    return Record(ref=ref, key=key, value=value, headers=piece.headers(ref.offset))
