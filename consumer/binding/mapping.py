"""How the settings of a table map its topic's columns: which of them go where, under which name, and as what.

All names in the settings are the source's, but those of constant columns and of what a transform makes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from consumer.binding.gates import Cannot
from consumer.core.envelope import Column
from consumer.core.meaning import Meaning, meaning
from consumer.core.naming import MAX_BYTES
from consumer.core.shaping import Constant, Shape, as_text, constant_column
from consumer.core.target import TableName, TargetTable
from consumer.core.transform import Named, TransformFault, column_of
from consumer.core.types import ColumnPolicy
from consumer.core.wanted import Travelling


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """What becomes of one column: `rename` is its name in the table, the others say what stands in place of values."""

    rename: str | None = None
    mask: str | None = None
    erase: bool = False
    hash: bool = False

    @property
    def is_text(self) -> bool:
        """Whether a text stands in the place of values."""
        return self.mask is not None or self.hash

    @property
    def hides(self) -> bool:
        """Whether the table does not get the values."""
        return self.is_text or self.erase


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """What a table's settings say. `include`: the only columns that are kept; None for all. `key`: of hashes."""

    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    columns: Mapping[str, ColumnMapping] = field(default_factory=dict)
    constants: Mapping[str, Constant] = field(default_factory=dict)
    transform: Named | None = None
    key: bytes = field(default=b"", repr=False)

    def keeps(self, column: str) -> bool:
        """Whether a column of the source goes on."""
        return column not in self.exclude and (self.include is None or column in self.include)

    def name(self, column: str) -> str:
        """What a column is called in the table."""
        return self.columns.get(column, _AS_IT_IS).rename or column


_AS_IT_IS = ColumnMapping()
PLAIN = TableMapping()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A topic's row on its way into a table: its columns as they travel, by the source's names.

    `now`: other names that columns of the table have by now.
    """

    columns: tuple[Column, ...]
    mapping: TableMapping = PLAIN
    shape: Shape | None = None
    now: Mapping[str, str] = field(default_factory=dict)

    def name(self, column: str) -> str:
        """What a column is called in the table."""
        name = self.mapping.name(column)
        return self.now.get(name, name)

    def sources(self, source: Sequence[Column]) -> dict[str, str | None]:
        """The source's columns, each with the table's that takes it; None where that has no value, or one of ours."""
        transform = self.mapping.transform
        made = {*self.mapping.constants, *(transform.call.made_from if transform else ())}
        there = {column.name for column in self.columns} - made
        return {column.name: self.name(column.name) if column.name in there else None for column in source}

    def hides(self, column: str) -> bool:
        """Whether the table does not get a column's values."""
        return self.mapping.columns.get(column, _AS_IT_IS).hides

    def erases(self, column: str) -> bool:
        """Whether the table gets nulls for a column."""
        return self.mapping.columns.get(column, _AS_IT_IS).erase

    def policy(self, said: ColumnPolicy, column: Column) -> ColumnPolicy:
        """What is decided about a column: how the source wrote bytes says nothing of what stands in their place."""
        return replace(said, binary=None) if self.mapping.columns.get(column.name, _AS_IT_IS).is_text else said


def mapped(
    columns: Sequence[Column], identity: Sequence[str], mapping: TableMapping, image: Mapping[str, pl.DataType]
) -> Row:
    """The row of a schema, whose images decode into columns of these types. Raises Cannot."""
    for name in identity:
        _require_key(name, mapping)
    kept = tuple(column for column in columns if mapping.keeps(column.name))
    kinds = {column.name: image[column.name] for column in kept}
    here, made = _transformed(kept, identity, mapping.transform, kinds)
    travel = tuple(_hidden(column, mapping.columns.get(column.name, _AS_IT_IS)) for column in here)
    travel += tuple(constant_column(name, value) for name, value in mapping.constants.items())
    _require_names(travel, mapping)
    hidden = {column.name: mapping.columns[column.name] for column in here if column.name in mapping.columns}
    masks = {name: each.mask for name, each in hidden.items() if each.mask is not None or each.erase}
    # a transform gets all that is kept, and must see no placeholder
    read = {column.name for column in kept} - (masks.keys() if mapping.transform is None else set())
    shape = Shape(
        inputs=tuple(column for column in kept if column.name in read),
        image=kinds,
        identity=tuple(identity),
        masks=masks,
        hashes=frozenset(name for name, each in hidden.items() if each.hash),
        constants=mapping.constants,
        transform=mapping.transform,
        made=made,
        key=mapping.key,
    )
    return Row(columns=travel, mapping=mapping, shape=shape)


