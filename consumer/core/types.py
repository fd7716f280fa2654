"""Which form a column's values take on their way from Avro into a target column.

A column means something (`Meaning`, from Connect's and Debezium's type names). A meaning has a native
PostgreSQL type whose binary form can be built from Arrow columns (`carriers`). If the target column has
that type, staging has it too and nothing is cast; otherwise staging holds the native type or text, and
PostgreSQL casts on the way into the table.
"""

from dataclasses import dataclass
from enum import Enum

from consumer.core.envelope import Column


class Meaning(Enum):
    """What a column's values are."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    DOUBLE = "double precision"
    DECIMAL = "decimal of fixed scale, up to 38 digits"
    WIDE_DECIMAL = "decimal of fixed scale, more than 38 digits"
    SCALED_DECIMAL = "decimal whose scale travels with each value"
    TEXT = "text"
    UUID = "uuid"
    JSON = "json"
    BYTES = "bytes"
    DATE = "days since 1970"
    TIME_MS = "milliseconds since midnight"
    TIME_US = "microseconds since midnight"
    TIME_NS = "nanoseconds since midnight"
    TIMESTAMP_MS = "milliseconds since 1970"
    TIMESTAMP_US = "microseconds since 1970"
    TIMESTAMP_NS = "nanoseconds since 1970"
    ZONED_TIMESTAMP = "ISO 8601 text in UTC"
    ZONED_TIME = "ISO 8601 time text with offset"
    DURATION_US = "microseconds of an interval"
    DURATION_NS = "nanoseconds of an interval"
    OTHER = "anything else, as text"


_CONNECT = "org.apache.kafka.connect.data."
_TIME = "io.debezium.time."
_DATA = "io.debezium.data."

_BY_SEMANTIC: dict[tuple[str, str], Meaning] = {
    ("bytes", _CONNECT + "Decimal"): Meaning.WIDE_DECIMAL,
    ("record", _DATA + "VariableScaleDecimal"): Meaning.SCALED_DECIMAL,
    ("string", _DATA + "Uuid"): Meaning.UUID,
    ("string", "uuid"): Meaning.UUID,
    ("string", _DATA + "Json"): Meaning.JSON,
    ("string", _TIME + "ZonedTimestamp"): Meaning.ZONED_TIMESTAMP,
    ("string", _TIME + "ZonedTime"): Meaning.ZONED_TIME,
    ("int", _TIME + "Date"): Meaning.DATE,
    ("int", _CONNECT + "Date"): Meaning.DATE,
    ("int", "date"): Meaning.DATE,
    ("int", _TIME + "Time"): Meaning.TIME_MS,
    ("int", _CONNECT + "Time"): Meaning.TIME_MS,
    ("int", "time-millis"): Meaning.TIME_MS,
    ("long", _TIME + "MicroTime"): Meaning.TIME_US,
    ("long", "time-micros"): Meaning.TIME_US,
    ("long", _TIME + "NanoTime"): Meaning.TIME_NS,
    ("long", _TIME + "Timestamp"): Meaning.TIMESTAMP_MS,
    ("long", _CONNECT + "Timestamp"): Meaning.TIMESTAMP_MS,
    ("long", "timestamp-millis"): Meaning.TIMESTAMP_MS,
    ("long", _TIME + "MicroTimestamp"): Meaning.TIMESTAMP_US,
    ("long", "timestamp-micros"): Meaning.TIMESTAMP_US,
    ("long", _TIME + "NanoTimestamp"): Meaning.TIMESTAMP_NS,
    ("long", _TIME + "MicroDuration"): Meaning.DURATION_US,
    ("long", _TIME + "NanoDuration"): Meaning.DURATION_NS,
    ("int", _TIME + "Year"): Meaning.INTEGER,
}

_BY_WORD: dict[str, Meaning] = {
    "boolean": Meaning.BOOLEAN,
    "int": Meaning.INTEGER,
    "long": Meaning.INTEGER,
    "float": Meaning.REAL,
    "double": Meaning.DOUBLE,
    "bytes": Meaning.BYTES,
    "string": Meaning.TEXT,
    "enum": Meaning.TEXT,
}

# string types with a name of their own are text in a form that PostgreSQL's own input reads
_WORDS_WITHOUT_OWN_FORM = frozenset({"string", "boolean", "float", "double"})


def meaning(column: Column) -> Meaning:
    """What a column's values are; OTHER where a type name is unknown and its form could mislead."""
    if column.avro == "decimal":
        return Meaning.DECIMAL if 0 < (column.precision or 0) <= 38 else Meaning.WIDE_DECIMAL
    if column.semantic is None:
        return _BY_WORD.get(column.avro, Meaning.OTHER)
    found = _BY_SEMANTIC.get((column.avro, column.semantic))
    if found is None and column.avro in _WORDS_WITHOUT_OWN_FORM:
        return _BY_WORD[column.avro]
    return found or Meaning.OTHER


