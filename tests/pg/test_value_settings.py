"""What is written does not depend on the settings of role, database, environment or connection string."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.source import SourceSettings, connect_source
from consumer.edges.postgres.value_settings import VALUES
from tests.pg.conftest import NUMBERS
from tests.pg.engine import Engine
from tests.pg.landing import ID
from tests.pg.values import Value, check, params

# each other than what is needed
ODD = {
    "jit": "on",
    "client_encoding": "LATIN1",
    "TimeZone": "Asia/Tokyo",
    "timezone_abbreviations": "India",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-5",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "xmloption": "document",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
}
# from PostgreSQL 19 on there is no other one
FIXED = "standard_conforming_strings"

CASES = [
    Value("string", "é€😀", "text", "é€😀"),
    Value("double", 0.30000000000000004, "numeric", "0.30000000000000004"),
    Value("double", 1 / 3, "text", "0.3333333333333333"),
    Value("float", 0.10000000149011612, "text", "0.1"),
    Value("string", "-1 years 2 mons", "interval", "-10 mons"),
    Value("string", "2024-03-02 01:00:00 IST", "timestamptz", "2024-03-01 23:00:00+00"),
    Value("string", "{NULL}", "text[]", "{NULL}"),
    Value("bytes", b"\\'\"", "text", "\\x5c2722"),
]


@pytest.fixture
def odd_role(server: str, session: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The connection string of a role for which all of this is other than usual, as it is in the environment."""
    name = f"odd{next(NUMBERS)}"
    session.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{name}'")
    odd = ODD | ({FIXED: "off"} if session.info.server_version < 190000 else {})
    for setting, value in odd.items():
        session.execute(f"ALTER ROLE {name} SET {setting} = '{value}'".encode())
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    yield make_conninfo(server, user=name, password=name)
    session.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def odd_sink(odd_role: str, group: str) -> Iterator[PostgresSink]:
    """A sink whose sessions are this role's."""
    sink = PostgresSink(SessionSettings(dsn=odd_role, worker="odd"), group)
    sink.open()
    yield sink
    sink.close()


@pytest.mark.parametrize("value", params(CASES))
def test_values_arrive_whatever_the_role_is_set_to(
    session: psycopg.Connection, odd_sink: PostgresSink, table: TableName, value: Value
) -> None:
    """Texts whole, numbers with all their digits, times and intervals as they were meant."""
    check(session, odd_sink, table, value)


def test_all_of_it_is_set_on_both_sides(odd_role: str) -> None:
    """The role's own word for each is another one."""
    query = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
    with psycopg.connect(odd_role) as plain:
        before = dict(plain.execute(query, (list(VALUES),)).fetchall())
    opened = connect(SessionSettings(dsn=odd_role, worker="odd")), connect_source(SourceSettings(dsn=odd_role))
    for session in opened:
        with closing(session):
            assert dict(session.execute(query, (list(VALUES),)).fetchall()) == VALUES
    assert {name for name, value in before.items() if value == VALUES[name]} <= {FIXED}


def test_questions_are_not_compiled(odd_role: str) -> None:
    """Whatever the role says."""
    with psycopg.connect(odd_role) as plain:
        assert plain.execute("SHOW jit").fetchone() == ("on",)
    opened = connect(SessionSettings(dsn=odd_role, worker="odd")), connect_source(SourceSettings(dsn=odd_role))
    for session in opened:
        with closing(session):
            assert session.execute("SHOW jit").fetchone() == ("off",)


def test_a_statement_sees_what_was_committed_while_it_waited(odd_role: str) -> None:
    """Whatever isolation the role has."""
    with closing(connect(SessionSettings(dsn=odd_role, worker="odd"))) as session:
        assert session.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


@pytest.fixture
def latin(server: str, session: psycopg.Connection) -> Iterator[str]:
    """The connection string of a database that holds texts in LATIN1, with a control schema."""
    name = f"latin{next(NUMBERS)}"
    session.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
    dsn = make_conninfo(server, dbname=name)
    with closing(connect(SessionSettings(dsn=dsn, worker="migrate"))) as connection:
        migrate(connection)
    yield dsn
    session.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_of_another_encoding_holds_what_it_can(latin: str, group: str) -> None:
    """A character that it has not is its record's fault, in a key too; what stands beside it arrives."""
    settings = SessionSettings(dsn=latin, worker="latin")
    sink, pool = PostgresSink(settings, group), TargetPool(settings, CircuitBreaker("target"), PoolLimits(size=2))
    sink.open()
    with closing(sink), closing(pool), psycopg.connect(latin, autocommit=True, client_encoding="UTF8") as session:
        session.execute("CREATE TABLE public.t (id text PRIMARY KEY, word text)")
        fields = [{**ID, "type": "string"}, {"name": "word", "type": "string"}]
        engine = Engine(sink, pool, group, TableName("public", "t"), fields)
        for name, word in [("1", "é"), ("2", "€"), ("3", "ÿ"), ("ж", "x"), ("ä", "ö")]:
            engine.change("c", {"id": name, "word": word})
        engine.run()

        assert engine.stopped == {}
        assert engine.rows(session) == [("1", "é"), ("3", "ÿ"), ("ä", "ö")]
        assert [letter[1:] for letter in engine.letters(session)] == [
            (1, "dead", "record.value"),
            (3, "dead", "record.value"),
        ]
