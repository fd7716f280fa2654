"""What Debezium really writes: large columns that did not change, changed keys, truncates, and topics of no table."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints

from .feed import fresh_name
from .witness import Target
from .worker import Job, Workers, eventually

PLACEHOLDER = "not there"
SETUP = """
CREATE TABLE docs (
    id bigint PRIMARY KEY, n int NOT NULL, word text, raw bytea, doc jsonb, words text[], nums int[], bigs bigint[],
    ids uuid[], raws bytea[], days date[]
);
CREATE TABLE emptied (id bigint PRIMARY KEY, n int);
CREATE TABLE signals (id text PRIMARY KEY, type text, data text);
CREATE TABLE logbook (word text, n int);
ALTER TABLE logbook REPLICA IDENTITY FULL;
CREATE TABLE kept (id bigint PRIMARY KEY, n int);
"""
COLUMNS = ("word", "raw", "doc", "words", "nums", "bigs", "ids", "raws", "days")
FILL = """
INSERT INTO docs
SELECT k, 0, t, decode(md5(t), 'hex') || convert_to(t, 'UTF8'), jsonb_build_object('t', t), ARRAY[t, NULL],
    array_agg(i), array_agg(i::bigint * 9999999999), array_agg(md5(i::text)::uuid), ARRAY[convert_to(t, 'UTF8')],
    array_agg(DATE '2000-01-01' + i)
FROM generate_series(1, 40) AS k, LATERAL (
    SELECT string_agg(md5((k * 1000 + j)::text), '') AS t FROM generate_series(1, 200) AS j
) AS large, generate_series(1, 1500) AS i
GROUP BY k, t
"""


@pytest.fixture
def source(at: Endpoints, target: Target) -> Iterator[tuple[psycopg.Connection, str]]:
    """A database of the test's own with a connector that writes all it can to topics of three partitions."""
    name = fresh_name("events")
    with psycopg.connect(at.source_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    with psycopg.connect(psycopg.conninfo.make_conninfo(at.source_dsn, dbname=name), autocommit=True) as session:
        session.execute(SETUP.encode())
        for column in COLUMNS:
            session.execute(f"ALTER TABLE docs ALTER {column} SET STORAGE EXTERNAL".encode())
        extra = {
            "topic.creation.default.partitions": "3",
            "skipped.operations": "none",
            "provide.transaction.metadata": "true",
            "heartbeat.interval.ms": "300",
            "unavailable.value.placeholder": PLACEHOLDER,
            "signal.data.collection": "public.signals",
        }
        tables = ("public.docs", "public.emptied", "public.signals", "public.logbook", "public.kept")
        capture = Capture(topic_prefix=name, tables=tables, database=name, extra=extra)
        register_debezium(at.connect_url, at.source_dsn, name, capture)
        yield session, name
        remove_debezium(at.connect_url, session.info.dsn and at.source_dsn, name)


def contents(session: psycopg.Connection, table: str, columns: str) -> list[tuple[Any, ...]]:
    """The rows, with every value as text."""
    query = f"SELECT {', '.join(f'{name}::text' for name in columns.split())} FROM {table} ORDER BY id"
    return session.execute(query.encode()).fetchall()


ALL = f"id n {' '.join(COLUMNS)}"


def test_events_mean_the_same_as_at_the_source(
    workers: Workers, at: Endpoints, target: Target, source: tuple[psycopg.Connection, str]
) -> None:
    """Both databases are equal in the end; no letter is left open or given up, and no partition stops."""
    session, name = source
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("events"),
        topics=(f"^{name}[.].*", f"^__debezium-heartbeat[.]{name}"),
        max_rows=7,
        source={"unavailable_values": [PLACEHOLDER]},
        letters={"delays": [0.3, 0.6]},
        tables={"public.emptied": {"truncate": "apply", "version_column": "at"}},
    )
    session.execute(FILL.encode())
    session.execute("INSERT INTO emptied SELECT i, 0 FROM generate_series(1, 50) AS i")
    process = workers.run(job)
    with psycopg.connect(target.dsn, autocommit=True) as copy:
        same(session, copy, "docs", ALL, "the first rows")

        session.execute("UPDATE docs SET n = n + 1")
        # keys of one statement, through partitions of one another, and there and back
        session.execute("UPDATE docs SET id = id + 1000 WHERE id % 2 = 0")
        session.execute("UPDATE docs SET n = n + 1, word = 'short' WHERE id % 3 = 0")
        session.execute("UPDATE docs SET id = id + 1000, n = n + 1 WHERE id % 4 = 0")
        session.execute("UPDATE docs SET id = id - 2000 WHERE id > 2000 AND id % 8 = 0")
        session.execute("DELETE FROM docs WHERE id % 5 = 0")
        session.execute("SELECT pg_logical_emit_message(true, 'headrace', 'a message')")
        session.execute("TRUNCATE emptied")
        session.execute("INSERT INTO emptied SELECT i, 1 FROM generate_series(20, 30) AS i")
        session.execute("TRUNCATE emptied")
        session.execute("INSERT INTO emptied SELECT i, 2 FROM generate_series(25, 45) AS i")
        same(session, copy, "docs", ALL, "changed keys and unchanged columns")
        same(session, copy, "emptied", "id n", "truncates")
        assert PLACEHOLDER not in str(contents(copy, "docs", ALL))

        copy.execute("DELETE FROM docs WHERE id % 3 = 1")
        asked = '{"data-collections": ["public.docs"], "type": "incremental"}'
        session.execute("INSERT INTO signals VALUES ('1', 'execute-snapshot', %s)", (asked,))
        same(session, copy, "docs", ALL, "an incremental snapshot")

        def all_passed() -> bool:
            passed = "SELECT DISTINCT topic FROM headrace.positions WHERE next_offset > 0"
            topics = {topic for (topic,) in copy.execute(passed.encode()).fetchall()}
            return topics >= {f"__debezium-heartbeat.{name}", f"{name}.transaction", f"{name}.message"}

        eventually(all_passed, "topics that are of no table are passed too")
        # one that waited for the other half of its change may be overtaken by a whole image of its row
        settled = "SELECT state, kind, detail FROM headrace.letters WHERE state NOT IN ('applied', 'superseded')"
        eventually(lambda: not copy.execute(settled.encode()).fetchall(), "no letter is left")
    assert process.lines("partition stopped") == []


