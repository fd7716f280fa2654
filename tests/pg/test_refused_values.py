"""Values that a column can't hold as they are: refused with field, what was expected, what was found and a remedy."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from tests.pg.test_shape_values import EWKB_POINT, SEGMENT, WKB_POINT
from tests.pg.values import Value, land, params
from tests.unit.semantic import (
    CIRCLE,
    DATE,
    INTERVAL,
    ISO_TIMESTAMP,
    MICRO_DURATION,
    MS,
    NANO_DURATION,
    NS,
    POINT,
    SHAPE,
    STRUCTURED_DATE,
    STRUCTURED_DURATION,
    STRUCTURED_TIMESTAMP,
    TIME_NS,
    TIME_US,
    US,
    VARIABLE,
    ZONED,
    ZONED_TIME,
    array,
    bits,
    decimal,
    enum,
    filled,
    propagated,
)


def shape(wkb: bytes, srid: int | None = None, **extensions: str) -> dict[str, Any]:
    """A Geometry."""
    return filled(SHAPE, wkb=wkb, srid=srid, extensions=extensions or None)


LAST_MOMENT = {"year": 2024, "month": 2, "day": 29, "hour": 23, "minute": 59, "second": 59, "nanos": 999_999_999}

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
    Value("string", "1235E-3", "numeric(12,2)", "expected at most 2 digits behind the point"),
    Value("string", "1e-7", "numeric(12,2)", "expected at most 2 digits behind the point"),
    Value("string", " -1.2E-7 ", "money", "expected at most 2 digits behind the point"),
    Value("string", "1_000.5_5_5", "numeric(12,2)", "expected at most 2 digits behind the point"),
    Value("string", "121E1", "numeric(6,-2)", "expected at most -2 digits behind the point"),
    Value("string", "5e-1", "numeric(6,-2)", "expected at most -2 digits behind the point"),
    Value(array("string"), ["1.5", "1235E-3"], "numeric(12,2)[]", "expected at most 2 digits behind the point"),
    Value(VARIABLE, {"scale": 16_383, "value": b"\x0c"}, "numeric(12,2)", "expected at most 2 digits"),
    Value(VARIABLE, {"scale": 16_383, "value": b"\x0c"}, "float8", "expected a number that float8 keeps"),
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
    Value(propagated("long", "BIGINT UNSIGNED"), 2**53 + 1, "float8", "expected a number that float8 keeps"),
    Value(propagated("long", "BIGINT UNSIGNED"), -1, "float4", "expected a number that float4 keeps"),
    # a domain over another, and elements of one
    Value(decimal(10, 3), Decimal("1.235"), "costs", "after.v: expected at most 2 digits behind the point"),
    Value(array(decimal(10, 3)), [Decimal("1.235")], "price[]", "expected at most 2 digits behind the point"),
    Value("string", "1.2350", "costs", "expected at most 2 digits behind the point"),
    Value("double", 0.30000000000000004, "numeric(12,2)", "expected at most 2 digits behind the point"),
    Value("double", 0.30000000000000004, "numeric(38,16)", "expected at most 16 digits behind the point"),
    Value("double", 1.5e-25, "numeric(30,25)", "expected at most 25 digits behind the point"),
    Value("float", 0.125, "money", "expected at most 2 digits behind the point"),
    Value({"type": "int", "connect.type": "int16"}, 2, "bool", "after.v: expected 0 or 1, found another number"),
    Value("long", -1, "bool", "after.v: expected 0 or 1"),
    Value("int", 256, "bool", "after.v: expected 0 or 1"),
    Value(array("int"), [1, 2], "bool[]", "expected 0 or 1"),
    Value("double", 0.1, "float4", "expected a number that float4 keeps"),
    Value(US, 1_709_210_096_123_456, "timestamp(3)", "expected at most 3 digits behind the point"),
    Value(US, 1_709_210_096_123_456, "date", "after.v: expected a day, found a time of day"),
    Value(TIME_US, 86_399_999_999, "time(3)", "expected at most 3 digits behind the point"),
    Value(ZONED, "2024-02-29T12:34:56.123456Z", "timestamptz(0)", "expected at most 0 digits behind the point"),
    Value(ZONED, "+12024-02-29T12:34:56.12Z", "timestamptz(1)", "expected at most 1 digits behind the point"),
    Value(ZONED_TIME, "12:34:56.12Z", "timetz(1)", "expected at most 1 digits behind the point"),
    Value(MICRO_DURATION, 1_234_567, "interval(3)", "expected at most 3 digits behind the point"),
    Value(NANO_DURATION, -1_234_567_000, "interval(0)", "expected at most 0 digits behind the point"),
    Value(TIME_US, 1_234_567, "interval(3)", "expected at most 3 digits behind the point"),
    Value(array(MICRO_DURATION), [1_000_000, 1_234_567], "interval(3)[]", "expected at most 3 digits behind the point"),
    Value(INTERVAL, "P0Y0M0DT0H0M6.789S", "interval(2)", "expected at most 2 digits behind the point"),
    Value(VARIABLE, {"scale": 20, "value": b"\x01" + b"\x23" * 12}, "float8", "expected a number that float8 keeps"),
    Value("string", "1234567890.12345678901234567890", "float8", "expected a number that float8 keeps"),
    Value("string", "0.123456789", "float4", "expected a number that float4 keeps"),
    Value("string", "1e400", "float8", "expected a number that float8 keeps"),
    Value(decimal(50, 20), Decimal("1234567890.12345678901234567890"), "float8", "expected a number that float8 keeps"),
    Value(array(decimal(38, 10)), [Decimal("1234567890123456.1234567891")], "float8[]", "a number that float8 keeps"),
    Value("long", 1234, "numeric(3,-2)", "expected at most -2 digits behind the point"),
    Value("double", 1234.0, "numeric(3,-2)", "expected at most -2 digits behind the point"),
    Value(propagated("long", "BIGINT UNSIGNED"), 1234, "numeric(3,-2)", "expected at most -2 digits behind the point"),
    Value(ISO_TIMESTAMP, "2024-02-29T12:34:56.123456Z", "date", "after.v: expected a day, found a time of day"),
    Value(ZONED, "2024-02-29T00:00:00.0000001Z", "date", "after.v: expected a day, found a time of day"),
    Value(ZONED, "+12024-02-29T12:34:56Z", "date", "after.v: expected a day, found a time of day"),
    Value("string", "2024-02-29 00:00:01", "date", "after.v: expected a day, found a time of day"),
    Value("string", "20240229T123456", "date", "after.v: expected a day, found a time of day"),
    Value("string", "2024-02-29T12:34:56+05:00", "timestamp", "after.v: expected a time without an offset"),
    Value("string", "12:34-00:30", "time", "after.v: expected a time without an offset"),
    Value("string", "2020-01-01T10+05", "timestamp", "after.v: expected a time without an offset"),
    Value("string", "2020-01-01 10:00:00 America/New_York", "timestamp", "expected a time without an offset"),
    Value("string", "10:00 EST", "time", "expected a time without an offset"),
    *(Value("string", "now", kind, "after.v: expected a moment") for kind in ("timestamptz", "timestamp", "time")),
    Value("string", " Today", "date", "after.v: expected a moment"),
    Value(array("string"), ["2020-01-01", "tomorrow"], "date[]", "expected a moment"),
    Value(NS, 1_709_210_096_123_456_001, "timestamp", "after.v: expected whole microseconds"),
    Value(NS, -1, "timestamptz", "after.v: expected whole microseconds"),
    Value(TIME_NS, 86_399_999_999_999, "time", "after.v: expected whole microseconds"),
    Value(ISO_TIMESTAMP, "2024-02-29T23:59:59.9999999Z", "timestamp", "after.v: expected whole microseconds"),
    Value(ZONED, "2024-02-29T12:34:56.1234567Z", "timestamptz", "after.v: expected whole microseconds"),
    Value(ZONED_TIME, "12:34:56.1234567Z", "timetz", "after.v: expected whole microseconds"),
    Value(
        STRUCTURED_TIMESTAMP, filled(STRUCTURED_TIMESTAMP, **LAST_MOMENT), "timestamp", "expected whole microseconds"
    ),
    Value("string", "sesame  ", "varchar(6)", "expected at most 6 characters"),
    # texts of composite types
    Value("string", '("ab    ",1.23)', "narrow", "after.v: expected at most 3 characters"),
    Value("bytes", b"(ab,1.235)", "narrow", "after.v: expected at most 2 digits behind the point"),
    Value("string", "(a,007)", "pair", "after.v: expected a whole number as it is written back"),
    Value("string", '("a""b" ,1)', "narrow", "after.v: expected a row as PostgreSQL writes it"),
    Value("string", '{"(ab,1.235)"}', "narrow[]", "after.v: expected at most 2 digits behind the point"),
    # texts of arrays
    Value("string", "{1.235,2}", "numeric(6,2)[]", "after.v: expected at most 2 digits behind the point"),
    Value("string", '[0:1]={{1.23,"1.235"},{NULL,2}}', "numeric(6,2)[]", "expected at most 2 digits behind the point"),
    Value("string", "{1.235}", "price[]", "after.v: expected at most 2 digits behind the point"),
    Value("bytes", b"{1.235}", "numeric(6,2)[]", "after.v: expected at most 2 digits behind the point"),
    Value("string", "{0.12345678901234}", "real[]", "expected a number that float4 keeps"),
    Value("string", "{2024-01-01 00:00:00.123456}", "timestamp(3)[]", "expected at most 3 digits behind the point"),
    Value("string", '{"2024-01-01 00:00:00.1234567"}', "timestamp[]", "expected whole microseconds"),
    Value("string", "{2024-01-01 00:00:00+05}", "timestamp[]", "after.v: expected a time without an offset"),
    Value("string", "{2024-01-01 12:30}", "date[]", "after.v: expected a day, found a time of day"),
    Value("string", '{"abc   "}', "varchar(3)[]", "after.v: expected at most 3 characters"),
    Value("string", '{a b "c"}', "varchar(3)[]", "after.v: expected an array as PostgreSQL writes it"),
    Value("string", "{abc\\ }", "varchar(3)[]", "after.v: expected an array as PostgreSQL writes it"),
    Value("string", "é" * 32, "name", "expected at most 63 bytes"),
    Value("string", "é", '"char"', "expected at most 1 bytes"),
    Value(STRUCTURED_DATE, filled(STRUCTURED_DATE, month=1), "date", "expected all parts of a value of its type"),
]
# texts that a number's column would write back otherwise
WHOLE, NUMBER = "after.v: expected a whole number as it is written back", "after.v: expected a number as it is written"
SPELLED = [
    *(Value("string", "007", kind, WHOLE) for kind in ("int2", "int8", "oid")),
    *(Value("string", text, "int4", WHOLE) for text in ("007", "+7", " 7", "7 ", "-0", "-07", "1_000", "0x1F", "7\n")),
    *(Value("string", "007.5", kind, NUMBER) for kind in ("numeric(12,2)", "float8", "float4")),
    *(
        Value("string", text, "numeric", NUMBER)
        for text in ("007", "+7", " 7", "7\n", "00.5", ".5", "5.", "-.5", "1_000", "0x1F", "+1E3", " NaN", "+Infinity")
    ),
    Value("string", "-0.00", "numeric", NUMBER),
    Value("string", "+1.50", "money", NUMBER),
    Value(enum("Enum", "07"), "07", "int4", WHOLE),
    *(Value("string", text, kind, WHOLE) for text in ("-1", "-0") for kind in ("oid", "xid", "cid")),
    Value("string", "-5", "xid8", WHOLE),
    Value("string", "{1,-1}", "oid[]", WHOLE),
    Value(array("string"), ["7", "07"], "int4[]", WHOLE),
    Value("string", "{007}", "int4[]", WHOLE),
    Value(array("string"), ["7", None, "+7.5"], "numeric[]", NUMBER),
]
# where the column's settings want parts of a microsecond left out
CUT = [
    Value(NS, 1_709_210_096_123_456_999, "timestamp", "2024-02-29 12:34:56.123456"),
    Value(NS, -1, "timestamp", "1969-12-31 23:59:59.999999"),
    Value(TIME_NS, 86_399_999_999_999, "time", "23:59:59.999999"),
    # left out of a span it is shorter, on either side of nothing
    Value(NANO_DURATION, -1, "interval", "00:00:00"),
    Value(NANO_DURATION, -1_999, "interval", "-00:00:00.000001"),
    Value(NANO_DURATION, 1_999, "interval", "00:00:00.000001"),
    Value(TIME_NS, -1_999, "interval", "-00:00:00.000001"),
    Value(array(NANO_DURATION), [-1, -1_001], "interval[]", "{00:00:00,-00:00:00.000001}"),
    Value(array(NS), [-1], "timestamp[]", '{"1969-12-31 23:59:59.999999"}'),
    Value(ISO_TIMESTAMP, "2024-02-29T23:59:59.9999999Z", "timestamp", "2024-02-29 23:59:59.999999"),
    Value(ZONED, "2024-02-29T23:59:59.9999999Z", "timestamptz", "2024-02-29 23:59:59.999999+00"),
    Value(ZONED_TIME, "23:59:59.9999999Z", "timetz", "23:59:59.999999+00"),
    Value(STRUCTURED_TIMESTAMP, filled(STRUCTURED_TIMESTAMP, **LAST_MOMENT), "timestamp", "2024-02-29 23:59:59.999999"),
    Value(STRUCTURED_DURATION, filled(STRUCTURED_DURATION, nanos=1_999), "interval", "00:00:00.000001"),
]
# PostgreSQL says it
TOLD = [
    *(Value("string", text, "int4", None) for text in ("\u0667", "", "seven", "1.5")),
    Value(US, -9_222_425_352_054_775_809, "timestamp", None),
    Value(US, -(2**63), "timestamp", None),
    # since 2000 it is the number that stands for -infinity
    Value(US, -(2**63) + 946_684_800_000_000, "timestamp", None),
    Value("double", 1e20, "int8", None),
    Value("double", float("nan"), "int4", None),
    Value("float", float("inf"), "int8", None),
    Value(array("double"), [float("nan")], "int8[]", None),
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
    Value("string", "sesame", "short", None),
    Value("string", "sesame", "shorter", None),
    Value(array("string"), ["sesame"], "short[]", None),
    Value(array("string"), ["a", "sesame"], "shorter[]", None),
    Value(decimal(10, 3), Decimal("-1.230"), "costs", None),
    Value(array("string"), ["sesame"], "mood[]", None),
    Value(array("string"), ["a\0"], "text[]", None),
    Value(array("int"), [1, None], "int4[] CHECK (array_position(v, NULL) IS NULL)", None),
    Value("bytes", b"{[1,", "int4multirange", None),
    Value("string", "a\0b", "text", None, policy={"zero_bytes": "reject"}),
    Value("string", "a\0b", "varchar(7)", None, policy={"zero_bytes": "escape"}),
    Value(CIRCLE, {"center": filled(POINT, x=1.0, y=2.0), "radius": -1.0}, "circle", None),
    Value("bytes", b"\xff", "int4range", None),
]


@pytest.mark.parametrize("value", params([*NAMED, *SPELLED]))
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


@pytest.mark.parametrize("value", params(CUT))
def test_parts_of_a_microsecond_are_cut_where_that_is_wanted(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Never rounded, which could be another day."""
    land(session, sink, table, [replace(value, policy={"nanoseconds": "cut"})], value.target)
    assert session.execute(f"SELECT v::text FROM {table}").fetchone() == (value.literal,)
