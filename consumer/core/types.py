"""Which form a column's values take on their way from Avro into a target column.

A column means something (`Meaning`). A meaning has a native PostgreSQL type whose binary form can be built from Arrow
columns (`carriers`). If the target column has that type, staging has it too and nothing is cast; otherwise staging
holds the native type or text, and PostgreSQL casts on the way into the table.
"""

from dataclasses import dataclass, replace
from typing import Literal

from consumer.core.envelope import Column
from consumer.core.meaning import Meaning, meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The type of a target column: its pg_type.typname, and what its elements are where it is an array.

    `digits`: how many it keeps behind the point, of numbers or of seconds; None: all that there may be. `length`: most
    characters. `masked`: of an interval it keeps some fields only, and leaves out the others. `fields`: those of a
    composite type.
    """

    name: str
    is_enum: bool = False
    item: "Kind | None" = None
    digits: int | None = None
    length: int | None = None
    masked: bool = False
    fields: "tuple[Kind, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPolicy:
    """What people decide about one column.

    `zero_bytes`: what becomes of them in texts. `nanoseconds`: what becomes of parts of a microsecond. `binary`: how
    bytes were written as text at the source. `type`: of the column in a table that is created. `doubtful_nulls`: what
    becomes of nulls of updates that may stand for values which the source did not send; None: as the type asks.
    """

    zero_bytes: Literal["reject", "strip", "escape"] = "reject"
    nanoseconds: Literal["reject", "cut"] = "reject"
    binary: Literal["base64", "base64-url-safe", "hex"] | None = None
    type: str | None = None
    doubtful_nulls: Literal["reject", "keep", "write"] | None = None


PLAIN = ColumnPolicy()


@dataclass(frozen=True, slots=True)
class Native:
    """The PostgreSQL type that a meaning's carrier is the binary form of."""

    staging: str
    # target types (pg_type.typname) that take the staging type without a cast of ours
    same: frozenset[str]


def _native(staging: str, *more: str) -> Native:
    return Native(staging, frozenset((staging, *more)))


TEXT = _native("text", "varchar", "bpchar", "name", "citext")
# of these, the ones that compare in their own way: a key that stayed text would not be compared so
_OWN_EQUALITY = frozenset({"bpchar", "citext"})

