"""Avro types as Kafka Connect's converter writes them for Debezium's semantic types."""

from collections.abc import Mapping
from typing import Any

CONNECT = "org.apache.kafka.connect.data."
TIME = "io.debezium.time."
DATA = "io.debezium.data."
GEOMETRY = "io.debezium.data.geometry."
Type = Any


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    """An Avro type with a Connect name."""
    return {"type": kind, "connect.name": name, **more}


def with_parameters(kind: str | dict[str, Any], **parameters: str) -> dict[str, Any]:
    """A type with Connect parameters."""
    base = {"type": kind} if isinstance(kind, str) else kind
    there = base.get("connect.parameters", {})
    return {**base, "connect.parameters": {**there, **parameters}}


def propagated(kind: str | dict[str, Any], name: str, length: int | None = None, scale: int | None = None) -> Type:
    """A type with what column.propagate.source.type adds."""
    said = {"type": name, "length": length, "scale": scale}
    given = {f"__debezium.source.column.{key}": str(value) for key, value in said.items() if value is not None}
    return with_parameters(kind, **given)


def decimal(precision: int, scale: int) -> dict[str, Any]:
    """An Avro decimal as Connect writes it."""
    return named(
        "bytes",
        CONNECT + "Decimal",
        logicalType="decimal",
        precision=precision,
        scale=scale,
        **{"connect.parameters": {"scale": str(scale), "connect.decimal.precision": str(precision)}},
    )


def of_unknown_precision(scale: int) -> dict[str, Any]:
    """A decimal whose precision the source did not say, as for money: the converter writes 64."""
    parameters = {"connect.parameters": {"scale": str(scale)}}
    return named("bytes", CONNECT + "Decimal", logicalType="decimal", precision=64, scale=scale, **parameters)


def unscaled(number: int) -> bytes:
    """Big-endian two's complement, as short as it can be: as Java writes it."""
    return number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)


def record(name: str, *fields: tuple[str, Type]) -> dict[str, Any]:
    """A record with a Connect name; types in a list may be null and are null by default."""
    namespace, _, short = name.rpartition(".")
    parts = [
        {"name": field, "type": kind, **({"default": None} if isinstance(kind, list) else {})} for field, kind in fields
    ]
    return {"type": "record", "name": short, "namespace": namespace, "connect.name": name, "fields": parts}


def array(items: Type, **more: Any) -> dict[str, Any]:
    """An array as Debezium writes those of PostgreSQL: elements may be null."""
    return {"type": "array", "items": ["null", items], **more}


def vector(items: str, name: str) -> dict[str, Any]:
    """A vector: no element is null."""
    return {"type": "array", "items": items, "connect.version": 1, "connect.name": DATA + name}


def bits(length: int) -> dict[str, Any]:
    """A bit string of a column of this length."""
    return named("bytes", DATA + "Bits", **{"connect.version": 1, "connect.parameters": {"length": str(length)}})


def enum(kind: str, *allowed: str) -> dict[str, Any]:
    """An Enum or an EnumSet."""
    return named("string", DATA + kind, **{"connect.version": 1, "connect.parameters": {"allowed": ",".join(allowed)}})


VARIABLE = record(DATA + "VariableScaleDecimal", ("scale", "int"), ("value", "bytes"))
DATE = named("int", TIME + "Date")
TIME_MS = named("int", TIME + "Time")
TIME_US = named("long", TIME + "MicroTime")
TIME_NS = named("long", TIME + "NanoTime")
MS = named("long", TIME + "Timestamp")
US = named("long", TIME + "MicroTimestamp")
NS = named("long", TIME + "NanoTimestamp")
CONNECT_DATE = named("int", CONNECT + "Date", logicalType="date")
CONNECT_TIME = named("int", CONNECT + "Time", logicalType="time-millis")
CONNECT_TIMESTAMP = named("long", CONNECT + "Timestamp", logicalType="timestamp-millis")
ZONED = named("string", TIME + "ZonedTimestamp")
ZONED_TIME = named("string", TIME + "ZonedTime")
ISO_DATE, ISO_TIME, ISO_TIMESTAMP = (named("string", TIME + name) for name in ("IsoDate", "IsoTime", "IsoTimestamp"))
MICRO_DURATION, NANO_DURATION = (named("long", TIME + name) for name in ("MicroDuration", "NanoDuration"))
INTERVAL = named("string", TIME + "Interval")
UUID, JSON, XML, LTREE, TSVECTOR = (
    named("string", DATA + name) for name in ("Uuid", "Json", "Xml", "Ltree", "Tsvector")
)
HSTORE = {"type": "map", "values": ["null", "string"]}
DOUBLE_VECTOR, FLOAT_VECTOR = vector("double", "DoubleVector"), vector("float", "FloatVector")
# maps whose keys are not strings become arrays of their entries
SPARSE_VECTOR = record(
    DATA + "SparseDoubleVector",
    ("dimensions", {"type": "int", "connect.type": "int16"}),
    (
        "vector",
        {
            "type": "array",
            "items": record("io.confluent.connect.avro.MapEntry", ("key", "int"), ("value", "double")),
            "connect.type": "map",
        },
    ),
)
EXTENSIONS = ["null", {"type": "map", "values": "string"}]
SHAPE = record(GEOMETRY + "Geometry", ("wkb", "bytes"), ("srid", ["null", "int"]), ("extensions", EXTENSIONS))
OLD_SHAPE = record(GEOMETRY + "Geometry", ("wkb", "bytes"), ("srid", ["null", "int"]))
GEOGRAPHY = record(GEOMETRY + "Geography", ("wkb", "bytes"), ("srid", ["null", "int"]))
POINT = record(
    GEOMETRY + "Point", ("x", "double"), ("y", "double"), ("wkb", ["null", "bytes"]), ("srid", ["null", "int"])
)
CIRCLE = record(GEOMETRY + "Circle", ("center", POINT), ("radius", "double"))
LINE = record(GEOMETRY + "Line", ("a", "double"), ("b", "double"), ("c", "double"))
_INT = ["null", "int"]
_CLOCK = (("hour", _INT), ("minute", _INT), ("second", _INT), ("nanos", _INT))
_CALENDAR = (("year", _INT), ("month", _INT), ("day", _INT))
_SPECIAL = ("specialValue", ["null", "string"])
_PRECISION = ("precision", _INT)
STRUCTURED_DATE = record(TIME + "StructuredDate", *_CALENDAR, _SPECIAL)
STRUCTURED_TIME = record(TIME + "StructuredTime", *_CLOCK, _PRECISION)
STRUCTURED_TIMESTAMP = record(TIME + "StructuredTimestamp", *_CALENDAR, *_CLOCK, _SPECIAL, _PRECISION)
STRUCTURED_ZONED_TIME = record(TIME + "StructuredZonedTime", *_CLOCK, ("offsetSeconds", _INT), _PRECISION)
STRUCTURED_ZONED_TIMESTAMP = record(
    TIME + "StructuredZonedTimestamp",
    *_CALENDAR,
    *_CLOCK,
    ("offsetSeconds", _INT),
    ("zoneId", ["null", "string"]),
    _SPECIAL,
    _PRECISION,
)
STRUCTURED_DURATION = record(
    TIME + "StructuredDuration",
    *((part, _INT) for part in ("years", "months", "days", "hours", "minutes")),
    ("seconds", ["null", "long"]),
    ("nanos", _INT),
    _PRECISION,
)


def filled(schema: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """A record's value; what is not given is null."""
    return {field["name"]: values.get(field["name"]) for field in schema["fields"]}
