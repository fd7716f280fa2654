"""PostgreSQL's errors as failures; each one is provoked in the server by the statement that the table names."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from consumer.core.failure import HeadraceError, Persistent, Refused, Transient
from consumer.core.target import TableName
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import ConnectionLost, DataFault, TableBusy, TableFault
from consumer.stack.waiting import wait_until

SETUP = """
CREATE TABLE {s}.parent (id int PRIMARY KEY);
CREATE TABLE {s}.t (id int PRIMARY KEY, a int NOT NULL DEFAULT 0, b text CHECK (b <> 'sesame'), c varchar(3),
    u int UNIQUE, p int REFERENCES {s}.parent);
CREATE TABLE {s}.held (p int REFERENCES {s}.parent ON DELETE RESTRICT);
INSERT INTO {s}.t (id, u) VALUES (1, 1);
CREATE VIEW {s}.v AS SELECT id, b FROM {s}.t WHERE id > 0 WITH CHECK OPTION;
CREATE VIEW {s}.d AS SELECT DISTINCT a FROM {s}.t;
CREATE TABLE {s}.apart (n int, EXCLUDE (n WITH =));
CREATE TABLE {s}.ruled (id int PRIMARY KEY);
CREATE RULE more AS ON INSERT TO {s}.ruled DO ALSO SELECT 1;
"""
END = "pg_terminate_backend(pg_backend_pid())"
MUCH = "count(*) FROM (SELECT n FROM generate_series(1, 99999) n ORDER BY n DESC) s"
FULL = f"SET LOCAL temp_file_limit = '64kB'; SET LOCAL work_mem = '64kB'; PERFORM {MUCH};"
# only that a state is mapped: what provokes its kind does without
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'sesame' USING ERRCODE = '{}'; END $$"
PROVOKED = [
    ("SELECT 'sesame'::int", "22P02", "record.value", DataFault),
    ("SELECT 1 / 0", "22012", "record.value", DataFault),
    ("INSERT INTO {s}.t (id, c) VALUES (2, 'sesame')", "22001", "record.value", DataFault),
    ("SELECT 99999999999::int4", "22003", "record.value", DataFault),
    ("INSERT INTO {s}.t (id, a) VALUES (2, NULL)", "23502", "record.null", DataFault),
    ("INSERT INTO {s}.t (id, p) VALUES (2, 7)", "23503", "record.reference", DataFault),
    (
        "INSERT INTO {s}.parent VALUES (7); INSERT INTO {s}.t (id, p) VALUES (2, 7); DELETE FROM {s}.parent",
        "23503",
        "record.reference",
        DataFault,
    ),
    (
        "INSERT INTO {s}.parent VALUES (7); INSERT INTO {s}.held VALUES (7); DELETE FROM {s}.parent",
        "23001",
        "record.reference",
        DataFault,
    ),
    ("INSERT INTO {s}.t (id, u) VALUES (2, 1)", "23505", "record.unique", DataFault),
    ("INSERT INTO {s}.apart VALUES (1), (1)", "23P01", "record.unique", DataFault),
    ("INSERT INTO {s}.t (id, b) VALUES (2, 'sesame')", "23514", "record.check", DataFault),
    ("INSERT INTO {s}.v VALUES (-1, 'x')", "44000", "record.check", DataFault),
    (
        "INSERT INTO {s}.t (id) VALUES (9), (9) ON CONFLICT (id) DO UPDATE SET a = 1",
        "21000",
        "record.key_merged",
        DataFault,
    ),
    ("SELECT * FROM {s}.none", "42P01", "table.missing", TableFault),
    ("SELECT none FROM {s}.t", "42703", "table.shape", TableFault),
    ("SET ROLE pg_monitor; SELECT * FROM {s}.t", "42501", "table.privilege", TableFault),
    ("SELECT 1 FROM {s}.t FOR UPDATE OF none", "42P01", "table.missing", TableFault),
    ("SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(30)", "57014", "target.timeout", TableBusy),
    ("SET TRANSACTION READ ONLY; DELETE FROM {s}.t", "25006", "target.read_only", Transient),
    (f"SELECT {END}", "57P01", "target.connection", ConnectionLost),
    (f"SET temp_file_limit = '64kB'; SET work_mem = '64kB'; SELECT {MUCH}", "53400", "target.resources", Transient),
    ("INSERT INTO {s}.d VALUES (1)", "55000", "table.unknown", TableFault),
    ("INSERT INTO {s}.ruled VALUES (1) ON CONFLICT (id) DO NOTHING", "0A000", "table.shape", TableFault),
    (RAISE.format("53100"), "53100", "table.trigger", TableFault),
    (RAISE.format("53400"), "53400", "table.trigger", TableFault),
    (RAISE.format("58030"), "58030", "table.trigger", TableFault),
    (RAISE.format("08006"), "08006", "table.trigger", TableFault),
    (RAISE.format("28000"), "28000", "table.trigger", TableFault),
    (RAISE.format("57P01"), "57P01", "table.trigger", TableFault),
    (RAISE.format("25006"), "25006", "table.trigger", TableFault),
    # what code does may meet a server in trouble as any statement
    (f"DO $$ BEGIN {FULL} END $$", "53400", "target.resources", Transient),
    (
        "DO $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END $$",
        "57P01",
        "target.connection",
        ConnectionLost,
    ),
    (RAISE.format("40001"), "40001", "target.conflict", TableBusy),
    (RAISE.format("57014"), "57014", "target.timeout", TableBusy),
    (RAISE.format("55000"), "55000", "record.trigger", DataFault),
    (RAISE.format("P0001"), "P0001", "record.trigger", DataFault),
    (RAISE.format("XX000"), "XX000", "record.trigger", DataFault),
    (RAISE.format("45000"), "45000", "record.trigger", DataFault),
    (RAISE.format("MY001"), "MY001", "record.trigger", DataFault),
    (
        "CREATE INDEX ON {s}.t (b); INSERT INTO {s}.t (id, b) SELECT 2, string_agg(gen_random_uuid()::text, '') "
        "FROM generate_series(1, 9999)",
        "54000",
        "record.limit",
        DataFault,
    ),
]


@pytest.mark.provokes(*(kind for statement, _, kind, _ in PROVOKED if "RAISE" not in statement))
@pytest.mark.parametrize(
    ("statement", "state", "kind", "raised"), PROVOKED, ids=[f"{row[1]}-{i}" for i, row in enumerate(PROVOKED)]
)
def test_an_error_becomes_its_failure(
    provoke: Callable[[str], HeadraceError], statement: str, state: str, kind: str, raised: type[HeadraceError]
) -> None:
    """The state decides the kind, and with it scope and time; the failure has a remedy and no value of the row."""
    error = provoke(statement)
    assert type(error) is raised
    assert (error.failure.kind, error.failure.code) == (kind, state)
    assert error.failure.remedy
    assert "sesame" not in str(error.failure)
    assert isinstance(error.__cause__, psycopg.Error)


@pytest.fixture
def provoke(server: str, session: psycopg.Connection, schema: str) -> Callable[[str], HeadraceError]:
    """Runs statements of which the last one fails; returns what that becomes."""
    session.execute(SETUP.format(s=schema))
    return lambda statement: _provoked(server, schema, statement)


def _provoked(server: str, schema: str, statement: str) -> HeadraceError:
    parts = [statement] if "DO $$" in statement else statement.format(s=schema).split("; ")
    with psycopg.connect(server) as provoked:
        for part in parts[:-1]:
            provoked.execute(part)
        with pytest.raises(HeadraceError) as caught, translated("test", TableName(schema, "t")):
            provoked.execute(parts[-1])
    return caught.value


@pytest.mark.provokes("target.locked")
def test_a_lock_that_is_not_granted_is_transient(server: str, session: psycopg.Connection, schema: str) -> None:
    """Another session holds the row longer than the lock timeout."""
    session.execute(SETUP.format(s=schema))
    session.execute("BEGIN")
    session.execute(f"SELECT 1 FROM {schema}.t FOR UPDATE")
    with psycopg.connect(server) as other:
        other.execute("SET lock_timeout = '10ms'")
        with pytest.raises(Transient) as caught, translated("test"):
            other.execute(f"SELECT 1 FROM {schema}.t FOR UPDATE")

    assert caught.value.failure.kind == "target.locked"
    session.execute("ROLLBACK")


@pytest.mark.provokes("target.conflict")
def test_a_row_that_changed_meanwhile_is_a_conflict(server: str, session: psycopg.Connection, schema: str) -> None:
    """Another transaction has changed what this one still sees as it was."""
    session.execute(SETUP.format(s=schema))
    change = f"UPDATE {schema}.t SET c = 'new'"
    with psycopg.connect(server) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        session.execute(change)
        with pytest.raises(Transient) as caught, translated("test"):
            other.execute(change)

    assert (caught.value.failure.kind, caught.value.failure.code) == ("target.conflict", "40001")


@pytest.mark.provokes("target.conflict")
def test_a_deadlock_is_a_conflict(server: str, session: psycopg.Connection, schema: str) -> None:
    """Two transactions lock the same two tables in different order; who notices is ended, the other goes on."""
    session.execute(SETUP.format(s=schema))
    first, second = f"LOCK {schema}.t", f"LOCK {schema}.parent"
    with psycopg.connect(server) as mine, psycopg.connect(server) as other, ThreadPoolExecutor(1) as pool:
        mine.execute(first)
        other.execute(second)
        waiting = pool.submit(other.execute, first)
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        assert wait_until(lambda: bool(session.execute(query, (other.info.backend_pid,)).fetchone()), 10)
        mine.execute("SET LOCAL deadlock_timeout = '10ms'")
        with pytest.raises(Transient) as caught, translated("test"):
            mine.execute(second)
        mine.rollback()
        waiting.result(10)

    assert (caught.value.failure.kind, caught.value.failure.code) == ("target.conflict", "40P01")
    assert "Process" not in caught.value.failure.detail


def _left_idle(server: str, session: psycopg.Connection, table: TableName | None) -> Transient:
    with psycopg.connect(server) as idle:
        idle.execute("SET idle_in_transaction_session_timeout = '10ms'")
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        assert wait_until(lambda: not session.execute(query, (idle.info.backend_pid,)).fetchone(), 10)
        with pytest.raises(Transient) as caught, translated("test", table):
            idle.execute("SELECT 1")
    return caught.value


@pytest.mark.provokes("target.timeout")
@pytest.mark.parametrize("table", [None, TableName("public", "t")])
def test_a_transaction_that_was_left_idle_is_for_time(
    server: str, session: psycopg.Connection, table: TableName | None
) -> None:
    """The server has ended it; what follows is told so, and no table is blamed."""
    found = _left_idle(server, session, table)
    # the client may see the end of the session before the last words of the server
    while isinstance(found, ConnectionLost):
        found = _left_idle(server, session, table)

    assert type(found) is Transient
    assert (found.failure.kind, found.failure.code) == ("target.timeout", "25P03")


@pytest.mark.provokes("target.system")
def test_a_file_that_is_gone_is_the_servers_own_trouble(server: str, session: psycopg.Connection, schema: str) -> None:
    """The disk lost a table: no fault of any row."""
    session.execute(f"CREATE TABLE {schema}.lost (id int)")
    (path,) = session.execute("SELECT pg_relation_filepath(%s)", (f"{schema}.lost",)).fetchall()[0]
    # a server process works in its data directory
    (Path("/proc") / str(session.info.backend_pid) / "cwd" / path).unlink()
    with psycopg.connect(server) as other, pytest.raises(Transient) as caught, translated("test"):
        other.execute(f"SELECT * FROM {schema}.lost")

    assert (caught.value.failure.kind, caught.value.failure.code) == ("target.system", "58P01")


@pytest.mark.provokes("target.login", "target.connection", "target.tls")
@pytest.mark.parametrize(
    ("change", "raised", "kind"),
    [
        pytest.param({"password": "sesame"}, Persistent, "target.login", id="wrong password"),
        pytest.param({"dbname": "nowhere"}, Persistent, "target.login", id="no such database"),
        pytest.param({"sslmode": "require"}, Transient, "target.tls", id="a server without TLS"),
        pytest.param(
            {"sslmode": "verify-full", "sslrootcert": "/nowhere"}, Transient, "target.tls", id="no authorities"
        ),
        pytest.param({"port": "1"}, ConnectionLost, "target.connection", id="nobody listens"),
    ],
)
def test_a_connection_that_cannot_be_made(
    server: str, change: dict[str, str], raised: type[HeadraceError], kind: str
) -> None:
    """Credentials are for a person to mend, a server that is away is for time."""
    dsn = psycopg.conninfo.make_conninfo(server, **change)
    with pytest.raises(HeadraceError) as caught:
        connect(SessionSettings(dsn=dsn, worker="test", connect_timeout=5))

    assert type(caught.value) is raised
    assert caught.value.failure.kind == kind
    assert "sesame" not in str(caught.value)


def test_a_server_that_takes_no_writes_is_waited_for(server: str) -> None:
    """Noticed before any batch; a session that only looks is opened all the same."""
    dsn = psycopg.conninfo.make_conninfo(server, options="-c default_transaction_read_only=on")
    with pytest.raises(Transient) as caught:
        connect(SessionSettings(dsn=dsn, worker="test"))
    connect(SessionSettings(dsn=dsn, worker="test", writes=False)).close()

    assert caught.value.failure.kind == "target.read_only"


@pytest.mark.provokes("worker.settings")
def test_a_role_that_may_not_trust_the_source_is_refused(server: str, session: psycopg.Connection, schema: str) -> None:
    """The setting is named, and the right that it needs: that alone will do."""
    role = f"r{schema}"
    session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'r'".encode())
    dsn = psycopg.conninfo.make_conninfo(server, user=role, password="r")
    trusting = SessionSettings(dsn=dsn, worker="test", trust_source=True)
    right = f"GRANT SET ON PARAMETER session_replication_role TO {role}"
    with pytest.raises(Refused) as caught:
        connect(trusting)
    session.execute(right.encode())
    connect(trusting).close()

    failure = caught.value.failure
    assert (failure.kind, failure.code) == ("worker.settings", "42501")
    assert failure.detail.startswith("target.constraints: ")
    assert right in failure.remedy


def test_a_session_is_prepared(server: str) -> None:
    """Times are in UTC and nothing waits for ever."""
    settings = SessionSettings(
        dsn=server, worker="w" * 80, batch_deadline=2, synchronous_commit="off", trust_source=True
    )
    with connect(settings) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in (
                "TimeZone",
                "lock_timeout",
                "synchronous_commit",
                "session_replication_role",
            )
        }
        name = connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()

    assert [value and value[0] for value in shown.values()] == ["UTC", "2s", "off", "replica"]
    assert name == (f"headrace {'w' * 54}",)
