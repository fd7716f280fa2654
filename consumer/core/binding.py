"""What turns records of a schema into writes, and what has to be done to their table first."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from consumer.core.checks import Check
from consumer.core.doubts import Doubt
from consumer.core.envelope import Column, WriterSchema
from consumer.core.failure import Failure
from consumer.core.meaning import Meaning
from consumer.core.modes import Mode, OnTruncate, SoftDelete
from consumer.core.records import OffsetRange
from consumer.core.rewriting import Rewritten
from consumer.core.runs import Run
from consumer.core.shaping import Shape
from consumer.core.steps import AddLabel, DropColumn, Step, TableShape
from consumer.core.target import FilledColumn, TableName, TargetColumn, TargetTable
from consumer.core.types import Carriage
from consumer.core.writes import StagedColumn


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

    @property
    def spelled(self) -> bool:
        """Whether the table takes values for one that differ at the source, and keeps each as it was spelled."""
        target = self.target
        if target.type_name == "numeric":
            return target.digits is None and self.how.meaning in _SPELLED_NUMBERS
        return target.collation is not None or target.type_name in _SPELLED


_SPELLED = frozenset({"citext", "interval"})
_SPELLED_NUMBERS = frozenset({Meaning.NUMBER_TEXT, Meaning.SCALED_DECIMAL})


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
    word. `source`: what the source calls the table (`db`, `schema`, `table`), as far as the target's name follows it; a
    change of another one is not of this binding. `filled`: the table's columns that its rows are written into, as far
    as they were read from a catalog.
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
    meta: tuple[StagedColumn, ...] = ()
    may_lack: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    shape: Shape | None = None
    unreadable: Failure | None = None
    spoiled: tuple[OffsetRange, ...] = ()
    evolutions: tuple[Evolution, ...] = ()
    labels: Mapping[str, Collection[str]] = field(default_factory=dict)
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    source: Mapping[str, str | None] = field(default_factory=dict)
    filled: tuple[FilledColumn, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # once, since each write of each batch has it
        object.__setattr__(self, "filled", tuple(self._filled()))

    def _filled(self) -> Iterator[FilledColumn]:
        names = {column.target.name for column in self.columns} | {column.name for column in self.meta}
        names |= {self.soft.column} if self.soft else set()
        for column in self.table.columns if self.table else ():
            if column.name in names and column.exact is not None:
                yield FilledColumn(column.name, column.exact)

    def is_of(self, run: Run) -> bool:
        """Whether it is the binding of these records, too."""
        return not self.spoiled or all(any(map(partial(_holds, part), self.spoiled)) for part in run.ranges())

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns of images that what is written depends on."""
        return self.shape.inputs if self.shape else tuple(column.source for column in self.columns)

    @property
    def renewed(self) -> tuple[TargetColumn, ...]:
        """The table's own columns, which a row that is deleted and comes again has anew.

        But for those that we may not set, and those of unique indexes: other tables may refer to what is there.
        """
        if self.table is None or self.soft or self.replaces:
            return ()
        kept = self.table.referable.union(column.target.name for column in self.columns)
        own = (column for column in self.table.columns if column.name not in kept and not column.generated)
        return tuple(column for column in own if "UPDATE" not in column.lacks)

    @property
    def floored(self) -> bool:
        """Whether what is older than a truncate may come behind it, and is kept out by its version."""
        return self.truncate is OnTruncate.APPLY and self.version is not None

    @property
    def alone(self) -> bool:
        """Whether it holds only as long as its topic has one partition."""
        truncates = self.truncate is OnTruncate.APPLY and self.mode is not Mode.HISTORY
        return self.replaces or self.mode is Mode.MATCH or (truncates and self.version is None)


def _holds(part: OffsetRange, whole: OffsetRange) -> bool:
    return part.at == whole.at and whole.start <= part.start and part.end <= whole.end
