"""What a column's values are, by the type names that Connect and Debezium write into schemas."""

from collections.abc import Mapping
from enum import Enum

from consumer.core.envelope import Column


class Meaning(Enum):
    """What a column's values are."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    UNSIGNED = "64-bit integer without a sign, as its two's complement"
    REAL = "real"
    DOUBLE = "double precision"
    DECIMAL = "decimal of fixed scale, up to 38 digits"
    WIDE_DECIMAL = "decimal of fixed scale, more than 38 digits"
    SCALED_DECIMAL = "decimal whose scale travels with each value"
    NUMBER_TEXT = "decimal digits, or Debezium's word for infinity or no number"
    TEXT = "text"
    ENUM = "label of an enum"
    ENUM_SET = "labels of a set, joined by commas"
    UUID = "uuid"
    JSON = "json"
    XML = "xml"
    LTREE = "path of labels"
    TSVECTOR = "text search vector"
    BYTES = "bytes"
    BITS = "bit string, its last bits first"
    DATE = "days since 1970"
    TIME_MS = "milliseconds since midnight"
    TIME_US = "microseconds since midnight"
    TIME_NS = "nanoseconds since midnight"
    TIMESTAMP_MS = "milliseconds since 1970"
    TIMESTAMP_US = "microseconds since 1970"
    TIMESTAMP_NS = "nanoseconds since 1970"
    ZONED_TIMESTAMP = "ISO 8601 text in UTC"
    ZONED_TIME = "ISO 8601 time text with offset"
    ISO_DATE = "ISO 8601 date text"
    ISO_TIME = "ISO 8601 time text"
    ISO_TIMESTAMP = "ISO 8601 date and time text"
    DATE_PARTS = "year, month and day"
    TIME_PARTS = "hour to nanosecond"
    TIMESTAMP_PARTS = "year to nanosecond"
    ZONED_TIME_PARTS = "hour to nanosecond, with offset"
    ZONED_TIMESTAMP_PARTS = "year to nanosecond, with offset"
    DURATION_US = "microseconds of an interval"
    DURATION_NS = "nanoseconds of an interval"
    DURATION_TEXT = "ISO 8601 text of an interval"
    DURATION_PARTS = "years to nanoseconds of an interval"
    POINT = "point of a plane"
    CIRCLE = "circle"
    LINE = "line"
    GEOMETRY = "shape as well-known binary"
    GEOGRAPHY = "shape on the globe as well-known binary"
    DOUBLE_VECTOR = "vector of double precision"
    FLOAT_VECTOR = "vector of real"
    SPARSE_VECTOR = "vector of which only some elements are not zero"
    MAP = "map of texts"
    ARRAY = "array"
    OTHER = "anything else, as text"
    UNKNOWN = "unknown"


CONNECT = "org.apache.kafka.connect.data."
TIME = "io.debezium.time."
DATA = "io.debezium.data."
GEOMETRY = DATA + "geometry."

BY_SEMANTIC: dict[tuple[str, str], Meaning] = {
    ("bytes", CONNECT + "Decimal"): Meaning.WIDE_DECIMAL,
    ("record", DATA + "VariableScaleDecimal"): Meaning.SCALED_DECIMAL,
    ("string", DATA + "Enum"): Meaning.ENUM,
    ("string", DATA + "EnumSet"): Meaning.ENUM_SET,
    ("string", DATA + "Uuid"): Meaning.UUID,
    ("string", "uuid"): Meaning.UUID,
    ("string", DATA + "Json"): Meaning.JSON,
    ("string", DATA + "Xml"): Meaning.XML,
    ("string", DATA + "Ltree"): Meaning.LTREE,
    ("string", DATA + "Tsvector"): Meaning.TSVECTOR,
    ("bytes", DATA + "Bits"): Meaning.BITS,
    ("int", TIME + "Date"): Meaning.DATE,
    ("int", CONNECT + "Date"): Meaning.DATE,
    ("int", "date"): Meaning.DATE,
    ("string", TIME + "IsoDate"): Meaning.ISO_DATE,
    ("record", TIME + "StructuredDate"): Meaning.DATE_PARTS,
    ("int", TIME + "Time"): Meaning.TIME_MS,
    ("int", CONNECT + "Time"): Meaning.TIME_MS,
    ("int", "time-millis"): Meaning.TIME_MS,
    ("long", TIME + "MicroTime"): Meaning.TIME_US,
    ("long", "time-micros"): Meaning.TIME_US,
    ("long", TIME + "NanoTime"): Meaning.TIME_NS,
    ("string", TIME + "IsoTime"): Meaning.ISO_TIME,
    ("record", TIME + "StructuredTime"): Meaning.TIME_PARTS,
    ("string", TIME + "ZonedTime"): Meaning.ZONED_TIME,
    ("record", TIME + "StructuredZonedTime"): Meaning.ZONED_TIME_PARTS,
    ("long", TIME + "Timestamp"): Meaning.TIMESTAMP_MS,
    ("long", CONNECT + "Timestamp"): Meaning.TIMESTAMP_MS,
    ("long", "timestamp-millis"): Meaning.TIMESTAMP_MS,
    ("long", TIME + "MicroTimestamp"): Meaning.TIMESTAMP_US,
    ("long", "timestamp-micros"): Meaning.TIMESTAMP_US,
    ("long", TIME + "NanoTimestamp"): Meaning.TIMESTAMP_NS,
    ("string", TIME + "IsoTimestamp"): Meaning.ISO_TIMESTAMP,
    ("record", TIME + "StructuredTimestamp"): Meaning.TIMESTAMP_PARTS,
    ("string", TIME + "ZonedTimestamp"): Meaning.ZONED_TIMESTAMP,
    ("record", TIME + "StructuredZonedTimestamp"): Meaning.ZONED_TIMESTAMP_PARTS,
    ("long", TIME + "MicroDuration"): Meaning.DURATION_US,
    ("long", TIME + "NanoDuration"): Meaning.DURATION_NS,
    ("string", TIME + "Interval"): Meaning.DURATION_TEXT,
    ("record", TIME + "StructuredDuration"): Meaning.DURATION_PARTS,
    ("int", TIME + "Year"): Meaning.INTEGER,
    ("record", GEOMETRY + "Point"): Meaning.POINT,
    ("record", GEOMETRY + "Circle"): Meaning.CIRCLE,
    ("record", GEOMETRY + "Line"): Meaning.LINE,
    ("record", GEOMETRY + "Geometry"): Meaning.GEOMETRY,
    ("record", GEOMETRY + "Geography"): Meaning.GEOGRAPHY,
    ("array", DATA + "DoubleVector"): Meaning.DOUBLE_VECTOR,
    ("array", DATA + "FloatVector"): Meaning.FLOAT_VECTOR,
    ("record", DATA + "SparseDoubleVector"): Meaning.SPARSE_VECTOR,
    ("record", DATA + "SparseVector"): Meaning.SPARSE_VECTOR,
}

BY_WORD: dict[str, Meaning] = {
    "boolean": Meaning.BOOLEAN,
    "int": Meaning.INTEGER,
    "long": Meaning.INTEGER,
    "float": Meaning.REAL,
    "double": Meaning.DOUBLE,
    "bytes": Meaning.BYTES,
    "string": Meaning.TEXT,
    "enum": Meaning.ENUM,
    "array": Meaning.ARRAY,
    "map": Meaning.MAP,
}

_CALENDAR = {"year": "int", "month": "int", "day": "int"}
_CLOCK = {"hour": "int", "minute": "int", "second": "int", "nanos": "int"}
_SPECIAL = {"specialValue": "string"}
# the fields that values of a record need, with their Avro types: others have its name only
_PARTS: dict[Meaning, Mapping[str, str]] = {
    Meaning.SCALED_DECIMAL: {"scale": "int", "value": "bytes"},
    Meaning.DATE_PARTS: {**_CALENDAR, **_SPECIAL},
    Meaning.TIME_PARTS: _CLOCK,
    Meaning.TIMESTAMP_PARTS: {**_CALENDAR, **_CLOCK, **_SPECIAL},
    Meaning.ZONED_TIME_PARTS: {**_CLOCK, "offsetSeconds": "int"},
    Meaning.ZONED_TIMESTAMP_PARTS: {**_CALENDAR, **_CLOCK, **_SPECIAL, "offsetSeconds": "int"},
    Meaning.DURATION_PARTS: {
        **dict.fromkeys(("years", "months", "days", "hours", "minutes", "nanos"), "int"),
        "seconds": "long",
    },
    Meaning.POINT: {"x": "double", "y": "double"},
    Meaning.CIRCLE: {"center": "record", "radius": "double"},
    Meaning.LINE: {"a": "double", "b": "double", "c": "double"},
    Meaning.GEOMETRY: {"wkb": "bytes", "srid": "int"},
    Meaning.GEOGRAPHY: {"wkb": "bytes", "srid": "int"},
    Meaning.SPARSE_VECTOR: {"dimensions": "int", "vector": "array"},
}
_ITEMS = {Meaning.DOUBLE_VECTOR: "double", Meaning.FLOAT_VECTOR: "float"}

# types with a name of their own whose values are text in a form that PostgreSQL's own input reads
_WORDS_WITHOUT_OWN_FORM = frozenset({"string", "boolean", "float", "double"})
# numbers and bytes with a name that is not known: what they count, nobody can guess
_WORDS_TO_INTERPRET = frozenset({"int", "long", "bytes", "fixed"})


def meaning(column: Column) -> Meaning:
    """What a column's values are; UNKNOWN where a type name is not known and its form could mislead."""
    if column.avro == "decimal":
        digits = column.precision or 0
        # bytes of a fixed number are read as what they are
        fits = not column.fixed and 0 < digits <= 38 and 0 <= (column.scale or 0) <= digits
        return Meaning.DECIMAL if fits else Meaning.WIDE_DECIMAL
    found = _named(column) if column.semantic is not None else _plain(column)
    if not _PARTS.get(found, {}).items() <= dict(column.parts).items():
        return Meaning.OTHER
    if found in _ITEMS and (column.item is None or column.item.avro != _ITEMS[found]):
        return Meaning.ARRAY
    return found


def _plain(column: Column) -> Meaning:
    if column.avro == "long" and column.unsigned:
        return Meaning.UNSIGNED
    if column.avro == "map" and (column.item is None or column.item.avro != "string"):
        return Meaning.OTHER
    return BY_WORD.get(column.avro, Meaning.OTHER)


def _named(column: Column) -> Meaning:
    assert column.semantic is not None
    found = BY_SEMANTIC.get((column.avro, column.semantic))
    if found is not None:
        return found
    if column.avro in _WORDS_TO_INTERPRET:
        return Meaning.UNKNOWN
    if column.avro in _WORDS_WITHOUT_OWN_FORM:
        return BY_WORD[column.avro]
    return _plain(column)
