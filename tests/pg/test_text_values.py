"""Texts, bytes, names, networks, documents and enums, in columns that are there and in ones that are created."""

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.values import Value, check, check_created, params
from tests.unit.semantic import HSTORE, JSON, LTREE, TSVECTOR, UUID, XML, enum, propagated

HEX = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
MOOD = enum("Enum", "a", "b", "it's")
SET = enum("EnumSet", "a", "b", "c d")

TEXTS = [
    Value("string", "ab  ", "char(4)", "ab"),
    Value(propagated("string", "BPCHAR", 4), "ab  ", "char(4)", "ab", "character(4)"),
    Value(propagated("string", "BPCHAR", 1), "x", "char(1)", "x", "character(1)"),
    Value(propagated("string", "VARCHAR", 3), "é€😀", "varchar(3)", "é€😀", "character varying(3)"),
    Value(propagated("string", "VARCHAR", 2_147_483_647), "x", "varchar", "x", "character varying"),
    Value(propagated("string", "TEXT"), "x", "text", "x", "text"),
    Value("string", "x" * 63, "name", "x" * 63),
    Value(propagated("string", "NAME"), "x" * 63, "name", "x" * 63, "name"),
    Value("string", "x", '"char"', "x"),
    Value("string", "", '"char"', ""),
    Value("string", "x", "short", "x"),
    Value("string", "x", "shorter", "x"),
    Value(["null", {"type": "string", "connect.default": "gone"}], None, "text DEFAULT 'gone'", None),
    Value([{"type": "string", "connect.default": "gone"}, "null"], None, "text DEFAULT 'gone'", None),
]
NETWORKS = [
    Value("string", "10.1.2.3/8", "inet", "10.1.2.3/8", "text"),
    Value(propagated("string", "INET"), "::1", "inet", "::1", "inet"),
    Value(propagated("string", "CIDR"), "10.0.0.0/8", "cidr", "10.0.0.0/8", "cidr"),
    Value(propagated("string", "MACADDR"), "08:00:2b:01:02:03", "macaddr", "08:00:2b:01:02:03", "macaddr"),
    Value(propagated("string", "MACADDR8"), "08:00:2b:01:02:03:04:05", "macaddr8", "08002b:0102030405", "macaddr8"),
]
RANGES = [
    Value(propagated("string", "INT4RANGE"), "[1,5)", "int4range", "[1,5)", "int4range"),
    Value(propagated("string", "INT8RANGE"), "empty", "int8range", "empty", "int8range"),
    Value(propagated("string", "NUMRANGE"), "(,1.50]", "numrange", "(,1.50]", "numrange"),
    Value("string", '["2024-02-29 00:00:00",infinity)', "tsrange", '["2024-02-29 00:00:00",infinity)', "text"),
    Value(
        propagated("string", "TSTZRANGE"),
        '["0044-03-15 12:00:00+00 BC","2024-02-29 00:00:00+00"]',
        "tstzrange",
        '["0044-03-15 12:00:00+00 BC","2024-02-29 00:00:00+00"]',
        "tstzrange",
    ),
    Value("string", "[2024-02-29,)", "daterange", "[2024-02-29,)"),
    # multiranges come as bytes of their text, with include.unknown.datatypes
    Value("bytes", b"{[1,3),[5,8)}", "int4multirange", "{[1,3),[5,8)}"),
    Value("bytes", b"{}", "datemultirange", "{}"),
    Value("bytes", b"16/B374D848", "pg_lsn", "16/B374D848"),
    Value("string", "16/B374D848", "pg_lsn", "16/B374D848"),
    Value("bytes", b"'fat' & 'rat'", "tsquery", "'fat' & 'rat'"),
    Value("bytes", "(é,1)".encode(), "pair", "(é,1)"),
]
DOCUMENTS = [
    Value(UUID, HEX.upper(), "uuid", HEX, "uuid"),
    Value("bytes", bytes.fromhex(HEX.replace("-", "")), "uuid", HEX),
    Value("bytes", HEX.encode(), "uuid", HEX),
    Value(JSON, '{"b":1,  "b":2}', "json", '{"b":1,  "b":2}'),
    Value(propagated(JSON, "JSON"), '{"b":1,  "b":2}', "json", '{"b":1,  "b":2}', "json"),
    Value(propagated(JSON, "JSONB"), '{"b":1.10}', "jsonb", '{"b": 1.10}', "jsonb"),
    Value(JSON, '{"b":1.10}', "jsonb", '{"b": 1.10}', "jsonb"),
    Value(XML, "<a>é</a>", "text", "<a>é</a>", "text"),
    Value(LTREE, "Top.Science", "text", "Top.Science", "text"),
    Value(TSVECTOR, "'a':1A,3 'fat''s':2B", "tsvector", "'a':1A,3 'fat''s':2B", "tsvector"),
    Value(HSTORE, {"a": "1", "b": None, "": '"'}, "jsonb", '{"a": "1", "b": null, "": "\\""}', "jsonb"),
    Value(HSTORE, {}, "json", "{}"),
    Value(HSTORE, {"a": "1"}, "text", '{"a": "1"}'),
]
ENUMS = [
    Value(MOOD, "it's", "mood", "it's"),
    Value(MOOD, "it's", "mood", "it's", "mood", policy={"type": "mood"}),
    Value(MOOD, "it's", "text", "it's", "text"),
    Value(SET, "a,c d", "text", "a,c d", "text"),
    Value(SET, "a,c d", "text[]", '{a,"c d"}'),
    Value(SET, "", "text[]", "{}"),
    Value(SET, "a,b", "mood[]", "{a,b}"),
]
BINARIES = [
    Value("bytes", b"\x00\xff", "bytea", "\\x00ff", "bytea"),
    Value("string", "AP/+", "bytea", "\\x00fffe", policy={"binary": "base64"}),
    Value("string", "AP8=", "bytea", "\\x00ff", policy={"binary": "base64"}),
    Value("string", "AP_-", "bytea", "\\x00fffe", policy={"binary": "base64-url-safe"}),
    Value("string", "AP8", "bytea", "\\x00ff", policy={"binary": "base64-url-safe"}),
    Value("string", "", "bytea", "\\x", policy={"binary": "base64"}),
    Value("string", "00FFfe", "bytea", "\\x00fffe", "bytea", policy={"binary": "hex"}),
    Value("string", "", "bytea", "\\x", policy={"binary": "hex"}),
]
ZEROS = [
    Value("string", "a\0b\0", "text", "ab", "text", policy={"zero_bytes": "strip"}),
    Value("string", "a\0b", "text", "a\\u0000b", "text", policy={"zero_bytes": "escape"}),
    Value("string", "\0", "varchar(6)", "\\u0000", policy={"zero_bytes": "escape"}),
    Value(
        {"type": "array", "items": ["null", "string"]},
        ["a\0", None],
        "text[]",
        "{a,NULL}",
        policy={"zero_bytes": "strip"},
    ),
]
ALL = [*TEXTS, *NETWORKS, *RANGES, *DOCUMENTS, *ENUMS, *BINARIES, *ZEROS]


@pytest.mark.parametrize("value", params(ALL))
def test_a_text_arrives(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """Into a column that is there."""
    check(session, sink, table, value)


@pytest.mark.parametrize("value", params(ALL, created=True))
def test_a_text_arrives_in_a_created_column(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Into a column of a type that is chosen for it."""
    check_created(session, sink, table, value)
