"""What a batch will do, as values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from consumer.core.binding import Evolution
from consumer.core.key_turns import Ids, KeyRun
from consumer.core.laps import Lap
from consumer.core.letters import Letter, Verdict
from consumer.core.modes import SoftDelete
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.stamps import Stamps
from consumer.core.target import TableName
from consumer.core.writes import Action, TableWrite


class Times(NamedTuple):
    """Source times of records, in milliseconds since 1970. `changed`: the newest one of what is no snapshot read.

    A read has the time of the read, however much of what the log has before it is not there yet: of an incremental
    snapshot the changes behind it in the log may be older.
    """

    oldest: int
    newest: int
    changed: int | None

    def widened(self, more: "Times") -> "Times":
        """Of these records and more of them."""
        changed = [one for one in (self.changed, more.changed) if one is not None]
        return Times(min(self.oldest, more.oldest), max(self.newest, more.newest), max(changed, default=None))


SourceTimes = Mapping[TopicPartition, Times]
"""By partition."""
Contexts = Sequence[tuple[RecordRef, str]]
"""What a column of some records says of their traces."""


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
    # none of a partition whose records have no time
    source_times: SourceTimes = field(default_factory=dict)
    # the source's times of all its records, of those too that became letters
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
    # where keys begin to have a schema's id, each partition's in order
    key_runs: Sequence[KeyRun] = ()
    # all ids that keys of a partition have had, where some are new
    key_ids: Mapping[TopicPartition, Ids] = field(default_factory=dict)

    @property
    def source_ms(self) -> tuple[int, int] | None:
        """Oldest and newest source time of the batch in milliseconds, None when no record has one."""
        times = self.source_times.values()
        return (min(one.oldest for one in times), max(one.newest for one in times)) if times else None

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
