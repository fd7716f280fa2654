"""Changes of a target table, step by step, and a table's shape as far as they are about it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum

from consumer.core.sqltypes import SqlType

Constant = bool | int | float | Decimal | str


class Change(Enum):
    """The kinds of changes, each of which people decide about."""

    CREATE = "create"
    ADD = "add"
    WIDEN = "widen"
    RELAX = "relax"
    LABEL = "label"
    RENAME = "rename"
    DROP = "drop"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """An enum type of the target, and its labels in their order."""

    type: str
    schema: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeColumn:
    """A column of the target as far as its changes need it. `required`: it is NOT NULL itself, not by its type.
    `filled`: it has a default, or makes its values itself.

    `key`: it is part of the primary key. `fixed`: it is generated. `labels`: of an enum; no part of what tells two
    shapes apart, since labels are added in front of everything else.
    """

    name: str
    type: SqlType
    required: bool = False
    filled: bool = False
    key: bool = False
    fixed: bool = False
    labels: Labels | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """A target table. `owned`: our role may change it; `triggered`: a trigger may fill columns of new rows.

    Neither tells two shapes apart: a copy of the table, or a new one, has others.
    """

    columns: tuple[ShapeColumn, ...]
    owned: bool = field(default=True, compare=False)
    triggered: bool = field(default=False, compare=False)

    def column(self, name: str) -> ShapeColumn | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewColumn:
    """A column that is to be made, of the first of these types that the server has.

    `default`: what rows without a value get, those that are there too.
    """

    name: str
    types: tuple[str, ...]
    required: bool = False
    default: Constant | None = None


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A table that is not there; `identity`, if any, becomes its primary key."""

    columns: tuple[NewColumn, ...]
    identity: tuple[str, ...]

    change = Change.CREATE

    @property
    def why(self) -> str:
        return "expected a table, found none"


@dataclass(frozen=True, slots=True)
class AddColumn:
    """A column that the source has and the target lacks."""

    column: NewColumn

    change = Change.ADD

    @property
    def why(self) -> str:
        return f"{self.column.name}: expected a column, found none"


@dataclass(frozen=True, slots=True)
class WidenType:
    """A type that holds all that the old one does, and all that the source has.

    `cast`: it does not, so that only a person may say it.
    """

    column: str
    old: SqlType
    new: SqlType
    cast: bool = False

    change = Change.WIDEN

    @property
    def why(self) -> str:
        return f"{self.column}: expected {self.new}, found {self.old}"


@dataclass(frozen=True, slots=True)
class RelaxColumn:
    """NOT NULL goes. `gone`: the source has no such column, so nothing fills it."""

    column: str
    gone: bool = False

    change = Change.RELAX

    @property
    def why(self) -> str:
        there = ", and the source has no such column" if self.gone else ""
        return f"{self.column}: expected a column that takes nulls, found NOT NULL{there}"


@dataclass(frozen=True, slots=True)
class AddLabel:
    """A label of an enum, behind another one or in front of all."""

    column: str
    type: Labels
    label: str
    behind: str | None

    change = Change.LABEL

    @property
    def why(self) -> str:
        return f"{self.column}: expected one more label of its enum, found none"


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """A column that has another name at the source, as the settings say."""

    column: str
    new: str

    change = Change.RENAME

    @property
    def why(self) -> str:
        return f"{self.column}: expected the name {self.new!r}, as the settings say, found the old one"


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column that the source had and has not any more."""

    column: str

    change = Change.DROP

    @property
    def why(self) -> str:
        return f"{self.column}: expected no such column any more, found one"


@dataclass(frozen=True, slots=True)
class SetDefault:
    """A default of the source's where the target has none."""

    column: str
    default: Constant

    change = Change.DEFAULT

    @property
    def why(self) -> str:
        return f"{self.column}: expected the source's default, found none"


Step = CreateTable | AddColumn | WidenType | RelaxColumn | AddLabel | RenameColumn | DropColumn | SetDefault


def chosen(step: Step, choose: Callable[[Sequence[str]], str]) -> Step:
    """The step with the types that its new columns get."""

    def settled(column: NewColumn) -> NewColumn:
        return replace(column, types=(choose(column.types),)) if len(column.types) > 1 else column

    if isinstance(step, CreateTable):
        return replace(step, columns=tuple(map(settled, step.columns)))
    return replace(step, column=settled(step.column)) if isinstance(step, AddColumn) else step


def apart(steps: Sequence[Step]) -> list[Step]:
    """The steps with the defaults of new columns as steps of their own."""
    found: list[Step] = []
    for step in steps:
        made = _made(step)
        found.append(_remade(step, [replace(column, default=None) for column in made]) if made else step)
        found += [SetDefault(column.name, column.default) for column in made if column.default is not None]
    return found


def without(steps: Sequence[Step], defaults: Collection[Step]) -> tuple[Step, ...]:
    """The steps without some of the defaults that stand apart."""
    gone = {step.column for step in defaults if isinstance(step, SetDefault)}
    left: list[Step] = []
    for step in steps:
        made = [replace(column, default=None) if column.name in gone else column for column in _made(step)]
        if step not in defaults:
            left.append(_remade(step, made) if made else step)
    return tuple(left)


def _made(step: Step) -> Sequence[NewColumn]:
    if isinstance(step, CreateTable):
        return step.columns
    return [step.column] if isinstance(step, AddColumn) else ()


def _remade(step: Step, columns: Sequence[NewColumn]) -> Step:
    return replace(step, columns=tuple(columns)) if isinstance(step, CreateTable) else AddColumn(columns[0])


def by_hand(steps: Sequence[Step], statements: Sequence[str]) -> str:
    """The steps' statements as a remedy may show them: labels of enums are values of rows."""
    told = [said for step, said in zip(steps, statements, strict=True) if not isinstance(step, AddLabel)]
    return "; ".join(told if len(told) == len(steps) else [*told, "and the labels that `headrace schema plan` shows"])


def changes(steps: Sequence[Step]) -> tuple[str, ...]:
    """The kinds of the steps, each once."""
    return tuple(dict.fromkeys(step.change.value for step in steps))
