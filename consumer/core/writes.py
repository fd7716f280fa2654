"""What is staged for a table, and what becomes of it there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

import polars as pl

from consumer.core.fold import SEQ
from consumer.core.letters import Record
from consumer.core.modes import SoftDelete
from consumer.core.records import RecordRef
from consumer.core.runs import Run, origin, recorded
from consumer.core.target import FilledColumn, TableName, TargetColumn


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


_IMAGES = (Action.UPSERT, Action.REPLACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedColumn:
    """A column of a staging table; `cast` is the target type where our SQL casts, `collation` and `hashes` as in
    `TargetColumn`, `spelled` as in `BoundColumn`."""

    name: str
    staging: str
    cast: str | None = None
    collation: str | None = None
    hashes: bool = True
    spelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where staged rows come from: `places` has one for each, counted through the runs laid end to end.

    `changes`: identity and SEQ of all changes of the runs, also of those that became letters; None where nobody asks.
    """

    runs: tuple[Run, ...] = field(repr=False)
    places: pl.Series = field(repr=False)
    changes: pl.DataFrame | None = field(default=None, repr=False)

    def ref(self, row: int) -> RecordRef:
        """The origin of a staged row; of a folded one that of its last change."""
        return origin(self.runs, self.places[row])

    def every(self) -> set[RecordRef]:
        """The origins of all changes of rows in the runs; none where nobody asks."""
        if self.changes is None:
            return set()
        refs = [RecordRef(run.piece.at, offset) for run in self.runs for offset in run.offsets]
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
    source's: the table's may change meanwhile. `rank`: as in `TargetTable`. `doubted`: columns whose null refuses a row
    that has a value there; of what is taken they are all null. `long`: those of them whose null refuses only one that
    has a long value there; all of them where rows are whole. `never_null`: those of them whose null is refused
    whatever the row has. `unsure`: of rows with all columns, which have a null that is doubted; None where none has.
    `unique`: an index of the table keeps its keys apart. `renewed`: as in `Binding`, where rows come again behind
    their deletes. `moved`: its rows go on under other keys, which the table may take for the same. `filled`: the
    table's columns of which it was looked whether they keep the values.
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
    long: frozenset[str] = frozenset()
    never_null: frozenset[str] = frozenset()
    unsure: pl.Series | None = field(default=None, repr=False)
    unique: bool = True
    renewed: tuple[TargetColumn, ...] = ()
    moved: bool = False
    filled: tuple[FilledColumn, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether it leaves something of some rows' old values: its rows lack columns, or may."""
        return self.action is Action.UPDATE or (self.action in _IMAGES and bool(self.doubted))

    def lacks(self, row: int) -> bool:
        """Whether it leaves something of this row's old values, or may."""
        return self.action is Action.UPDATE or (self.unsure is not None and bool(self.unsure[row]))

    @property
    def merges(self) -> bool:
        """Whether the table may take keys for one that differ here."""
        own = [column for column in self.columns if column.name in self.identity]
        return self.action is not Action.KEEP and any(column.cast or column.collation for column in own)

    @property
    def spelled(self) -> tuple[StagedColumn, ...]:
        """The key's columns that keep spellings of one value apart."""
        return tuple(column for column in self.columns if column.spelled and column.name in self.identity)

    @property
    def respells(self) -> bool:
        """Whether rows that it changes get the spelling of its keys."""
        return self.action in (Action.UPSERT, Action.TAKE) and self.unique and bool(self.spelled)

    @property
    def turn(self) -> tuple[int, TableName]:
        """Its place among the writes of one action: parents first, but the rows of children are deleted first.

        One order for all, so that two workers never wait for each other.
        """
        return -self.rank if self.action in (Action.DELETE, Action.REMOVE) else self.rank, self.table