def test_tables_without_keys_and_deleted_rows(
    workers: Workers, at: Endpoints, target: Target, source: tuple[psycopg.Connection, str]
) -> None:
    """A history has each change of a table without a key, and a deleted row stays with the source's time."""
    session, name = source
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("events"),
        topics=(f"{name}.public.logbook", f"{name}.public.kept"),
        max_rows=3,
        tables={"public.logbook": {"mode": "history"}, "public.kept": {"soft_delete": "gone"}},
    )
    session.execute("INSERT INTO kept VALUES (9, 0)")
    process = workers.run(job)
    with psycopg.connect(target.dsn, autocommit=True) as copy:

        def counted(query: str) -> list[tuple[Any, ...]]:
            there = copy.execute("SELECT to_regclass('public.logbook'), to_regclass('public.kept')").fetchone()
            return [] if there is None or None in there else copy.execute(query.encode()).fetchall()

        # from then on the connector sees each change
        first = "SELECT to_regclass('public.kept') IS NOT NULL"
        eventually(lambda: copy.execute(first).fetchone() == (True,), "the first row")
        session.execute("INSERT INTO logbook SELECT 'word', i % 2 FROM generate_series(1, 4) AS i")
        session.execute("UPDATE logbook SET word = 'other' WHERE n = 1")
        session.execute("DELETE FROM logbook WHERE n = 0")
        session.execute("TRUNCATE logbook")
        session.execute("INSERT INTO kept SELECT i, 0 FROM generate_series(1, 8) AS i")
        session.execute("UPDATE kept SET n = 1 WHERE id < 5")
        session.execute("DELETE FROM kept WHERE id < 3")
        session.execute("INSERT INTO kept VALUES (2, 2)")
        ops = "SELECT _op, word, count(*) FROM logbook GROUP BY 1, 2 ORDER BY 1, 2"
        changes = [("c", "word", 4), ("d", "word", 2), ("t", None, 1), ("u", "other", 2)]
        eventually(lambda: counted(ops) == changes, "the history")
        marks = "SELECT id, n, gone IS NOT NULL AND gone > now() - interval '1 hour' FROM kept ORDER BY id"
        rows = [(1, 1, True), (2, 2, False), (3, 1, False), (4, 1, False), *((i, 0, False) for i in range(5, 10))]
        eventually(lambda: counted(marks) == rows, "deleted rows")
        assert copy.execute("SELECT count(*) FROM headrace.letters").fetchone() == (0,)
    assert process.lines("partition stopped") == []


def same(session: psycopg.Connection, copy: psycopg.Connection, table: str, columns: str, what: str) -> None:
    """Wait until a table is the same on both sides; says which rows and columns differ if it never is."""

    def differing() -> list[Any]:
        there = copy.execute("SELECT to_regclass(%s) IS NOT NULL", (f"public.{table}",)).fetchone()
        if there != (True,):
            return ["no table"]
        ours, theirs = ({row[0]: row for row in contents(each, table, columns)} for each in (copy, session))
        names = columns.split()
        return [
            (key, [n for n, a, b in zip(names, ours.get(key, ()), theirs.get(key, ()), strict=False) if a != b])
            for key in sorted({*ours, *theirs})
            if ours.get(key) != theirs.get(key)
        ]

    try:
        eventually(lambda: not differing(), what)
    except AssertionError as error:
        letters = copy.execute("SELECT state, kind, count(*) FROM headrace.letters GROUP BY 1, 2").fetchall()
        raise AssertionError(f"{error}: {differing()[:20]}, letters: {letters}") from None
