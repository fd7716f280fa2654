"""What has to change in a target table before rows of a writer schema go into it, and who decides about it.

Nothing here ever takes from a table what it can hold: a type only becomes one that holds all that it held. What can't
be told for sure is an obstacle, and stops the table.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from consumer.core.sqltypes import SqlType, joined
from consumer.core.steps import (
    AddColumn,
    AddLabel,
    Change,
    Constant,
    CreateTable,
    DropColumn,
    Labels,
    NewColumn,
    RelaxColumn,
    RenameColumn,
    SetDefault,
    ShapeColumn,
    Step,
    TableShape,
    WidenType,
)
from consumer.core.target import TableName


class Answer(Enum):
    """What becomes of a change. KEEP: it is not wanted, the target stays as it is."""

    AUTO = "auto"
    APPROVE = "approve"
    REFUSE = "refuse"
    KEEP = "keep"


DEFAULT_ANSWERS: Mapping[Change, Answer] = {
    Change.CREATE: Answer.AUTO,
    Change.ADD: Answer.APPROVE,
    # that a column was renamed is said by a person
    Change.RENAME: Answer.AUTO,
    **dict.fromkeys((Change.WIDEN, Change.RELAX, Change.LABEL, Change.DROP, Change.DEFAULT), Answer.KEEP),
}
_STRICTEST = (Answer.REFUSE, Answer.APPROVE, Answer.AUTO)
_ORDER = (Change.RENAME, Change.ADD, Change.WIDEN, Change.RELAX, Change.DEFAULT, Change.LABEL, Change.DROP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """How a table follows its source. `renamed`: names that columns had at the source, and those that they have now."""

    answers: Mapping[Change, Answer] = field(default_factory=lambda: DEFAULT_ANSWERS)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def keeps(self, change: Change) -> bool:
        """Whether the target stays as it is there."""
        return self.answers[change] is Answer.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedColumn:
    """A column that rows bring, by its name in the table; `source` is the one in their schema.

    `created`: its types where we make it, best first; `type`: one that holds all its values, None where people decide
    about it. `sized`: whether it says how long texts may be. `labels`: of an enum, in their order, as far as the schema
    tells them apart; `brought`: those of its rows that are to be there.
    """

    name: str
    source: str
    created: tuple[str, ...]
    type: SqlType | None
    sized: bool = True
    nullable: bool = False
    default: Constant | None = None
    labels: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the rows of a schema need of their table. `more`: columns of ours, in a table that we make.

    `sources`: the source's own columns, also where they are left out, by its names, each with the table's column that
    takes it as it is or hidden, None where none does. `gone`: columns of the table that only older schemas had.
    """

    table: TableName
    topic: str
    schema_id: int
    columns: tuple[WantedColumn, ...]
    identity: tuple[str, ...]
    more: tuple[NewColumn, ...] = ()
    sources: Mapping[str, str | None] = field(default_factory=dict)
    gone: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """A column that the source has had. `target`: the table's column that has its values, None once that is gone.

    `schema_id`: the newest schema that had it, or with which it was dropped.
    """

    target: str | None
    schema_id: int


