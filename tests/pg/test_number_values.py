"""Numbers and bit strings of every source mode, in columns that are there and in ones that are created."""

from decimal import Decimal

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.values import Value, check, check_created, params
from tests.unit.semantic import VARIABLE, array, bits, decimal, named, of_unknown_precision, propagated, unscaled

FIXED = {
    "type": "fixed",
    "name": "amount",
    "size": 8,
    "logicalType": "decimal",
    "precision": 10,
    "scale": 2,
}
UNSIGNED = propagated("long", "BIGINT UNSIGNED")
SMALL = {"type": "int", "connect.type": "int16"}
TEXT_12_2, TEXT_NUMERIC = propagated("string", "NUMERIC", 12, 2), propagated("string", "NUMERIC", 0)
DOUBLE_12_2 = propagated("double", "NUMERIC", 12, 2)
LONG = "9" * 40 + "." + "9" * 30
LONGEST = "9" * 131_072 + "." + "9" * 16_383

DECIMALS = [
    # precise
    Value(decimal(10, 2), Decimal("-0.01"), "numeric(10,2)", "-0.01", "numeric(10,2)"),
    Value(decimal(50, 2), Decimal("9" * 48 + ".99"), "numeric(50,2)", "9" * 48 + ".99", "numeric(50,2)"),
    Value(of_unknown_precision(2), Decimal("1234567.89"), "money", "1234567.89", "numeric"),
    Value(of_unknown_precision(2), Decimal("-92233720368547758.08"), "money", "-92233720368547758.08"),
    Value(decimal(12, 2), Decimal("0.01"), "money", "0.01"),
    Value(VARIABLE, {"scale": 30, "value": unscaled(int(LONG.replace(".", "")))}, "numeric", LONG, "numeric"),
    Value(VARIABLE, {"scale": 1, "value": unscaled(-15)}, "float8", "-1.5"),
    Value(VARIABLE, {"scale": -131_071, "value": unscaled(9)}, "numeric", "9e131071"),
    Value(VARIABLE, {"scale": 16_383, "value": unscaled(-9)}, "numeric", "-9e-16383"),
    Value(VARIABLE, {"scale": 16_383, "value": unscaled(0)}, "numeric", "0e-16383"),
    Value(VARIABLE, {"scale": 16_383, "value": unscaled(10**147_455 - 1)}, "numeric", LONGEST),
    Value(decimal(20, 0), Decimal(2**64 - 1), "numeric(20,0)", "18446744073709551615", "numeric(20,0)"),
    # double
    *(Value("double", float(word), "numeric", word) for word in ("NaN", "Infinity", "-Infinity")),
    Value("double", 1234.5, "money", "1234.50"),
    Value("double", 1e15, "money", "1000000000000000.00"),
    Value("double", 0.30000000000000004, "numeric", "0.30000000000000004"),
    Value("double", 0.1, "numeric(12,2)", "0.10"),
    # string
    Value("string", "NAN", "numeric", "NaN"),
    Value("string", "0.00", "numeric", "0.00"),
    Value("string", "-0.50", "numeric", "-0.50"),
    Value("string", "0E-9", "numeric", "0.000000000"),
    Value("string", "-1.2E+3", "numeric", "-1200"),
    Value("string", "-0", "float8", "-0"),
    Value("string", "1.50", "float8", "1.5"),
    *(Value("string", "-32768", kind, "-32768") for kind in ("int2", "int4", "int8")),
    Value("string", "0", "int4", "0"),
    Value("string", "4294967295", "oid", "4294967295"),
    Value(array("string"), ["10", None, "-7"], "int8[]", "{10,NULL,-7}"),
    Value("string", "1234567.89", "money", "1234567.89"),
    Value("string", "0.1", "float8", "0.1"),
]
SPECIAL = [
    Value("string", "POSITIVE_INFINITY", "numeric", "Infinity"),
    *(Value(VARIABLE, {"scale": 2, "value": b"\x05"}, kind, "0.05") for kind in ("jsonb", "json", "text")),
    *(Value(decimal(50, 2), Decimal("-12.30"), kind, "-12.30") for kind in ("jsonb", "json")),
    Value("string", "NEGATIVE_INFINITY", "numeric", "-Infinity"),
    Value("string", "POSITIVE_INFINITY", "float8", "Infinity"),
    Value("string", "NEGATIVE_INFINITY", "float4", "-Infinity"),
    Value("string", "POSITIVE_INFINITY", "text", "POSITIVE_INFINITY"),
    Value(TEXT_NUMERIC, "NEGATIVE_INFINITY", "numeric", "-Infinity", "numeric"),
    Value(TEXT_12_2, "12.30", "numeric", "12.30", "numeric(12,2)"),
    Value(DOUBLE_12_2, 12.3, "numeric", "12.3", "numeric(12,2)"),
]
# narrower columns that keep all of them
FITTING = [
    Value(decimal(10, 3), Decimal("1.230"), "numeric(6,2)", "1.23"),
    Value(decimal(10, 3), Decimal("-1200.000"), "numeric(6,-2)", "-1200"),
    Value(decimal(50, 3), Decimal("1.230"), "numeric(6,2)", "1.23"),
    Value(decimal(10, 2), Decimal("12.00"), "int4", "12"),
    Value(decimal(10, 2), Decimal("12.34"), "float8", "12.34"),
    Value("long", 2**53, "float8", "9007199254740992"),
    Value("double", float("nan"), "float4", "NaN"),
    Value("double", 0.5, "float4", "0.5"),
    Value("double", 1234567890.12, "numeric(12,2)", "1234567890.12"),
    Value("double", 0.29, "numeric(12,2)", "0.29"),
    Value("float", 0.25, "numeric(12,2)", "0.25"),
    Value("double", float("nan"), "numeric(12,2)", "NaN"),
    Value("double", 1e22, "numeric(30,2)", "10000000000000000000000.00"),
    # times ten to the digits they are no whole numbers that a double keeps
    Value("double", 490589.0, "numeric(38,15)", "490589.000000000000000"),
    Value("double", 783683.2, "numeric(38,18)", "783683.200000000000000000"),
    Value("double", 1e-25, "numeric(30,25)", "0.0000000000000000000000001"),
    Value("double", 0.30000000000000004, "numeric(38,17)", "0.30000000000000004"),
    Value("float", 0.1, "numeric(38,30)", "0.100000000000000000000000000000"),
    Value(array("double"), [490589.0, None], "numeric(38,15)[]", "{490589.000000000000000,NULL}"),
    Value("string", "1235E-2", "numeric(12,2)", "12.35"),
    Value("string", "12350e-3", "money", "12.35"),
    Value("string", "1.2345E2", "numeric(12,2)", "123.45"),
    Value("string", "1.2E+3", "numeric(6,-2)", "1200"),
    Value("string", "0e-9", "numeric(12,2)", "0.00"),
]
INTEGERS = [
    Value("boolean", True, "int2", "1"),
    Value("boolean", False, "int4", "0"),
    Value("boolean", True, "int8", "1"),
    Value("boolean", True, "numeric", "1"),
    Value("boolean", True, "bit(1)", "1"),
    Value("boolean", False, "varbit", "0"),
    Value("boolean", True, "bool", "true", "boolean"),
    Value(SMALL, 1, "bool", "true"),
    Value("int", 0, "bool", "false"),
    Value("long", 1, "bool", "true"),
    Value(["null", SMALL], None, "bool", None),
    Value(array("int"), [1, None, 0], "bool[]", "{t,NULL,f}"),
    Value(SMALL, -32768, "int2", "-32768", "smallint"),
    Value("int", 2**31 - 1, "int4", "2147483647", "integer"),
    Value("long", -(2**63), "int8", "-9223372036854775808", "bigint"),
    Value("long", 4294967295, "oid", "4294967295"),
    Value("long", 0, "oid", "0"),
    *(Value("string", "4294967295", kind, "4294967295") for kind in ("oid", "xid", "cid", "xid8")),
    Value("float", 3.4028234663852886e38, "float4", "3.4028235e38", "real"),
    Value("double", 5e-324, "float8", "5e-324", "double precision"),
    Value("double", 1e15, "int8", "1000000000000000"),
    Value("double", 1234567890123456768.0, "int8", "1234567890123456768"),
    Value("double", -(2.0**63), "int8", "-9223372036854775808"),
    Value("float", 1e6, "int4", "1000000"),
    Value("float", 1e6, "oid", "1000000"),
    Value("float", -32000.0, "int2", "-32000"),
    Value(["null", "double"], None, "int8", None),
    Value(array("double"), [1e15, None], "int8[]", "{1000000000000000,NULL}"),
    Value(array("float"), [1e6], "oid[]", "{1000000}"),
    Value("int", -1, "money", "-1"),
    Value(named("int", "io.debezium.time.Year"), 2155, "int4", "2155", "integer"),
]
UNSIGNED_INTEGERS = [
    Value(UNSIGNED, 2**53, "float8", "9007199254740992"),
    Value(UNSIGNED, -(2**63), "float4", "9223372036854775808"),
    Value(decimal(10, 3), Decimal("1.230"), "costs", "1.23"),
    Value(array(decimal(10, 3)), [Decimal("-1.230"), None], "price[]", "{-1.23,NULL}"),
    Value(FIXED, Decimal("123.45"), "numeric", "123.45", "numeric(10,2)"),
    Value(FIXED, Decimal("-0.01"), "numeric(12,4)", "-0.0100"),
    Value(UNSIGNED, -1, "numeric", "18446744073709551615", "numeric(20,0)"),
    Value(UNSIGNED, -(2**63), "numeric", "9223372036854775808", "numeric(20,0)"),
    Value(UNSIGNED, 2**63 - 1, "int8", "9223372036854775807"),
    Value(UNSIGNED, -1, "text", "18446744073709551615"),
]
BITS = [
    Value(bits(12), b"\x05\x08", "bit(12)", "100000000101", "bit(12)"),
    Value(bits(12), b"\x05", "bit(12)", "000000000101", "bit(12)"),
    Value(bits(12), b"", "bit(12)", "000000000000", "bit(12)"),
    Value(bits(12), b"\x05\x08", "varbit", "100000000101"),
    Value(bits(8), b"\xff", "bit(8)", "11111111", "bit(8)"),
    Value(bits(64), b"\x01\x00\x00\x00\x00\x00\x00\x80", "bit(64)", "1" + "0" * 62 + "1", "bit(64)"),
    Value(bits(70), b"\x01", "text", "0" * 69 + "1"),
    Value(propagated(bits(12), "BIT", 12), b"\x05", "varbit(12)", "000000000101", "bit(12)"),
    Value(propagated(bits(12), "VARBIT", 12), b"\x05\x08", "varbit(12)", "100000000101", "bit varying(12)"),
    Value(propagated(bits(2**31 - 1), "VARBIT", 2**31 - 1), b"", "text", ""),
]
ALL = [*DECIMALS, *SPECIAL, *FITTING, *INTEGERS, *UNSIGNED_INTEGERS, *BITS]


@pytest.mark.parametrize("value", params(ALL))
def test_a_number_arrives(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """Into a column that is there."""
    check(session, sink, table, value)


@pytest.mark.parametrize("value", params(ALL, created=True))
def test_a_number_arrives_in_a_created_column(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Into a column of a type that is chosen for it."""
    check_created(session, sink, table, value)
