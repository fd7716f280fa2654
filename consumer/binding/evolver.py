"""Target tables that follow their source: what a schema needs of its table is planned, decided and remembered.

Nothing is changed here. The steps go with the bindings into the batches whose rows need them; until these are
committed, everything of the table is bound to what it will be then.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog

from consumer.core.binding import Evolution
from consumer.core.evolution import Answer, Follow, Obstacle, Planned, Wanted, answer, gone, planned
from consumer.core.failure import Failure, Persistent, failed
from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.kinds import KINDS
from consumer.core.naming import MAX_BYTES, BadName
from consumer.core.steps import (
    AddColumn,
    Change,
    CreateTable,
    DropColumn,
    NewColumn,
    SetDefault,
    Step,
    TableShape,
    apart,
    by_hand,
    chosen,
    without,
)
from consumer.core.target import TableName, TargetTable
from consumer.ports.bindings import Catalog
from consumer.ports.evolution import Followed, State
from consumer.ports.refusals import TableBusy

log = structlog.get_logger("headrace.bind")

_UNFIT = "the target's column does not take the source's default, which no row rests on"
_OFF = "changes of tables are switched off (schema-evolution)"
_SWITCH_ON = (
    "Have them made again: headrace flags set schema-evolution on; or make this one by hand, then Headrace goes on by "
    "itself. headrace schema plan has its statement."
)
_LEFT = "columns of the table stay as they are: newer rows of the source do not have them"
_LEFT_REMEDY = (
    "If the source has dropped them, drop them in the table, or set evolution.drop. If it still has them, they come "
    "with snapshots alone, as generated columns of PostgreSQL do, and are wrong from the first change on: make them "
    "generated columns of the table too, or drop them there and exclude them in the table's settings."
)
_SLOW = "; and it took longer than target.batch_deadline when it was tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How tables follow their source: by target table, and the others."""

    others: Follow = field(default_factory=Follow)
    tables: Mapping[str, Follow] = field(default_factory=dict)

    def of(self, table: TableName) -> Follow:
        """How this one does."""
        return self.tables.get(str(table), self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A table that takes a schema's rows once its evolutions are made. `names`: as in `Planned`; `labels`: as in
    `Binding`."""

    table: TargetTable
    evolutions: tuple[Evolution, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Collection[str]] = field(default_factory=dict)
    # whether bindings that were made before do not hold any more
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """What a table will be, and what leads there from what it is."""

    table: TargetTable
    shape: TableShape
    evolutions: tuple[Evolution, ...]


class Evolver:
    """Belongs to whoever makes bindings: one thread at a time."""

    def __init__(self, catalog: Catalog, follow: Callable[[TableName], Follow], switches: Switches = ALL_ON) -> None:
        self._catalog = catalog
        self._switches = switches
        self._follow = follow
        self._pending: dict[TableName, _Pending] = {}
        # labels that rows have brought and their table did not have, by table and column
        self._met: dict[TableName, dict[str, tuple[str, ...]]] = {}
        # columns of which it is said that their default is left out
        self._said: set[tuple[TableName, str]] = set()
        # schemas of which it is said that columns of the table are left alone
        self._told: set[tuple[TableName, int]] = set()

    def fit(self, wanted: Wanted) -> Fitted:
        """The table as it will be, with what leads there. Raises Persistent, BadName, Transient."""
        name = wanted.table
        wanted = self._with_met(wanted)
        pending = self._pending.get(name)
        shape = pending.shape if pending else self._catalog.read_shape(name)
        found = self._planned(pending, shape, wanted)
        self._require_allowed(shape, wanted, found.steps)
        wanted = replace(wanted, sources=_taken_by(wanted, found.names))
        drops = tuple(step for step in found.steps if isinstance(step, DropColumn))
        steps = tuple(step for step in found.steps if step not in drops)
        staying = self._rehearsed(pending, shape, wanted, steps) if steps else pending
        shape = staying.shape if staying else shape
        # rows of older schemas may still come with a column that goes, so they are bound to a table that has it
        leaving = self._rehearsed(staying, shape, wanted, drops) if drops else staying
        evolutions = leaving.evolutions if leaving else ()
        self._require_approval(wanted, evolutions[len(pending.evolutions) if pending else 0 :])
        if staying:
            self._pending[name] = staying
        assert shape is not None, "there is a table by now"
        self._tell_left(leaving.shape if leaving else shape, wanted)
        table = staying.table if staying else self._catalog.read_table(name)
        if table is None:
            raise Persistent(_failure("table.missing", f"the target has no table {name}"))
        if not evolutions:
            self._catalog.followed(name, _followed(shape, wanted))
        return Fitted(
            table=table,
            evolutions=evolutions,
            names=found.names,
            labels=self._labels(shape, wanted, found.names),
            moved=bool(steps),
        )

    def _tell_left(self, shape: TableShape, wanted: Wanted) -> None:
        """Say once a schema which columns have values of older schemas, while its rows bring nothing for them."""
        there = {column.name for column in shape.columns if not column.fixed}
        left = sorted(there & gone(self._catalog.source_columns(wanted.table), wanted, again=True))
        if left and (wanted.table, wanted.schema_id) not in self._told:
            self._told.add((wanted.table, wanted.schema_id))
            log.warning(_LEFT, table=str(wanted.table), schema=wanted.schema_id, columns=left, remedy=_LEFT_REMEDY)

    def meet(self, table: TableName, labels: Mapping[str, Sequence[str]]) -> bool:
        """Remember labels of enums that rows have brought; returns whether any of them is new."""
        met = self._met.setdefault(table, {})
        before = dict(met)
        for column, found in labels.items():
            met[column] = tuple(dict.fromkeys((*met.get(column, ()), *found)))
        return met != before

    def _with_met(self, wanted: Wanted) -> Wanted:
        """With the labels that rows have brought."""
        met = self._met.get(wanted.table)
        if not met:
            return wanted
        columns = (replace(column, brought=met.get(column.source, ())) for column in wanted.columns)
        return replace(wanted, columns=tuple(columns))

    def _labels(self, shape: TableShape, wanted: Wanted, names: Mapping[str, str]) -> dict[str, frozenset[str]]:
        """The labels of the table's enums once all steps are made, by source column; none where they are kept."""
        if self._follow(wanted.table).keeps(Change.LABEL):
            return {}
        found = {}
        for column in wanted.columns:
            there = shape.column(names.get(column.name, column.name))
            if column.labels and there is not None and there.labels is not None:
                found[column.source] = frozenset((*there.labels.labels, *column.brought))
        return found

    def forget(self, table: TableName | None) -> None:
        """Look at a table (None: all) as it is, when it is asked for again."""
        for name in [name for name in self._pending if table in (None, name)]:
            del self._pending[name]

    def topics_of(self, tables: Collection[str]) -> set[str]:
        """The topics for whose sake tables of these names are to be changed."""
        return {
            evolution.topic
            for name, each in self._pending.items()
            if str(name) in tables
            for evolution in each.evolutions
        }

    def forget_topic(self, topic: str) -> None:
        """Look at the table of a topic as it is, when it is asked for again."""
        for name in [name for name, each in self._pending.items() if each.evolutions[-1].topic == topic]:
            del self._pending[name]

    def _planned(self, before: _Pending | None, shape: TableShape | None, wanted: Wanted) -> Planned:
        follow = self._follow(wanted.table)
        if shape is not None and not follow.keeps(Change.DROP):
            wanted = replace(wanted, gone=gone(self._catalog.source_columns(wanted.table), wanted))
        found = planned(shape, wanted, follow)
        if found.obstacles:
            self._refuse(shape, wanted, _steps_by_hand(found.obstacles), self._obstructed(wanted, found.obstacles))
        _check_names(found.steps)
        steps = tuple(chosen(step, self._catalog.available) for step in found.steps)
        return replace(found, steps=without(steps, self._unfit(before, wanted, apart(steps))))

    def _unfit(self, before: _Pending | None, wanted: Wanted, steps: Sequence[Step]) -> Collection[Step]:
        """The defaults that their columns do not take: they are left out, since nothing of the rows rests on them."""
        if not any(isinstance(step, SetDefault) for step in steps):
            return ()
        staying = [step for step in steps if not isinstance(step, DropColumn)]
        with _waited_for(wanted.table):
            unfit = self._catalog.unfit(wanted.table, [*_steps(before), *staying])
        for step in unfit:
            assert isinstance(step, SetDefault), "nothing else is left out"
            if (wanted.table, step.column) not in self._said:
                self._said.add((wanted.table, step.column))
                log.warning("default is not followed", table=str(wanted.table), column=step.column, reason=_UNFIT)
        return unfit

    def _require_allowed(self, shape: TableShape | None, wanted: Wanted, steps: Sequence[Step]) -> None:
        """Raises Persistent for steps that the settings or the role do not allow."""
        if steps and shape is not None and not shape.owned:
            self._refuse(shape, wanted, steps, self._not_owned(wanted, steps))
        if answer(steps, self._follow(wanted.table).answers) is Answer.REFUSE:
            self._refuse(shape, wanted, steps, self._refused(wanted, steps))

    def _rehearsed(
        self, before: _Pending | None, shape: TableShape | None, wanted: Wanted, steps: tuple[Step, ...]
    ) -> _Pending:
        """The table with these steps behind those that it waits for already. Raises Persistent, Transient."""
        earlier = before.evolutions if before else ()
        with _waited_for(wanted.table):
            rehearsed = self._catalog.rehearse(wanted.table, [*_steps(before), *steps])
        # the copy has no triggers
        after = replace(rehearsed.shape, triggered=shape is not None and shape.triggered)
        evolution = _evolution(wanted, steps, rehearsed.sql[-len(steps) :], shape, after)
        return _Pending(table=rehearsed.table, shape=after, evolutions=(*earlier, evolution))

    def _require_approval(self, wanted: Wanted, evolutions: Sequence[Evolution]) -> None:
        """Raises Persistent unless a person has agreed to all steps that are not made by themselves, and always while
        tables are not to be changed.
        """
        answers = self._follow(wanted.table).answers
        off = not self._switches.on(Flag.SCHEMA_EVOLUTION)
        steps = [pair for each in evolutions for pair in zip(each.steps, each.sql, strict=True)]
        slow = self._catalog.slow(wanted.table) if steps else ()
        asked = [(step, sql) for step, sql in steps if off or sql in slow or answer([step], answers) is Answer.APPROVE]
        if not asked:
            return
        alone, statements = zip(*asked, strict=True)
        why = _failure("table.approval", _told(wanted.table, alone) + (_SLOW if {*statements} & {*slow} else ""))
        if off:
            why = replace(why, detail=f"{why.detail}; and {_OFF}", remedy=_SWITCH_ON)
        evolution = _evolution(wanted, alone, statements, evolutions[0].before, evolutions[-1].after)
        if self._catalog.propose(evolution, State.PLANNED, why) is not State.APPROVED or off:
            raise Persistent(why)

    def _refuse(self, shape: TableShape | None, wanted: Wanted, steps: Sequence[Step], why: Failure) -> None:
        """Raises Persistent; what a person can do about it is kept."""
        sql = self._catalog.spell(wanted.table, steps)
        self._catalog.propose(_evolution(wanted, tuple(steps), sql, shape, shape), State.REFUSED, why)
        raise Persistent(why)

    def _obstructed(self, wanted: Wanted, obstacles: Sequence[Obstacle]) -> Failure:
        detail = f"table {wanted.table}: {'; '.join(each.why for each in obstacles)}"
        steps = _steps_by_hand(obstacles)
        if not steps:
            return _failure("table.schema", detail, "Rename the column back until these records are through.")
        remedy = (
            f'If the values fit, say so by hand: {self._spelled(wanted, steps)}. With evolution.widen = "keep" for the '
            "table only values that do not fit are refused."
        )
        return _failure("table.schema", detail, remedy)

    def _not_owned(self, wanted: Wanted, steps: Sequence[Step]) -> Failure:
        detail = f"{_told(wanted.table, steps)}; and the role does not own the table, which a change of it needs"
        remedy = f"Do it as the owner, then Headrace goes on by itself: {self._spelled(wanted, steps)}"
        return _failure("table.privilege", detail, remedy)

    def _refused(self, wanted: Wanted, steps: Sequence[Step]) -> Failure:
        if isinstance(steps[0], CreateTable):
            return _failure("table.missing", f"the target has no table {wanted.table}")
        added = all(isinstance(step, AddColumn) for step in steps)
        remedy = (
            f"Do it by hand, then Headrace goes on by itself: {self._spelled(wanted, steps)}. Or let Headrace do it by "
            "the settings of [evolution], or exclude the column at the source."
        )
        return _failure("table.shape" if added else "table.schema", _told(wanted.table, steps), remedy)

    def _spelled(self, wanted: Wanted, steps: Sequence[Step]) -> str:
        return by_hand(steps, self._catalog.spell(wanted.table, steps))


def _taken_by(wanted: Wanted, names: Mapping[str, str]) -> dict[str, str | None]:
    """The source's columns, each with the table's one that takes it. `names`: as in `Planned`."""
    return {source: names.get(name, name) if name else None for source, name in wanted.sources.items()}


def _followed(shape: TableShape, wanted: Wanted) -> Followed:
    """The schema as one that the table fits."""
    return Followed(
        schema_id=wanted.schema_id,
        sources=wanted.sources,
        columns=[column.name for column in shape.columns],
        labels={column.name: column.labels.labels for column in shape.columns if column.labels},
    )


def _evolution(
    wanted: Wanted, steps: tuple[Step, ...], sql: tuple[str, ...], before: TableShape | None, after: TableShape | None
) -> Evolution:
    return Evolution(
        table=wanted.table,
        topic=wanted.topic,
        schema_id=wanted.schema_id,
        steps=steps,
        sql=sql,
        before=before,
        after=after,
        sources=wanted.sources,
    )


def _steps(pending: _Pending | None) -> list[Step]:
    return [step for each in pending.evolutions for step in each.steps] if pending else []


@contextmanager
def _waited_for(table: TableName) -> Iterator[None]:
    """A table that others do not let be looked at costs its own partitions. Raises Persistent."""
    try:
        yield
    except TableBusy as error:
        busy = KINDS["table.busy"]
        failure = replace(error.failure, kind=busy.name, remedy=busy.remedy)
        raise Persistent(failure) from error


def _steps_by_hand(obstacles: Sequence[Obstacle]) -> tuple[Step, ...]:
    return tuple(each.step for each in obstacles if each.step is not None)


def _told(table: TableName, steps: Sequence[Step]) -> str:
    return f"table {table}: {'; '.join(step.why for step in steps)}"


def _failure(kind: str, detail: str, remedy: str = "") -> Failure:
    return failed(KINDS[kind], "binder", "fit table", detail, remedy=remedy)


def _check_names(steps: Sequence[Step]) -> None:
    made: list[NewColumn] = []
    for step in steps:
        if isinstance(step, CreateTable):
            made += step.columns
        elif isinstance(step, AddColumn):
            made.append(step.column)
    if any(not column.name or len(column.name.encode()) > MAX_BYTES for column in made):
        raise BadName(f"a column's name is empty or longer than PostgreSQL's {MAX_BYTES} bytes")
