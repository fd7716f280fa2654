"""Who changes target tables, and what is remembered of their changes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from consumer.core.binding import Evolution
from consumer.core.evolution import SourceColumn
from consumer.core.failure import Failure
from consumer.core.steps import Step, TableShape
from consumer.core.target import TableName, TargetTable


class State(Enum):
    """What became of a table's changes. The first three wait for something."""

    PLANNED = "planned"
    APPROVED = "approved"
    REFUSED = "refused"
    APPLIED = "applied"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A table as it will be when the steps are done, and their statements for people."""

    table: TargetTable
    shape: TableShape
    sql: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A schema that a table fits. `sources`: the columns that it has, each with the table's column that takes it, None
    where none does.

    `columns`: those of the table; `labels`: of its enums.
    """

    schema_id: int
    sources: Mapping[str, str | None]
    columns: Collection[str]
    labels: Mapping[str, Collection[str]]


class Shapes(Protocol):
    """Shapes of target tables and what is remembered of their changes. Raises Transient."""

    def read_shape(self, name: TableName) -> TableShape | None:
        """The table's shape, or None when there is none of that name."""
        ...

    def available(self, types: Sequence[str]) -> str:
        """The first of the types that the server has; the last one is taken without asking."""
        ...

    def rehearse(self, name: TableName, steps: Sequence[Step]) -> Rehearsed:
        """Do the steps with an empty copy that nobody sees; the table is not touched.

        Raises TableFault where the server does not take them, TableBusy where others do not let the table be looked at.
        """
        ...

    def unfit(self, name: TableName, steps: Sequence[Step]) -> Collection[Step]:
        """Those of the steps' defaults that their columns do not take, by such a copy. Raises as `rehearse` does."""
        ...

    def spell(self, name: TableName, steps: Sequence[Step]) -> tuple[str, ...]:
        """The steps as statements, for people."""
        ...

    def source_columns(self, name: TableName) -> Mapping[str, SourceColumn]:
        """The columns that the table's source has had, by its names."""
        ...

    def followed(self, name: TableName, fits: Followed) -> None:
        """Note that the table fits a schema, and the schema's columns: what was planned for it is superseded."""
        ...

    def slow(self, name: TableName) -> Collection[str]:
        """The statements of the table's changes that were not made in time when they were tried."""
        ...

    def propose(self, evolution: Evolution, state: State, why: Failure) -> State:
        """Note changes that are not made by themselves; returns APPROVED where a person has agreed to all of them.

        What a person agreed to stays so, whoever plans it again, beside whatever else.
        """
        ...