@dataclass(frozen=True, slots=True)
class Native:
    """The PostgreSQL type that a meaning's carrier is the binary form of."""

    staging: str
    # target types (pg_type.typname) that take the staging type without a cast of ours
    same: frozenset[str]


def _native(staging: str, *more: str) -> Native:
    return Native(staging, frozenset((staging, *more)))


_TEXT = _native("text", "varchar", "bpchar", "name", "citext")
# of these, the ones that compare in their own way: a key that stayed text would not be compared so
_OWN_EQUALITY = frozenset({"bpchar", "citext"})

NATIVE: dict[Meaning, Native] = {
    Meaning.BOOLEAN: _native("bool"),
    Meaning.INTEGER: _native("int8"),
    Meaning.REAL: _native("float4"),
    Meaning.DOUBLE: _native("float8"),
    Meaning.DECIMAL: _native("numeric"),
    Meaning.UUID: _native("uuid"),
    Meaning.JSON: _native("jsonb"),
    Meaning.BYTES: _native("bytea"),
    Meaning.DATE: _native("date"),
    Meaning.TIME_MS: _native("time"),
    Meaning.TIME_US: _native("time"),
    Meaning.TIME_NS: _native("time"),
    Meaning.TIMESTAMP_MS: _native("timestamp"),
    Meaning.TIMESTAMP_US: _native("timestamp"),
    Meaning.TIMESTAMP_NS: _native("timestamp"),
    Meaning.ZONED_TIMESTAMP: _native("timestamptz"),
}

_INTEGERS = ("int2", "int4", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """How one column travels: its meaning, the staging column's type, and whether our SQL casts it."""

    meaning: Meaning
    staging: str
    cast: bool

    def as_text(self, target: str) -> "Carriage":
        """The same values as text, for PostgreSQL's own input to judge."""
        return Carriage(meaning=self.meaning, staging="text", cast=_text_is_cast(target))


def carriage(column: Column, target: str, *, is_enum: bool = False) -> Carriage:
    """How `column` travels into a target column of type `target` (pg_type.typname)."""
    means = meaning(column)
    if means is Meaning.INTEGER and target in _INTEGERS:
        return Carriage(meaning=means, staging=target, cast=False)
    if means is Meaning.REAL and target == "float8":
        return Carriage(meaning=means, staging="float8", cast=False)
    if means is Meaning.JSON and target == "json":
        return Carriage(meaning=means, staging="json", cast=False)
    native = NATIVE.get(means)
    if native is None or target in _TEXT.same or is_enum:
        return _textual(means, target, is_enum)
    return Carriage(meaning=means, staging=native.staging, cast=target not in native.same)


def _textual(means: Meaning, target: str, is_enum: bool) -> Carriage:
    # numbers, dates and times become text in PostgreSQL's own spelling, so they travel natively and are cast
    native = NATIVE.get(means)
    if native is not None and means not in (Meaning.UUID, Meaning.JSON, Meaning.ZONED_TIMESTAMP):
        return Carriage(meaning=means, staging=native.staging, cast=True)
    return Carriage(meaning=means, staging="text", cast=is_enum or _text_is_cast(target))


def _text_is_cast(target: str) -> bool:
    return target not in _TEXT.same or target in _OWN_EQUALITY


_CREATED: dict[Meaning, str] = {
    Meaning.BOOLEAN: "boolean",
    Meaning.REAL: "real",
    Meaning.DOUBLE: "double precision",
    Meaning.WIDE_DECIMAL: "numeric",
    Meaning.SCALED_DECIMAL: "numeric",
    Meaning.UUID: "uuid",
    Meaning.JSON: "jsonb",
    Meaning.BYTES: "bytea",
    Meaning.DATE: "date",
    Meaning.TIME_MS: "time",
    Meaning.TIME_US: "time",
    Meaning.TIME_NS: "time",
    Meaning.TIMESTAMP_MS: "timestamp",
    Meaning.TIMESTAMP_US: "timestamp",
    Meaning.TIMESTAMP_NS: "timestamp",
    Meaning.ZONED_TIMESTAMP: "timestamptz",
    Meaning.ZONED_TIME: "timetz",
    Meaning.DURATION_US: "interval",
    Meaning.DURATION_NS: "interval",
}


def created_type(column: Column) -> str:
    """The type of a column in a table that Headrace creates."""
    means = meaning(column)
    if means is Meaning.INTEGER:
        if column.avro == "long":
            return "bigint"
        return "smallint" if column.small else "integer"
    if means is Meaning.DECIMAL:
        return f"numeric({column.precision},{column.scale or 0})"
    return _CREATED.get(means, "text")