NATIVE: dict[Meaning, Native] = {
    Meaning.BOOLEAN: _native("bool"),
    Meaning.INTEGER: _native("int8"),
    Meaning.UNSIGNED: _native("numeric"),
    Meaning.REAL: _native("float4"),
    Meaning.DOUBLE: _native("float8"),
    Meaning.DECIMAL: _native("numeric"),
    Meaning.UUID: _native("uuid"),
    Meaning.JSON: _native("jsonb"),
    Meaning.BYTES: _native("bytea"),
    Meaning.BITS: _native("varbit"),
    Meaning.DATE: _native("date"),
    Meaning.TIME_MS: _native("time"),
    Meaning.TIME_US: _native("time"),
    Meaning.TIME_NS: _native("time"),
    Meaning.TIMESTAMP_MS: _native("timestamp"),
    Meaning.TIMESTAMP_US: _native("timestamp"),
    Meaning.TIMESTAMP_NS: _native("timestamp"),
    Meaning.ZONED_TIMESTAMP: _native("timestamptz"),
    Meaning.DURATION_US: _native("interval"),
    Meaning.DURATION_NS: _native("interval"),
    Meaning.POINT: _native("point"),
    Meaning.CIRCLE: _native("circle"),
    Meaning.LINE: _native("line"),
    Meaning.GEOMETRY: _native("bytea"),
    Meaning.GEOGRAPHY: _native("bytea"),
}
# their text at the source is kept; that of the others is PostgreSQL's own
_TEXT_AS_IT_IS = (Meaning.UUID, Meaning.JSON, Meaning.ZONED_TIMESTAMP)
_INTEGERS = ("int2", "int4", "int8")
_NUMBERS = ("numeric", "float4", "float8", "money")
OF_ITS_OWN = frozenset(
    {
        *_INTEGERS,
        *_NUMBERS,
        *("bool", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb", "bit", "varbit"),
    }
)
"""Types whose values Debezium never sends as bytes."""
_TIMES = (Meaning.TIME_MS, Meaning.TIME_US, Meaning.TIME_NS)
_WKB = (Meaning.GEOMETRY, Meaning.GEOGRAPHY)
_SHAPES = (Meaning.POINT, *_WKB)
_INSTANTS = (
    *(Meaning.TIMESTAMP_MS, Meaning.TIMESTAMP_US, Meaning.TIMESTAMP_NS, Meaning.ISO_TIMESTAMP),
    *(Meaning.TIMESTAMP_PARTS, Meaning.ZONED_TIMESTAMP, Meaning.ZONED_TIMESTAMP_PARTS),
)
_SPANS = (Meaning.DURATION_US, Meaning.DURATION_NS, Meaning.DURATION_TEXT, Meaning.DURATION_PARTS)
COUNTED = frozenset(
    {
        *(Meaning.DATE, *_TIMES, Meaning.TIMESTAMP_MS, Meaning.TIMESTAMP_US, Meaning.TIMESTAMP_NS),
        *(Meaning.DURATION_US, Meaning.DURATION_NS),
    }
)
"""What comes as a number since some moment, or of some unit: the number alone does not say it."""
PARTS = {
    **dict.fromkeys(_INSTANTS, ("time", "timetz")),
    **dict.fromkeys(_SPANS, ("time", "timetz")),
    **dict.fromkeys((Meaning.INTEGER, Meaning.UNSIGNED), ("bit", "varbit")),
    # a cast of jsonb rounds
    Meaning.JSON: (*_INTEGERS, *_NUMBERS, "bool"),
    Meaning.CIRCLE: ("point", "box", "polygon"),
}
"""Types of which a cast would take a part only."""
_VECTORS = {Meaning.DOUBLE_VECTOR: "_float8", Meaning.FLOAT_VECTOR: "_float4"}
_BINARY_ITEMS = frozenset(
    {*_INTEGERS, "bool", "float4", "float8", "date", "time", "timestamp", "timestamptz", "uuid", "bytea", "text"}
)
# staging types of one meaning other than its native one, by the target's type; none of them is cast
_DIRECT: dict[tuple[Meaning, str], str] = {
    **{(Meaning.INTEGER, name): name for name in _INTEGERS},
    **{(Meaning.BOOLEAN, name): name for name in _INTEGERS},
    (Meaning.INTEGER, "bool"): "bool",
    (Meaning.REAL, "float8"): "float8",
    (Meaning.JSON, "json"): "json",
    (Meaning.BYTES, "uuid"): "uuid",
    **{(means, "interval"): "interval" for means in _TIMES},
    (Meaning.POINT, "bytea"): "bytea",
    **{(means, name): name for means in _WKB for name in ("point", "box", "lseg", "path", "polygon")},
}
# what PostgreSQL itself would cast otherwise, or not at all: it reads their text
_AS_TEXT = frozenset(
    {
        *((Meaning.BOOLEAN, name) for name in ("bit", "varbit", *_NUMBERS)),
        (Meaning.JSON, "hstore"),
        *((means, name) for means in (Meaning.CIRCLE, Meaning.LINE, *_SHAPES) for name in ("json", "jsonb")),
        *((means, name) for means in _SHAPES for name in ("geometry", "geography")),
        *((means, name) for means in _WKB for name in TEXT.same),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """How one column travels: its meaning, the staging column's type, and whether our SQL casts it.

    `into`: the target's type. `item`: how the elements of an array do.
    """

    meaning: Meaning
    staging: str
    cast: bool
    into: Kind = Kind(name="")
    item: "Carriage | None" = None
    policy: ColumnPolicy = PLAIN

    @property
    def target(self) -> str:
        """The name of the target's type."""
        return self.into.name

    def as_text(self) -> "Carriage":
        """The same values as text, for PostgreSQL's own input to judge."""
        if self.item is not None:
            return replace(self, staging="_text", cast=self.target != "_text", item=self.item.as_text())
        return replace(self, staging="text", cast=_text_is_cast(self.target))


def carriage(column: Column, target: Kind, policy: ColumnPolicy = PLAIN) -> Carriage:
    """How `column` travels into a target column of this type."""
    means = meaning(column)
    if means is Meaning.TEXT and policy.binary is not None:
        means = Meaning.BYTES
    found = _array(column, means, target, policy) if target.item is not None else None
    return found or replace(_single(means, target), into=target, policy=policy)


def _array(column: Column, means: Meaning, target: Kind, policy: ColumnPolicy) -> Carriage | None:
    assert target.item is not None
    if means is Meaning.ENUM_SET:
        item = Carriage(meaning=Meaning.TEXT, staging="text", cast=False, into=target.item, policy=policy)
    elif column.avro == "array" and column.item is not None:
        item = carriage(column.item, target.item, policy)
        if item.staging not in _BINARY_ITEMS:
            item = item.as_text()
    else:
        return None
    staging = f"_{item.staging}"
    cast = staging != target.name
    return Carriage(meaning=means, staging=staging, cast=cast, into=target, item=item, policy=policy)


def _single(means: Meaning, target: Kind) -> Carriage:
    name = target.name
    if means is Meaning.TEXT and name in _NUMBERS:
        return Carriage(meaning=Meaning.NUMBER_TEXT, staging="text", cast=True)
    if means in _VECTORS and name in ("vector", "halfvec"):
        return Carriage(meaning=means, staging=_VECTORS[means], cast=True)
    direct = _DIRECT.get((means, name))
    if direct is not None:
        return Carriage(meaning=means, staging=direct, cast=False)
    native = NATIVE.get(means)
    if native is None or (means, name) in _AS_TEXT or (means is Meaning.BYTES and _reads_text(name)):
        return Carriage(meaning=means, staging="text", cast=target.is_enum or _text_is_cast(name))
    if (name in TEXT.same or target.is_enum) and means in _TEXT_AS_IT_IS:
        return Carriage(meaning=means, staging="text", cast=target.is_enum or _text_is_cast(name))
    return Carriage(meaning=means, staging=native.staging, cast=name not in native.same)


def _reads_text(target: str) -> bool:
    """Whether bytes can only be meant as the text that the type reads, as of types that Debezium does not know."""
    return target not in TEXT.same and target != "bytea" and target not in OF_ITS_OWN


def _text_is_cast(target: str) -> bool:
    return target not in TEXT.same or target in _OWN_EQUALITY