def travelling(row: Row, source: Sequence[Column], policy: Callable[[str], ColumnPolicy]) -> tuple[Travelling, ...]:
    """The row's columns as their table is to take them; `policy`: what the settings say of one."""
    return tuple(
        Travelling(
            column=column,
            name=row.name(column.name),
            policy=row.policy(policy(column.name), column),
            whole=column in source and not row.hides(column.name),
        )
        for column in row.columns
    )


def require_found(
    name: TableName, row: Row, source: Sequence[Column], table: TargetTable | None, had: Collection[str]
) -> None:
    """Raises Cannot for a column of the settings that neither the source nor the table has, nor the source `had`.

    One that the table has and this schema does not came later, or went.
    """
    known = {*had, *(column.name for column in source), *(column.name for column in row.columns)}
    mapping = row.mapping
    for column in sorted({*mapping.columns, *(mapping.include or ())} - known):
        if table is None or table.column(mapping.name(column)) is None:
            detail = f"after.{column}: expected a column that the settings of {name} name, found none"
            raise Cannot("table.settings", detail, _OTHER_NAME, f"after.{column}")


def _require_key(name: str, mapping: TableMapping) -> None:
    if not mapping.keeps(name):
        detail = f"after.{name}: expected the key's columns in the table, found it left out"
        raise Cannot("table.settings", detail, _KEY, f"after.{name}")
    if mapping.columns.get(name, _AS_IT_IS).hides:
        detail = f"after.{name}: expected a key column as it is, found it masked, erased or hashed"
        raise Cannot("table.settings", detail, _KEY, f"after.{name}")


def _transformed(
    kept: Sequence[Column], identity: Sequence[str], transform: Named | None, image: Mapping[str, pl.DataType]
) -> tuple[Sequence[Column], Mapping[str, pl.DataType]]:
    """The columns behind the transform and their types, as it says of no rows."""
    if transform is None:
        return kept, {}
    by_name = {column.name: column for column in kept}
    made = transform.call.made_from
    unknown = sorted({part for parts in made.values() for part in parts} - by_name.keys())
    if unknown:
        detail = f"after.{unknown[0]}: expected a column that the transform {transform.name!r} reads, found none"
        raise Cannot("table.settings", detail, _TRANSFORM, f"after.{unknown[0]}")
    try:
        kinds = dict(transform.of(pl.DataFrame(schema=dict(image)), identity).schema)
        unsaid = sorted(name for name in kinds if name not in made and kinds[name] != image.get(name))
        if unsaid:
            detail = f"after.{unsaid[0]}: expected it in made_from of {transform.name!r}, found it made"
            raise Cannot("table.settings", detail, _TRANSFORM, f"after.{unsaid[0]}")
        return [column_of(name, kind) if name in made else by_name[name] for name, kind in kinds.items()], kinds
    except TransformFault as error:
        raise Cannot("table.settings", str(error), _TRANSFORM) from error


def _hidden(column: Column, mapping: ColumnMapping) -> Column:
    if mapping.hash and column.avro not in ("string", "enum") and meaning(column) not in _HASHED:
        detail = (
            f"after.{column.name}: expected a column of texts, integers or bytes to hash, found {meaning(column).value}"
        )
        raise Cannot("table.settings", detail, _HASH, f"after.{column.name}")
    if mapping.erase:
        return replace(column, nullable=True)
    return as_text(column) if mapping.is_text else column


_HASHED = (Meaning.INTEGER, Meaning.BYTES)


def _require_names(columns: Sequence[Column], mapping: TableMapping) -> None:
    """Raises Cannot where two columns would be one, or PostgreSQL would cut a name."""
    taken: dict[str, str] = {}
    for column in columns:
        name = mapping.name(column.name)
        if name in taken:
            detail = f"after.{column.name}: expected a name of its own in the table, found that of {taken[name]!r}"
            raise Cannot("table.settings", detail, _OTHER_NAME, f"after.{column.name}")
        if not name or len(name.encode()) > MAX_BYTES:
            detail = f"after.{column.name}: expected a name of at most {MAX_BYTES} bytes, found a longer one, or none"
            raise Cannot("table.settings", detail, _OTHER_NAME, f"after.{column.name}")
        taken[name] = column.name


_KEY = (
    "Name the key's columns in `include`, not in `exclude`, and neither mask, erase nor hash them; renaming is allowed."
)
_AGAIN = "then have the workers read their settings again (SIGHUP, or headrace workers reload)."
_OTHER_NAME = f"Correct the name in the table's settings, {_AGAIN}"
_HASH = f"Remove `hash` from the column's settings, mask or exclude it instead, {_AGAIN}"
_TRANSFORM = f"Remove `transform` from the table's settings, {_AGAIN} Or correct it, and restart them."