def gone(known: Mapping[str, SourceColumn], wanted: Wanted, *, again: bool = False) -> frozenset[str]:
    """The columns of the table with values of the source's, but of no column that this schema or a newer one has.

    `again`: also those that came back after this schema had them dropped.
    """
    newest = wanted.schema_id if again else wanted.schema_id - 1
    left = {name for name, each in known.items() if each.schema_id <= newest and name not in wanted.sources}
    live = {*wanted.sources.values(), *(each.target for name, each in known.items() if name not in left)}
    return frozenset(target for name in left if (target := known[name].target) is not None and target not in live)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What can't be followed, and the step that a person may take."""

    why: str
    step: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The steps that lead to what is wanted. `names`: target columns of source columns that have another name there."""

    steps: tuple[Step, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def answer(steps: Sequence[Step], answers: Mapping[Change, Answer]) -> Answer:
    """What becomes of all the steps together: the strictest of what is said of each."""
    said = {answers[change] for step in steps for change in _kinds(step)}
    return next((each for each in _STRICTEST if each in said), Answer.AUTO)


def _kinds(step: Step) -> Iterator[Change]:
    yield step.change
    if isinstance(step, AddColumn) and step.column.default is not None:
        yield Change.DEFAULT


def planned(shape: TableShape | None, wanted: Wanted, follow: Follow) -> Planned:
    """What has to be done to a table of this shape (None: there is none)."""
    if shape is None:
        made = tuple(_new(column, wanted, follow) for column in wanted.columns)
        return Planned(steps=(CreateTable((*made, *wanted.more), wanted.identity),))
    renames, names, obstacles = _renamed(shape, wanted, follow)
    here = {renames.get(column.name, column.name): column for column in shape.columns}
    steps: list[Step] = [RenameColumn(old, new) for old, new in renames.items()]
    for column in wanted.columns:
        name = names.get(column.name, column.name)
        there = here.get(name)
        if there is None:
            steps.append(AddColumn(_new(column, wanted, follow)))
        elif not there.fixed:
            steps += _fitted(replace(there, name=name), column, wanted, follow, obstacles)
    used = {names.get(column.name, column.name) for column in wanted.columns}
    ours = {column.name for column in wanted.more}
    for name, left in here.items():
        if name not in used | ours:
            steps += _left(replace(left, name=name), wanted, follow, triggered=shape.triggered)
    ordered = sorted(steps, key=lambda step: _ORDER.index(step.change))
    return Planned(steps=tuple(ordered), obstacles=tuple(obstacles), names=names)


def _new(column: WantedColumn, wanted: Wanted, follow: Follow) -> NewColumn:
    key = column.name in wanted.identity
    default = None if key or follow.keeps(Change.DEFAULT) else column.default
    return NewColumn(name=column.name, types=column.created, required=key, default=default)


def _renamed(
    shape: TableShape, wanted: Wanted, follow: Follow
) -> tuple[dict[str, str], dict[str, str], list[Obstacle]]:
    """Columns to rename, source columns that are older than a renaming, and what can't be helped."""
    source = {column.name for column in wanted.columns}
    renames: dict[str, str] = {}
    names: dict[str, str] = {}
    obstacles = []
    for old, new in follow.renamed.items():
        if {old, new} & {*renames, *renames.values(), *names, *names.values()}:
            # of two older names of one column the first one has it
            continue
        has_old, has_new = (shape.column(name) is not None for name in (old, new))
        if new in source and old in source and has_old and not has_new and old in follow.renamed.values():
            # what now stands under the older name is another column's
            obstacles.append(Obstacle(f"{new}: expected one renaming, found {old!r} renamed, and another to {old!r}"))
        if new in source and old not in source and has_old and not has_new:
            renames[old] = new
        elif old in source and new not in source and has_new and not has_old:
            names[old] = new
            if old in wanted.identity:
                obstacles.append(Obstacle(f"{old}: expected the key's column, found it as {new!r} by now"))
    return renames, names, obstacles


def _fitted(
    there: ShapeColumn, column: WantedColumn, wanted: Wanted, follow: Follow, obstacles: list[Obstacle]
) -> Iterator[Step]:
    """What makes a column fit; what can't be told is added to the obstacles."""
    key = there.key or column.name in wanted.identity
    if there.labels is not None:
        if not follow.keeps(Change.LABEL):
            yield from _labels(there, there.labels, column)
    elif column.type is not None and not follow.keeps(Change.WIDEN) and (column.sized or not there.type.characters):
        wide = joined(there.type, column.type)
        if wide is None:
            obstacles.append(_another(there, column.type))
        elif wide != there.type:
            yield WidenType(there.name, there.type, wide)
    if not follow.keeps(Change.RELAX) and there.required and column.nullable and not key:
        yield RelaxColumn(there.name)
    if not follow.keeps(Change.DEFAULT) and column.default is not None and not there.filled and not key:
        yield SetDefault(there.name, column.default)


def _labels(there: ShapeColumn, have: Labels, column: WantedColumn) -> Iterator[AddLabel]:
    """The labels that rows bring and that are missing, each behind the next one that it follows at the source.

    One that the schema does not list comes last.
    """
    labels = list(have.labels)
    listed = [label for label in column.labels if label in column.brought]
    for label in (*listed, *(label for label in column.brought if label not in listed)):
        if label not in labels:
            front = column.labels[: column.labels.index(label)] if label in listed else labels
            behind = next((one for one in reversed(front) if one in labels), None)
            yield AddLabel(there.name, have, label, behind)
            labels.insert(labels.index(behind) + 1 if behind is not None else 0, label)


def _another(there: ShapeColumn, kind: SqlType) -> Obstacle:
    why = f"{there.name}: expected {kind} or a wider form of it, found {there.type}"
    return Obstacle(why, WidenType(there.name, there.type, kind, cast=True))


def _left(there: ShapeColumn, wanted: Wanted, follow: Follow, *, triggered: bool) -> Iterator[Step]:
    """What becomes of a column that these rows do not have; one that is to go may have to wait for older rows."""
    goes = there.name in wanted.gone and not there.key and not follow.keeps(Change.DROP)
    blocks = there.required and not (there.filled or triggered or there.key)
    if blocks and (goes or not follow.keeps(Change.RELAX)):
        yield RelaxColumn(there.name, gone=True)
    if goes:
        yield DropColumn(there.name)
