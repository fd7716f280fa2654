"""How letters know their rows: by the digest of a whole identity, read from an index without what is dead."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from psycopg import sql

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.stack.waiting import wait_until
from tests.pg.landing import ID, Landing

Identity = tuple[Mapping[str, Any], str]
"""The key's values, and the same in SQL."""

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
UUID = {"type": "string", "connect.name": "io.debezium.data.Uuid"}
SOME = "00000001-1111-2222-3333-000000000000"
STAMP = {"type": "long", "connect.name": "io.debezium.time.Timestamp"}
DATE = {"type": "int", "connect.name": "io.debezium.time.Date"}
TYPES: dict[str, tuple[str, Any, Any, str]] = {
    "smallint": ("smallint", "int", -7, "-7"),
    "integer": ("integer", "int", 1 << 30, "1073741824"),
    "bigint": ("bigint", "long", -(1 << 40), "-1099511627776"),
    "int64 as smallint": ("smallint", "long", 7, "7"),
    "text": ("text", "string", "\u00e9", "'\u00e9'"),
    "text of its own collation": ('text COLLATE "C"', "string", "a", "'a'"),
    "varchar": ("varchar(9)", "string", "a", "'a'"),
    "char": ("char(4)", "string", "a", "'a'"),
    "numeric": ("numeric", DECIMAL, b"\x64", "1"),
    "numeric of a scale": ("numeric(9,3)", DECIMAL, b"\x64", "1.000"),
    "uuid": ("uuid", UUID, SOME, f"'{SOME}'"),
    "text as uuid": ("uuid", "string", SOME, f"'{SOME}'"),
    "bytea": ("bytea", "bytes", b"a", "'a'"),
    "boolean": ("boolean", "boolean", True, "true"),
    "double": ("double precision", "double", 1.5, "1.5"),
    "date": ("date", DATE, 1, "'1970-01-02'"),
    "timestamp": ("timestamp", STAMP, 1000, "'1970-01-01 00:00:01'"),
}


def stored(session: psycopg.Connection, group: str) -> list[tuple[int, int]]:
    """Those of the group's letters."""
    query = "SELECT digest_a, digest_b FROM headrace.letters WHERE group_name = %s"
    return session.execute(query, (group,)).fetchall()


def of_record(session: psycopg.Connection, group: str, record: str) -> tuple[int, int]:
    """What PostgreSQL makes of a record."""
    query = (
        f"SELECT hash_record_extended({record}, seed_a), hash_record_extended({record}, seed_b)"
        " FROM headrace.groups WHERE group_name = %s"
    )
    ((a, b),) = session.execute(query.encode(), (group,)).fetchall()
    return a, b


@pytest.mark.parametrize("key", TYPES.values(), ids=TYPES)
def test_a_key_of_one_column_has_the_digest_of_a_record(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str, key: tuple[str, Any, Any, str]
) -> None:
    """By whichever function it is worked out."""
    kind, avro, value, literal = key
    session.execute(f"CREATE TABLE {schema}.k (k {kind} PRIMARY KEY)".encode())
    sink.seed({})
    landing = Landing(sink, TableName(schema, "k"), [{"name": "k", "type": avro}], ("k",))
    landing.apply(("x", {"k": value}))

    assert stored(session, group) == [of_record(session, group, f"ROW(CAST({literal} AS {kind.split(' COLL')[0]}))")]
    landing.apply(("c", {"k": value}))
    states = session.execute("SELECT state FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert states == [("superseded",)]


def test_a_key_of_more_columns_has_the_digest_of_its_record(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str
) -> None:
    """In the key's order."""
    session.execute(f"CREATE TABLE {schema}.k (id bigint, word text, PRIMARY KEY (id, word))")
    sink.seed({})
    word = {"name": "word", "type": "string"}
    Landing(sink, TableName(schema, "k"), [ID, word], ("id", "word")).apply(("x", {"id": 1, "word": "a"}))

    assert stored(session, group) == [of_record(session, group, "ROW(1::bigint, 'a'::text)")]


@pytest.mark.parametrize("which", ["digest_a", "digest_b"])
def test_a_row_is_known_by_both_digests(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str, which: str
) -> None:
    """Another row may share one of them."""
    session.execute(f"CREATE TABLE {schema}.k (id bigint PRIMARY KEY)")
    sink.seed({})
    landing = Landing(sink, TableName(schema, "k"), [ID])
    landing.apply(("x", {"id": 1}))
    session.execute(f"UPDATE headrace.letters SET {which} = {which} # 1 WHERE group_name = %s".encode(), (group,))
    landing.apply(("c", {"id": 1}))

    states = session.execute("SELECT state FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert states == [("dead",)]


def test_letters_of_many_rows_are_met_each_by_its_own(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str
) -> None:
    """Several of one row among them, and rows without any between them."""
    session.execute(f"CREATE TABLE {schema}.k (id bigint PRIMARY KEY, n int)")
    sink.seed({})
    landing = Landing(sink, TableName(schema, "k"), [ID, {"name": "n", "type": "int"}])
    landing.apply(*(("x", {"id": number, "n": 0}) for number in [*range(0, 300, 3), 3, 3]))
    landing.apply(*(("c", {"id": number, "n": 1}) for number in range(150)))

    query = "SELECT state, count(*) FROM headrace.letters WHERE group_name = %s GROUP BY 1 ORDER BY 1"
    assert session.execute(query, (group,)).fetchall() == [("dead", 50), ("superseded", 52)]


def test_dead_versions_of_letters_are_not_read_again(session: psycopg.Connection, group: str) -> None:
    """Whoever meets them in the index of rows marks them, without waiting for VACUUM."""
    session.execute("INSERT INTO headrace.groups (group_name) VALUES (%s)", (group,))
    session.execute(
        'INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component,'
        " operation, detail, remedy, table_name, digest_a, digest_b)"
        " SELECT %s, 't', 0, n, 'dead', 'record.decode', 'persistent', 'c', 'o', 'd', 'r', 's.t', n, n"
        " FROM generate_series(1, 1000) AS n",
        (group,),
    )
    for attempt in (1, 2, 3):
        session.execute(
            "UPDATE headrace.letters SET attempt = %s, published_attempt = attempt WHERE group_name = %s",
            (attempt, group),
        )
    session.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    query = sql.SQL(
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT digest_a FROM headrace.letters WHERE group_name = {}"
        " AND table_name = 's.t' AND state IN ('retrying', 'held', 'dead', 'replaying') ORDER BY digest_a"
    ).format(group)

    def read() -> int:
        ((plan,),) = session.execute(query).fetchall()
        return int(plan[0]["Plan"]["Heap Fetches"])

    assert wait_until(lambda: read() <= 1000, 60.0, interval=0.1)
