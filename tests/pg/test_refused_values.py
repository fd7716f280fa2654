"""Values that a column can't hold as they are: refused with field, what was expected, what was found and a remedy."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from consumer.core.plan import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from tests.pg.test_shape_values import EWKB_POINT, SEGMENT, WKB_POINT
from tests.pg.values import Value, land, params
from tests.unit.semantic import (
    CIRCLE,
    DATE,
    INTERVAL,
    ISO_TIMESTAMP,
    MS,
    POINT,
    SHAPE,
    STRUCTURED_DATE,
    TIME_US,
    US,
    VARIABLE,
    ZONED,
    ZONED_TIME,
    array,
    bits,
    decimal,
    filled,
    propagated,
)


def shape(wkb: bytes, srid: int | None = None, **extensions: str) -> dict[str, Any]:
    """A Geometry."""
    return filled(SHAPE, wkb=wkb, srid=srid, extensions=extensions or None)


# the literal says what the reason names
NAMED = [
    Value(bits(12), b"\x05", "varbit", "after.v: expected a bit string whose zeros in front are known"),
    Value(propagated(bits(12), "VARBIT", 12), b"\x05", "varbit", "found one of a column of varying length"),
    Value(bits(12), b"\x00\x10", "bit(12)", "after.v: expected at most 12 bits, found 13"),
    Value(POINT, filled(POINT, x=1.0, y=2.0, srid=4326), "point", "expected a shape without a reference system"),
    Value(SHAPE, shape(EWKB_POINT, 4326), "point", "expected a shape without a reference system"),
    Value(SHAPE, shape(WKB_POINT), "box", "expected well-known binary of type 3, found one of type 1"),
    Value(SHAPE, shape(SEGMENT, type="path", closed="true"), "bytea", "found a closed path"),
    Value(SHAPE, shape(SEGMENT), "path", "expected whether the path is closed"),
    Value(SHAPE, shape(SEGMENT[:-1]), "lseg", "expected well-known binary of 41 bytes, found 40"),
    Value(SHAPE, shape(b""), "point", "bytes that do not begin with its byte order"),
    Value(SHAPE, shape(WKB_POINT[:3]), "point", "bytes that end within it"),
    Value("string", "sesame!", "bytea", "after.v: expected bytes as base64", policy={"binary": "base64"}),
    Value("string", "0g", "bytea", "after.v: expected bytes as hex", policy={"binary": "hex"}),
    # what PostgreSQL would round or cut without a word
    Value(decimal(10, 3), Decimal("1.235"), "numeric(6,2)", "after.v: expected at most 2 digits behind the point"),
    Value(decimal(50, 3), Decimal("-1.235"), "numeric(6,2)", "expected at most 2 digits behind the point"),
    Value("string", "1.2350", "numeric(6,2)", "expected at most 2 digits behind the point"),
    Value(VARIABLE, {"scale": 3, "value": b"\x01"}, "numeric(6,2)", "expected at most 2 digits behind the point"),
    Value(array(decimal(10, 3)), [Decimal("1.230"), Decimal("1.235")], "numeric(6,2)[]", "expected at most 2 digits"),
    Value(decimal(10, 3), Decimal("1210"), "numeric(6,-2)", "expected at most -2 digits behind the point"),
    Value(decimal(10, 0), Decimal("1001"), "numeric(6,-2)", "expected at most -2 digits behind the point"),
    Value(decimal(10, 3), Decimal("1.235"), "money", "expected at most 2 digits behind the point"),
    Value(decimal(10, 2), Decimal("12.50"), "int4", "expected at most 0 digits behind the point"),
    Value(decimal(38, 2), Decimal("9" * 36 + ".99"), "float8", "expected a number that float8 keeps"),
    Value(decimal(10, 2), Decimal("1234567.89"), "float4", "expected a number that float4 keeps"),
    Value("long", 2**53 + 1, "float8", "expected a number that float8 keeps"),
    Value("int", 2**24 + 1, "float4", "expected a number that float4 keeps"),
    Value("double", 0.30000000000000004, "numeric(12,2)", "expected at most 2 digits behind the point"),
    Value("float", 0.125, "money", "expected at most 2 digits behind the point"),
    Value("double", 0.1, "float4", "expected a number that float4 keeps"),
    Value(US, 1_709_210_096_123_456, "timestamp(3)", "expected at most 3 digits behind the point"),
    Value(US, 1_709_210_096_123_456, "date", "after.v: expected a day, found a time of day"),
    Value(TIME_US, 86_399_999_999, "time(3)", "expected at most 3 digits behind the point"),
    Value(ZONED, "2024-02-29T12:34:56.123456Z", "timestamptz(0)", "expected at most 0 digits behind the point"),
    Value(ZONED, "+12024-02-29T12:34:56.12Z", "timestamptz(1)", "expected at most 1 digits behind the point"),
    Value(ZONED_TIME, "12:34:56.12Z", "timetz(1)", "expected at most 1 digits behind the point"),
    Value(INTERVAL, "P0Y0M0DT0H0M6.789S", "interval(2)", "expected at most 2 digits behind the point"),
    Value("string", "sesame  ", "varchar(6)", "expected at most 6 characters"),
    Value("string", "é" * 32, "name", "expected at most 63 bytes"),
    Value("string", "é", '"char"', "expected at most 1 bytes"),
    Value(STRUCTURED_DATE, filled(STRUCTURED_DATE, month=1), "date", "expected all parts of a value of its type"),
]
# PostgreSQL says it
TOLD = [
    Value(US, -9_222_425_352_054_775_809, "timestamp", None),
    Value(US, -(2**63), "timestamp", None),
    Value(MS, 2**63 - 1, "timestamp", None),
    Value(MS, -(2**63), "timestamp", None),
    Value(MS, 9_224_318_016_000_000, "timestamp", None),
    Value(DATE, -(2**31), "date", None),
    Value(DATE, 2**31 - 1, "date", None),
    Value(TIME_US, -1, "time", None),
    Value(TIME_US, 86_400_000_001, "time", None),
    Value(ISO_TIMESTAMP, "+999999-01-01T00:00:00Z", "timestamp", None),
    Value(bits(12), b"\x05\x08", "bit(16)", None),
    Value(propagated("long", "BIGINT UNSIGNED"), -1, "int8", None),
    Value("long", 2**32, "oid", None),
    Value("string", "POSITIVE_INFINITY", "numeric(10,2)", None),
    Value("string", "POSITIVE_INFINITY", "money", None),
    Value("double", float("nan"), "money", None),
    Value(decimal(38, 0), Decimal(10**37), "money", None),
    Value(array("int"), [40_000], "int2[]", None),
    Value(array("string"), ["sesame"], "varchar(3)[]", None),
    Value(array("string"), ["sesame"], "mood[]", None),
    Value(array("string"), ["a\0"], "text[]", None),
    Value(array("int"), [1, None], "int4[] CHECK (array_position(v, NULL) IS NULL)", None),
    Value("bytes", b"{[1,", "int4multirange", None),
    Value("string", "a\0b", "text", None, policy={"zero_bytes": "reject"}),
    Value("string", "a\0b", "varchar(7)", None, policy={"zero_bytes": "escape"}),
    Value(CIRCLE, {"center": filled(POINT, x=1.0, y=2.0), "radius": -1.0}, "circle", None),
    Value("bytes", b"\xff", "int4range", None),
]


@pytest.mark.parametrize("value", params(NAMED))
def test_what_a_column_cannot_hold_is_named(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """By its field, without the value."""
    with pytest.raises(DataFault) as caught:
        land(session, sink, table, [value], value.target)

    assert value.literal is not None
    assert value.literal in caught.value.failure.detail
    assert caught.value.failure.kind == "record.value"
    assert caught.value.failure.remedy
    assert "sesame" not in str(caught.value)
    assert session.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("value", params(TOLD))
def test_what_postgresql_refuses_stays_out(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Nothing wraps around, is cut or becomes an infinity."""
    with pytest.raises(DataFault) as caught:
        land(session, sink, table, [value], value.target)

    assert caught.value.failure.remedy
    assert "sesame" not in str(caught.value)
    assert session.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
