"""Every meaning and its edges, through binary COPY into a real table; PostgreSQL's own input says what is right."""

from decimal import Decimal

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from tests.pg.values import DECODERS, Value, check, label, land, params
from tests.unit.semantic import (
    CONNECT,
    DATA,
    DATE,
    JSON,
    MS,
    NS,
    TIME,
    TIME_MS,
    TIME_NS,
    TIME_US,
    US,
    UUID,
    VARIABLE,
    ZONED,
    ZONED_TIME,
    decimal,
    named,
    unscaled,
)

CHAIN = {
    "type": "record",
    "name": "Chain",
    "fields": [{"name": "n", "type": "int"}, {"name": "next", "type": ["null", "Chain"]}],
}
HEX = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
DAY = 86_400_000_000
NINES = 10**38 - 1

NUMBERS = [
    Value("int", 32767, "int2", "32767"),
    Value("int", -32768, "int2", "-32768"),
    Value({"type": "int", "connect.type": "int16"}, -5, "int2", "-5"),
    Value("int", 2**31 - 1, "int4", "2147483647"),
    Value("int", -(2**31), "int8", "-2147483648"),
    Value("long", 2**63 - 1, "int8", "9223372036854775807"),
    Value("long", -(2**63), "int8", "-9223372036854775808"),
    Value("long", 5, "int4", "5"),
    Value("long", 2**63 - 1, "numeric", "9223372036854775807"),
    Value("int", 7, "text", "7"),
    Value("int", 7, "float8", "7"),
    Value(named("int", TIME + "Year"), 2024, "int4", "2024"),
    Value("boolean", True, "bool", "true"),
    Value("boolean", False, "text", "false"),
    Value("float", 1.5, "float4", "1.5"),
    Value("float", 1.5, "float8", "1.5"),
    *(
        Value("double", float(word), "float8", word)
        for word in ("NaN", "Infinity", "-Infinity", "-0.0", "5e-324", "1e308")
    ),
    *(Value("float", float(word), "float4", word) for word in ("NaN", "Infinity", "-Infinity", "-0.0")),
    Value("double", 0.1, "numeric", "0.1"),
    Value(decimal(10, 2), Decimal("12345678.90"), "numeric", "12345678.90"),
    Value(decimal(10, 2), Decimal("-0.01"), "numeric(10,2)", "-0.01"),
    Value(decimal(38, 0), Decimal(NINES), "numeric", str(NINES)),
    Value(decimal(38, 38), Decimal((1, (9,) * 38, -38)), "numeric", f"-0.{NINES}"),
    Value(decimal(39, 2), Decimal((0, (9,) * 39, -2)), "numeric", "9" * 37 + ".99"),
    Value(decimal(64, 0), Decimal((1, (9,) * 64, 0)), "numeric", "-" + "9" * 64),
    Value(
        named("bytes", CONNECT + "Decimal", **{"connect.parameters": {"scale": "-3"}}), unscaled(12), "numeric", "12000"
    ),
    Value(decimal(10, 2), Decimal("12.34"), "money", "12.34"),
    Value(decimal(10, 2), Decimal("12.34"), "text", "12.34"),
    Value(decimal(10, 2), Decimal("12.00"), "int4", "12"),
    Value(VARIABLE, {"scale": 3, "value": unscaled(-12345)}, "numeric", "-12.345"),
    Value(VARIABLE, {"scale": 0, "value": unscaled(0)}, "numeric", "0"),
    Value(VARIABLE, {"scale": 60, "value": unscaled(1)}, "numeric", "0." + "0" * 59 + "1"),
    Value(VARIABLE, {"scale": -2, "value": unscaled(10**50)}, "numeric", "1" + "0" * 52),
    Value("string", "NAN", "numeric", "NaN"),
    Value("string", "123456789012345678901234567890.5", "numeric(40,1)", "123456789012345678901234567890.5"),
]
DATES = [
    Value(DATE, 0, "date", "1970-01-01"),
    Value(DATE, -719_528, "date", "0001-01-01 BC"),
    Value(DATE, -2_440_588, "date", "4714-11-24 BC"),
    Value(DATE, 2_145_042_905, "date", "5874897-12-31"),
    Value(DATE, -2_147_472_692, "date", "infinity"),
    Value(DATE, -2_147_472_691, "date", "-infinity"),
    Value(DATE, 19_782, "timestamp", "2024-02-29"),
    Value({"type": "int", "logicalType": "date"}, 19_782, "date", "2024-02-29"),
    Value(named("int", CONNECT + "Date", logicalType="date"), 19_782, "date", "2024-02-29"),
    Value("string", "2017-09-15Z", "date", "2017-09-15"),
    Value(TIME_MS, 86_399_999, "time", "23:59:59.999"),
    Value(TIME_MS, 86_400_000, "time", "24:00:00"),
    Value(named("int", CONNECT + "Time", logicalType="time-millis"), 1, "time", "00:00:00.001"),
    Value(TIME_US, DAY, "time", "24:00:00"),
    Value(TIME_NS, 1_000, "time", "00:00:00.000001"),
    Value(TIME_NS, DAY * 1000, "time", "24:00:00"),
    Value(ZONED_TIME, "12:34:56Z", "timetz", "12:34:56+00"),
    Value(ZONED_TIME, "12:34:56.123456+05:30", "timetz", "12:34:56.123456+05:30"),
    Value(MS, 0, "timestamp", "1970-01-01"),
    Value(MS, -1, "timestamp", "1969-12-31 23:59:59.999"),
    Value(MS, 9_223_372_036_825_200, "timestamp", "infinity"),
    Value(MS, -9_223_372_036_832_400, "timestamp", "-infinity"),
    Value(MS, -210_866_803_200_000, "timestamp", "4714-11-24 BC"),
    Value({"type": "long", "logicalType": "timestamp-millis"}, 1, "timestamp", "1970-01-01 00:00:00.001"),
    Value(US, 1_709_210_096_123_456, "timestamp", "2024-02-29 12:34:56.123456"),
    Value(US, 1_709_210_096_123_456, "timestamptz", "2024-02-29 12:34:56.123456+00"),
    Value(US, 9_223_372_036_825_200_000, "timestamp", "infinity"),
    Value(US, -9_223_372_036_832_400_000, "timestamp", "-infinity"),
    Value(US, 9_223_371_331_199_999_999, "timestamp", "294247-01-01 23:59:59.999999"),
    Value(US, -210_866_803_200_000_000, "timestamp", "4714-11-24 BC"),
    Value(US, -62_167_219_200_000_000, "timestamp", "0001-01-01 BC"),
    Value(NS, 1_709_210_096_123_456_000, "timestamp", "2024-02-29 12:34:56.123456"),
    Value(NS, -1_000, "timestamp", "1969-12-31 23:59:59.999999"),
    Value(NS, 2**63 - 1, "timestamp", "infinity"),
    Value(NS, -(2**63), "timestamp", "-infinity"),
    Value(named("long", TIME + "MicroDuration"), 1_500_000, "interval", "1.5 seconds"),
    Value(named("long", TIME + "MicroDuration"), -(2**63), "interval", "-9223372036854.775808 seconds"),
    Value(named("long", TIME + "MicroDuration"), 0, "text", "00:00:00"),
    Value(named("long", TIME + "NanoDuration"), 1_500_000_000, "interval", "1.5 seconds"),
    Value(named("string", TIME + "Interval"), "P1Y2M3DT4H5M6.7S", "interval", "1 year 2 mons 3 days 04:05:06.7"),
]
ZONES = [
    Value(ZONED, f"2024-02-29T12:34:56{fraction}Z", "timestamptz", f"2024-02-29 12:34:56{fraction}+00")
    for fraction in ("", *("." + "987654321"[:digits] for digits in range(1, 7)), ".999999000")
] + [
    Value(ZONED, "0001-01-01T00:00:00Z", "timestamptz", "0001-01-01 00:00:00+00"),
    Value(ZONED, "0000-12-31T00:00:00Z", "timestamptz", "0001-12-31 00:00:00+00 BC"),
    Value(ZONED, "-0043-03-15T12:00:00.5Z", "timestamptz", "0044-03-15 12:00:00.5+00 BC"),
    Value(ZONED, "-4713-11-24T00:00:00Z", "timestamptz", "4714-11-24 00:00:00+00 BC"),
    Value(ZONED, "9999-12-31T23:59:59.999999Z", "timestamptz", "9999-12-31 23:59:59.999999+00"),
    Value(ZONED, "+12024-02-29T00:00:00Z", "timestamptz", "12024-02-29 00:00:00+00"),
    Value(ZONED, "+294276-12-31T23:59:59.999999Z", "timestamptz", "294276-12-31 23:59:59.999999+00"),
    Value(ZONED, "2016-12-31T23:59:60Z", "timestamptz", "2017-01-01 00:00:00+00"),
    Value(ZONED, "2024-02-29T12:00:00+02:00", "timestamptz", "2024-02-29 10:00:00+00"),
    Value(ZONED, "2024-02-29T12:34Z", "timestamptz", "2024-02-29 12:34:00+00"),
    Value(ZONED, "infinity", "timestamptz", "infinity"),
    Value(ZONED, "-infinity", "timestamptz", "-infinity"),
    Value(ZONED, "2024-02-29T12:34:56Z", "timestamp", "2024-02-29 12:34:56"),
    Value(ZONED, "2024-02-29T12:34:56Z", "text", "2024-02-29T12:34:56Z"),
]
TEXTS = [
    *(
        Value("string", text, "text", text)
        for text in ("", " ", "é€😀", "\\", "\\N", "'\"", "a\tb\nc", "\x01\x7f", "null")
    ),
    Value("string", "abc", "varchar(3)", "abc"),
    Value("string", "é€😀", "varchar(3)", "é€😀"),
    Value("string", "abc   ", "char(3)", "abc   "),
    Value("string", "ab", "char(4)", "ab"),
    Value("string", "a", "mood", "a"),
    Value({"type": "enum", "name": "Mood", "symbols": ["a", "b"]}, "b", "mood", "b"),
    Value(named("string", DATA + "Enum"), "it's", "mood", "it's"),
    Value("string", "x", "short", "x"),
    Value("int", 7, "positive", "7"),
    Value("string", "10.1.2.3/8", "inet", "10.1.2.3/8"),
    Value("string", "[1,5)", "int4range", "[1,5)"),
    Value("string", "08:00:2b:01:02:03", "macaddr", "08:00:2b:01:02:03"),
    Value(named("string", DATA + "Xml"), "<a>1</a>", "text", "<a>1</a>"),
    Value(UUID, HEX, "uuid", HEX),
    Value(UUID, HEX.upper(), "uuid", HEX),
    Value(UUID, HEX.replace("-", ""), "uuid", HEX),
    Value(UUID, HEX.upper(), "text", HEX.upper()),
    Value("string", HEX, "uuid", HEX),
    Value(JSON, '{"b": 1, "a": [null, "é"], "b": 2}', "jsonb", '{"b": 1, "a": [null, "é"], "b": 2}'),
    Value(JSON, '{"b":1,  "b":2}', "json", '{"b":1,  "b":2}'),
    Value(JSON, "null", "jsonb", "null"),
    Value(JSON, '"x"', "text", '"x"'),
    Value("string", '{"a": 1}', "jsonb", '{"a": 1}'),
    Value("bytes", b"", "bytea", ""),
    Value("bytes", b"\x00\xff\\x", "bytea", "\\x00ff5c78"),
    Value({"type": "array", "items": ["null", "int"]}, [1, None], "jsonb", "[1, null]"),
    Value({"type": "map", "values": "string"}, {"a": "1"}, "jsonb", '{"a": "1"}'),
    Value(["null", "long", "string"], "1", "jsonb", '"1"'),
    Value(["null", "long", "string"], 1, "text", "1"),
    Value(["null", "long", "bytes"], b"\x00\xff", "jsonb", '"\\\\x00ff"'),
    Value(["null", "long", "string"], None, "text", None),
    Value(CHAIN, {"n": 1, "next": {"n": 2, "next": None}}, "jsonb", '{"n": 1, "next": {"n": 2, "next": null}}'),
]
KINDS = [
    ("int", "int4"), ("long", "int8"), ("float", "float4"), ("double", "float8"), ("boolean", "bool"),
    ("string", "text"), ("bytes", "bytea"), (decimal(9, 2), "numeric"), (decimal(60, 2), "numeric"),
    (VARIABLE, "numeric"), (UUID, "uuid"), (JSON, "jsonb"), (JSON, "json"), (DATE, "date"), (TIME_MS, "time"),
    (TIME_US, "time"),
    (TIME_NS, "time"), (MS, "timestamp"), (US, "timestamp"), (NS, "timestamp"), (ZONED, "timestamptz"),
    (ZONED_TIME, "timetz"), ({"type": "array", "items": "int"}, "jsonb"),
]  # fmt: skip
NULLS = [Value(["null", kind], None, target, None) for kind, target in KINDS]
ALL = [*NUMBERS, *DATES, *ZONES, *TEXTS, *NULLS]


