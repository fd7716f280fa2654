"""Arrays and vectors, in columns that are there and in ones that are created.

Debezium writes arrays of one dimension: of those with more it sends one null an outer element.
"""

from decimal import Decimal

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from tests.pg.values import Value, check, check_created, land, params
from tests.unit.semantic import (
    CONNECT_TIMESTAMP,
    DATE,
    DOUBLE_VECTOR,
    FLOAT_VECTOR,
    ISO_TIMESTAMP,
    JSON,
    MICRO_DURATION,
    MS,
    NANO_DURATION,
    NS,
    SPARSE_VECTOR,
    TIME_US,
    US,
    UUID,
    VARIABLE,
    ZONED,
    ZONED_TIME,
    array,
    decimal,
    enum,
    propagated,
    unscaled,
)

HEX = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
SMALL = {"type": "int", "connect.type": "int16"}
HARD = ["a", None, 'b"', "c\\", "", "null", "{}", "d,e", " ", "é😀"]
HARD_LITERAL = '{a,NULL,"b\\"","c\\\\","","null","{}","d,e"," ",é😀}'

ARRAYS = [
    Value(array(MICRO_DURATION), [1_234_567, None, -1, 0], "interval[]", "{00:00:01.234567,NULL,-00:00:00.000001,0}"),
    Value(array(NANO_DURATION), [-3_600_500_000_000], "interval(1)[]", "{-01:00:00.5}"),
    Value(array(TIME_US), [86_400_000_000], "interval[]", "{24:00:00}"),
    Value(array("string"), ["abc", None], "short[]", "{abc,NULL}"),
    # texts of composite types
    Value("string", '("a""b",1.23)', "narrow", '("a""b",1.23)'),
    Value("bytes", b"(,)", "narrow", "(,)"),
    Value("string", '("x,y\\\\",-1)', "pair", '("x,y\\\\",-1)'),
    Value("string", '{"(abc,)",NULL}', "narrow[]", '{"(abc,)",NULL}'),
    # texts of arrays
    Value("string", "{1.23,NULL,2}", "numeric(6,2)[]", "{1.23,NULL,2}"),
    Value("string", "{ 1.23 , null }", "numeric(6,2)[]", "{1.23,NULL}"),
    Value("string", '[2:3]={"abc","a\\"b"}', "varchar(3)[]", '[2:3]={"abc","a\\"b"}'),
    Value("string", "{{1,2},{3,4}}", "int4[]", "{{1,2},{3,4}}"),
    Value("string", "{}", "int4[]", "{}"),
    Value("string", '{"a b\\\\",NULL,"NULL"}', "text[]", '{"a b\\\\",NULL,"NULL"}'),
    Value("bytes", b'{"[1,2)"}', "int4range[]", '{"[1,2)"}'),
    Value("bytes", b"{(1,1),(0,0);(3,3),(2,2)}", "box[]", "{(1,1),(0,0);(3,3),(2,2)}"),
    Value(array("string"), ["x", "yz"], "shorter[]", "{x,yz}"),
    Value(array(SMALL), [1, None, -32768], "int2[]", "{1,NULL,-32768}", "smallint[]"),
    Value(array("int"), [1, 2], "int4[]", "{1,2}", "integer[]"),
    Value(array("int"), [], "int4[]", "{}", "integer[]"),
    Value(array("int"), [None], "int8[]", "{NULL}"),
    Value(["null", array("int")], None, "int4[]", None, "integer[]"),
    Value(array("long"), [2**63 - 1, None], "int8[]", "{9223372036854775807,NULL}", "bigint[]"),
    Value(array("long"), [4294967295], "oid[]", "{4294967295}"),
    Value(array("int"), [7], "numeric[]", "{7}"),
    Value(array("float"), [1.5, float("nan")], "float4[]", "{1.5,NaN}", "real[]"),
    Value(array("double"), [5e-324, float("-inf"), None], "float8[]", "{5e-324,-Infinity,NULL}", "double precision[]"),
    Value(array("boolean"), [True, None, False], "bool[]", "{t,NULL,f}", "boolean[]"),
    Value(array("string"), HARD, "text[]", HARD_LITERAL, "text[]"),
    Value(array("string"), HARD, "varchar[]", HARD_LITERAL),
    Value(array("string"), ["ab "], "char(3)[]", "{ab}"),
    Value(array("string"), ["abc"], "varchar(3)[]", "{abc}"),
    Value(array("string"), ["10.0.0.1", None], "inet[]", "{10.0.0.1,NULL}"),
    Value(array("string"), ["[1,5)", "empty"], "int4range[]", '{"[1,5)",empty}'),
    Value(array("string"), ["a", None], "words", "{a,NULL}"),
    Value(propagated(array("string"), "_INET"), ["::1"], "inet[]", "{::1}", "inet[]"),
    Value(propagated(array("string"), "_VARCHAR", 3), ["abc"], "varchar(3)[]", "{abc}", "character varying(3)[]"),
    Value(array("bytes"), [b"\x00\xff", b"", None], "bytea[]", '{"\\\\x00ff","",NULL}', "bytea[]"),
    Value(array(UUID), [HEX, None, HEX.upper()], "uuid[]", f"{{{HEX},NULL,{HEX}}}", "uuid[]"),
    Value(array(UUID), [HEX.replace("-", "")], "uuid[]", f"{{{HEX}}}", "uuid[]"),
    Value(array(UUID), [HEX], "text[]", f"{{{HEX}}}"),
    Value(array(JSON), ['{"a": [1]}', "null", None], "jsonb[]", '{"{\\"a\\": [1]}","null",NULL}', "jsonb[]"),
    Value(array(JSON), ['{"a":  1}'], "json[]", '{"{\\"a\\":  1}"}'),
    Value(
        array(decimal(10, 2)),
        [Decimal("1.50"), None, Decimal("-0.01")],
        "numeric[]",
        "{1.50,NULL,-0.01}",
        "numeric(10,2)[]",
    ),
    Value(array(decimal(50, 1)), [Decimal("9" * 48 + ".9")], "numeric[]", "{" + "9" * 48 + ".9}", "numeric(50,1)[]"),
    Value(
        array(VARIABLE),
        [{"scale": 60, "value": unscaled(1)}, None, {"scale": 0, "value": unscaled(-7)}],
        "numeric[]",
        "{0." + "0" * 59 + "1,NULL,-7}",
        "numeric[]",
    ),
    Value(array("string"), ["NAN", "POSITIVE_INFINITY", None], "numeric[]", "{NaN,Infinity,NULL}"),
    Value(array("double"), [0.30000000000000004, float("inf")], "numeric[]", "{0.30000000000000004,Infinity}"),
    Value(array(DATE), [0, None, -2_147_472_692], "date[]", "{1970-01-01,NULL,infinity}", "date[]"),
    Value(array(TIME_US), [86_400_000_000, None], "time[]", "{24:00:00,NULL}", "time without time zone[]"),
    Value(array(ZONED_TIME), ["12:34:56Z", None], "timetz[]", "{12:34:56+00,NULL}", "time with time zone[]"),
    Value(
        array(US),
        [-62_167_219_200_000_000, None, 9_223_372_036_825_200_000],
        "timestamp[]",
        '{"0001-01-01 00:00:00 BC",NULL,infinity}',
        "timestamp without time zone[]",
    ),
    Value(array(MS), [1], "timestamp[]", '{"1970-01-01 00:00:00.001"}', "timestamp without time zone[]"),
    Value(array(NS), [-1_000], "timestamp[]", '{"1969-12-31 23:59:59.999999"}', "timestamp without time zone[]"),
    Value(array(CONNECT_TIMESTAMP), [1], "timestamp[]", '{"1970-01-01 00:00:00.001"}', "timestamp without time zone[]"),
    Value(array(US), [0], "timestamptz[]", '{"1970-01-01 00:00:00+00"}'),
    Value(array(ISO_TIMESTAMP), ["-0043-03-15T12:00:00Z"], "timestamp[]", '{"0044-03-15 12:00:00 BC"}'),
    Value(
        array(ZONED),
        ["2024-02-29T12:34:56.5Z", None],
        "timestamptz[]",
        '{"2024-02-29 12:34:56.5+00",NULL}',
        "timestamp with time zone[]",
    ),
    Value(
        array(ZONED),
        ["2024-02-29T12:34:56.5Z", "infinity", "-0043-03-15T12:00:00Z", None],
        "timestamptz[]",
        '{"2024-02-29 12:34:56.5+00",infinity,"0044-03-15 12:00:00+00 BC",NULL}',
        "timestamp with time zone[]",
    ),
    Value(array(enum("Enum", "a", "b")), ["b", None], "mood[]", "{b,NULL}"),
    Value(array(enum("Enum", "a", "b")), ["b", None], "text[]", "{b,NULL}", "text[]"),
    # as of an array of two dimensions
    Value(array("int"), [None, None], "int4[]", "{NULL,NULL}"),
    # elsewhere they are JSON
    Value(array("int"), [1, None], "jsonb", "[1, null]"),
    Value(array("string"), ["a", None], "text", '["a", null]'),
    # in the digits that they were written in, or that say the same real
    Value(array("float"), [0.1, None, 3.4028234663852886e38], "text", "[0.1, null, 3.4028235e+38]"),
    Value(array("float"), [0.1], "jsonb", "[0.1]"),
    Value(array("float"), [0.10000000149011612, 1.0], "vector", "[0.1,1]"),
    Value(array(VARIABLE), [{"scale": 1, "value": b"\x05"}, None], "text", '["0.5", null]'),
    Value(array(VARIABLE), [{"scale": 2, "value": b"\x05"}], "jsonb", '["0.05"]'),
    Value(array(decimal(50, 2)), [Decimal("12.30")], "jsonb", '["12.30"]'),
]
HARD = "[0,1.2345679e-20,3.4028235e38,16777217e3,1e-45]"
VECTORS = [
    Value(DOUBLE_VECTOR, [0.1, -2.0, 3.5], "vector(3)", "[0.1,-2,3.5]", "vector"),
    Value(DOUBLE_VECTOR, [0.0, 1.2345679e-20, 3.4028235e38, 16777217e3, 1e-45], "vector", HARD),
    Value(DOUBLE_VECTOR, [0.5, -2.0], "halfvec(2)", "[0.5,-2]"),
    # as it is written back: in the digits of reals
    Value("string", "[0.099975586,1.001358e-05,10008]", "halfvec", "[0.099975586,1.001358e-05,10008]"),
    Value("bytes", b"[65504,-0.33325195,2]", "halfvec", "[65504,-0.33325195,2]"),
    Value("string", "[ 0.1, -1.5e+20 ]", "vector", "[0.1,-1.5e+20]"),
    Value("bytes", b"{123456789:0.1}/999999999", "sparsevec", "{123456789:0.1}/999999999"),
    Value(DOUBLE_VECTOR, [0.1, 1e300], "float8[]", "{0.1,1e300}"),
    Value(FLOAT_VECTOR, [0.10000000149011612, 1.0], "vector", "[0.1,1]", "vector"),
    Value(propagated(FLOAT_VECTOR, "HALFVEC"), [0.0999755859375], "halfvec", "[0.1]", "halfvec"),
    Value(FLOAT_VECTOR, [0.10000000149011612], "real[]", "{0.1}"),
    Value(DOUBLE_VECTOR, [0.5, 1.0], "text", "[0.5,1]"),
    Value(
        SPARSE_VECTOR,
        {"dimensions": 5, "vector": [{"key": 3, "value": 2.5}, {"key": 1, "value": -0.1}]},
        "sparsevec(5)",
        "{1:-0.1,3:2.5}/5",
        "sparsevec",
    ),
    Value(SPARSE_VECTOR, {"dimensions": 5, "vector": []}, "sparsevec", "{}/5", "sparsevec"),
    Value(SPARSE_VECTOR, {"dimensions": 2, "vector": [{"key": 2, "value": 0.5}]}, "text", "{2:0.5}/2"),
]
ALL = [*ARRAYS, *VECTORS]
# elements of which the column would keep less
NARROWED = [
    Value(DOUBLE_VECTOR, [0.5, 1 / 3], "vector", "expected numbers that a vector keeps"),
    Value(DOUBLE_VECTOR, [0.30000000000000004], "vector(1)", "expected numbers that a vector keeps"),
    Value(DOUBLE_VECTOR, [1e-60], "vector", "expected numbers that a vector keeps"),
    *(Value(DOUBLE_VECTOR, [number], "vector", "expected numbers that a vector keeps") for number in (1e40, 1e-50)),
    Value(DOUBLE_VECTOR, [1e300], "vector", "expected numbers that a vector keeps"),
    Value("string", "[0.12345678901,1]", "vector", "expected numbers that a vector keeps"),
    Value("string", "[0.12345]", "halfvec", "expected numbers that a halfvec keeps"),
    Value("string", "[0.1]", "halfvec", "expected numbers that a halfvec keeps"),
    Value("bytes", b"{1:0.5,2:0.12345678901}/3", "sparsevec", "expected numbers that a sparsevec keeps"),
    Value(array("double"), [0.12345678901], "vector", "expected numbers that a vector keeps"),
    Value(DOUBLE_VECTOR, [0.1], "halfvec", "expected numbers that a halfvec keeps"),
    Value(FLOAT_VECTOR, [0.10000000149011612, 1.0], "halfvec", "expected numbers that a halfvec keeps"),
    Value(FLOAT_VECTOR, [70_000.0], "halfvec", "expected numbers that a halfvec keeps"),
    Value(
        SPARSE_VECTOR,
        {"dimensions": 2, "vector": [{"key": 1, "value": 0.30000000000000004}]},
        "sparsevec",
        "expected numbers that a sparsevec keeps",
    ),
]


@pytest.fixture(autouse=True)
def vectors(session: psycopg.Connection) -> None:
    """The server has vectors."""
    session.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")


@pytest.mark.parametrize("value", params(ALL))
def test_an_array_arrives(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """Into a column that is there."""
    check(session, sink, table, value)


@pytest.mark.parametrize("value", params(NARROWED))
def test_a_vector_that_keeps_less_is_refused(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Its elements are reals, or half of them."""
    with pytest.raises(DataFault, match=value.literal):
        land(session, sink, table, [value], value.target)


@pytest.mark.parametrize("value", params(ALL, created=True))
def test_an_array_arrives_in_a_created_column(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Into a column of a type that is chosen for it."""
    check_created(session, sink, table, value)
