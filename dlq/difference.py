"""A letter against the target: what its record would make of the row that is there now.

It is planned and written as any record, in a transaction that is rolled back. So rules, casts, constraints, triggers
and versions have their say, and nothing stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from consumer.applying.apart import Apart, NotPlanned, slice_of
from consumer.binding.binder import Binder
from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, located
from consumer.core.letters import Record
from consumer.core.plan import Plan
from consumer.core.target import TableName
from consumer.core.wording import HIDDEN
from consumer.core.writes import Action, TableWrite
from consumer.edges.postgres.comparing import Compared, compared
from consumer.planning.planner import Planner
from consumer.ports.refusals import DataFault, TableFault
from dlq.masking import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A column of the row: what it has now, what it would have, both as PostgreSQL's text, and whether that differs."""

    column: str
    now: str | None = field(repr=False)
    then: str | None = field(repr=False)
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a record would do. `effect`: `insert`, `update`, `delete` or `nothing`; None where it can't be said.

    `refused`: why it would not be applied. `kept_out`: the row's version is newer. `why`: what is to be known beside
    that, in words.
    """

    table: str | None
    effect: str | None
    cells: tuple[Cell, ...] = ()
    refused: Failure | None = None
    kept_out: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Weigher:
    """Plans a letter's record as a worker would; makes and keeps bindings of its own, for one thread."""

    planner: Planner
    binder: Binder
    known: KnownBindings

    def plan(self, record: Record) -> Plan:
        """The record alone, by what its table is now. Raises NotPlanned, DataFault, Transient."""
        self.binder.forget_topic(record.ref.at.topic)
        return Apart(self.planner, self.binder).plan([record])

    def source_names(self, record: Record) -> dict[str, str]:
        """What the source calls the columns of the record's table."""
        (run,) = self.planner.runs(slice_of([record]))
        binding = self.known.find(BindingKey(record.ref.at.topic, run.key_frame, run.value_frame))
        return {} if binding is None else {column.target.name: column.source.name for column in binding.columns}


def difference(connection: psycopg.Connection, group: str, record: Record, weigher: Weigher, mask: Mask) -> Difference:
    """What a record would make of its row. Raises Transient where a server is away, or the row busy."""
    try:
        plan = weigher.plan(record)
    except NotPlanned as error:
        return Difference(table=None, effect=None, refused=located(error.failures[record.ref], *record.ref))
    except DataFault as fault:
        return Difference(table=_named(fault.table), effect=None, refused=fault.failure)
    if plan.evolutions:
        return Difference(table=str(plan.evolutions[0].table), effect=None, why=_EVOLVES)
    if plan.letters:
        return Difference(table=None, effect=None, refused=plan.letters[0].failure)
    writes = _ordered(plan)
    if not writes:
        return Difference(table=None, effect="nothing", why="It means nothing to a table.")
    if not writes[-1].identity:
        return Difference(table=_named(writes[-1].table), effect="insert", why=_EVENTS)
    try:
        found = compared(connection, group, writes)
    except (DataFault, TableFault) as fault:
        return Difference(table=str(writes[-1].table), effect=None, refused=fault.failure)
    cells = _cells(found, str(writes[-1].table), weigher.source_names(record), mask)
    return Difference(table=str(writes[-1].table), effect=_effect(found), cells=tuple(cells), kept_out=found.kept_out)


def _cells(found: Compared, table: str, names: Mapping[str, str], mask: Mask) -> Iterator[Cell]:
    nothing = ((None, None),) * len(found.columns)
    for name, now, then in zip(found.columns, found.before or nothing, found.after or nothing, strict=True):
        cell = Cell(column=name, now=now[0], then=then[0], changed=now != then)
        yield _hidden(cell, table, names.get(name, name), mask)


def _hidden(cell: Cell, table: str, source: str, mask: Mask) -> Cell:
    if not (mask.hides(table, cell.column) or mask.hides(table, source)):
        return cell
    now, then = (None if text is None else HIDDEN for text in (cell.now, cell.then))
    return Cell(column=cell.column, now=now, then=then, changed=cell.changed)


def _effect(found: Compared) -> str:
    if found.before == found.after:
        return "nothing"
    if found.before is None:
        return "insert"
    return "delete" if found.after is None else "update"


def _ordered(plan: Plan) -> Sequence[TableWrite]:
    """The writes as a stage does them."""
    order = list(Action)
    return sorted(plan.writes, key=lambda write: order.index(write.action))


def _named(table: TableName | None) -> str | None:
    return None if table is None else str(table)


_EVOLVES = "The table is changed before rows of this schema go into it: see headrace schema plan."
_EVENTS = "The table has events, not rows: it is added."
