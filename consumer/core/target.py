"""Target tables, as rows are written into them."""

from dataclasses import dataclass, field
from typing import NamedTuple

from consumer.core.types import Kind

# before it no catalog says what unique indexes make of nulls
LEAST_SERVER = 150_000
"""The oldest PostgreSQL that can be a target, as libpq numbers it."""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A target table."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class ExactType(NamedTuple):
    """A column's type as the catalog numbers it: any other pair is another type, or keeps more or less of a value."""

    oid: int
    modifier: int


class FilledColumn(NamedTuple):
    """A target column that rows are written into, and its type."""

    name: str
    type: ExactType


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetColumn:
    """A target column as the catalog has it. `type_name` is pg_type.typname, `cast` its name in a cast, `item` what an
    array holds; `digits`, `length` and `masked` as in `Kind`; `collation` where that takes values that differ for one;
    `hashes`: whether the type has a hash.

    `identity`: the target can number it; `always`: and no update sets another number than its.
    `lacks`: the privileges on it that we do not have. `required`: it takes no null. `needed`: a new row has
    to be given a value of it, since neither a default nor a trigger does it. `exact`: where it was read from a catalog.
    """

    name: str
    type_name: str
    cast: str
    is_enum: bool = False
    item: Kind | None = None
    digits: int | None = None
    length: int | None = None
    masked: bool = False
    fields: tuple[Kind, ...] = ()
    collation: str | None = None
    hashes: bool = True
    identity: bool = False
    always: bool = False
    generated: bool = False
    required: bool = False
    needed: bool = False
    lacks: frozenset[str] = frozenset()
    exact: ExactType | None = field(default=None, compare=False)

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
            fields=self.fields,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTable:
    """A target table as the catalog has it. `unique`: column sets of its usable unique indexes; `referable`: columns of
    all of them, to which other tables may refer.

    `lacks`: the privileges on all of it, or on its schema, that we do not have.
    `rank`: how many tables it refers to, directly or through others, so that parents come before their children.
    """

    name: TableName
    columns: tuple[TargetColumn, ...]
    unique: tuple[frozenset[str], ...]
    lacks: frozenset[str] = frozenset()
    rank: int = 0
    referable: frozenset[str] = frozenset()

    def column(self, name: str) -> TargetColumn | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)