@pytest.mark.parametrize("value", params(ALL))
def test_a_value_arrives_as_postgresql_reads_it(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Whatever way a value takes, the column holds what PostgreSQL's input makes of its literal."""
    check(session, sink, table, value)


@pytest.mark.parametrize("kind", ["int", "uuid", "zoned"])
def test_one_odd_value_does_not_change_its_neighbours(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, kind: str
) -> None:
    """When a column has to travel as text because of one value, all its values stay right."""
    mixed = {
        "int": ([Value("long", n, "int8", None) for n in (1, -5, 2**40)], "int8"),
        "uuid": ([Value(UUID, text, "uuid", None) for text in (HEX, HEX.replace("-", ""), HEX.upper())], "uuid"),
        "zoned": (
            [
                Value(ZONED, text, "timestamptz", None)
                for text in ("2024-02-29T12:00:00Z", "+12024-01-01T00:00:00Z", "2024-02-29T12:00:00.1234560Z")
            ],
            "timestamptz",
        ),
    }
    values, target = mixed[kind]
    land(session, sink, table, values, target)
    found = [row[0] for row in session.execute(f"SELECT v::text FROM {table.schema}.t ORDER BY id").fetchall()]
    literals = [str(value.value).removeprefix("+") for value in values]
    wanted = [session.execute(f"SELECT '{text}'::{target}::text").fetchone() for text in literals * len(DECODERS)]

    assert [(text,) for text in found] == wanted


FAULTS = [
    Value(UUID, "sesame-9c0b-4ef8-bb6d-6bb9bd380a11xx", "uuid", None),
    Value(UUID, "sesame", "uuid", None),
    Value("int", 654_321, "int2", None),
    Value("long", 9_876_543_210, "int4", None),
    Value("string", "sesame", "varchar(3)", None),
    Value("string", "sesame", "char(3)", None),
    Value("string", "sesame", "short", None),
    Value("int", 654_321, "varchar(3)", None),
    Value("int", -654_321, "positive", None),
    Value("string", "sesame", "mood", None),
    Value("string", "sesame", "int4", None),
    Value("string", "sesame\x00", "text", None),
    Value(JSON, "{sesame", "jsonb", None),
    Value(JSON, "__debezium_sesame", "json", None),
    Value(ZONED, "2023-02-30T00:00:00Z", "timestamptz", None),
    Value(ZONED, "sesame", "timestamptz", None),
    Value(DATE, 2_147_483_000, "date", None),
    Value(US, -300_000_000_000_000_000, "timestamp", None),
    Value(TIME_US, DAY + 1, "time", None),
    Value(decimal(10, 2), Decimal("654321.00"), "numeric(4,2)", None),
    Value(["null", "int"], None, "int4 NOT NULL", None),
    Value("double", 1e300, "float4", None),
]


@pytest.mark.parametrize("value", FAULTS, ids=map(label, FAULTS))
def test_a_value_that_does_not_fit_is_refused_without_being_shown(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Nothing is cut or wrapped to fit, and the failure names no value."""
    with pytest.raises(DataFault) as caught:
        land(session, sink, table, [value], value.target)

    assert session.execute(f"SELECT count(*) FROM {table.schema}.t").fetchone() == (0,)
    said = str(caught.value)
    for secret in ("sesame", "654321", "9876543210", "2023-02-30"):
        assert secret not in said
    assert caught.value.failure.remedy
