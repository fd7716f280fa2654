"""PostgreSQL's errors as failures; each one is provoked in the server by the statement that the table names."""

import psycopg
import pytest

from consumer.core.failure import HeadraceError, Persistent, Transient
from consumer.core.plan import TableName
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.translate import translated
from consumer.ports import ConnectionLost, DataFault, TableFault

SETUP = """
CREATE TABLE {s}.parent (id int PRIMARY KEY);
CREATE TABLE {s}.t (id int PRIMARY KEY, a int NOT NULL DEFAULT 0, b text CHECK (b <> 'sesame'), c varchar(3),
    u int UNIQUE, p int REFERENCES {s}.parent);
INSERT INTO {s}.t (id, u) VALUES (1, 1);
CREATE VIEW {s}.v AS SELECT id, b FROM {s}.t WHERE id > 0 WITH CHECK OPTION;
"""
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END $$"
PROVOKED = [
    ("SELECT 'sesame'::int", "22P02", DataFault),
    ("SELECT 1 / 0", "22012", DataFault),
    ("INSERT INTO {s}.t (id, c) VALUES (2, 'sesame')", "22001", DataFault),
    ("SELECT 99999999999::int4", "22003", DataFault),
    ("INSERT INTO {s}.t (id, a) VALUES (2, NULL)", "23502", DataFault),
    ("INSERT INTO {s}.t (id, p) VALUES (2, 7)", "23503", DataFault),
    ("INSERT INTO {s}.t (id, u) VALUES (2, 1)", "23505", DataFault),
    ("INSERT INTO {s}.t (id, b) VALUES (2, 'sesame')", "23514", DataFault),
    ("INSERT INTO {s}.v VALUES (-1, 'x')", "44000", DataFault),
    (
        "INSERT INTO {s}.t (id) VALUES (9), (9) ON CONFLICT (id) DO UPDATE SET a = 1",
        "21000",
        DataFault,
    ),
    ("SELECT * FROM {s}.none", "42P01", TableFault),
    ("SELECT none FROM {s}.t", "42703", TableFault),
    ("SET ROLE pg_monitor; SELECT * FROM {s}.t", "42501", TableFault),
    ("SELECT 1 FROM {s}.t FOR UPDATE OF none", "42P01", TableFault),
    ("SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(30)", "57014", Transient),
    ("SET TRANSACTION READ ONLY; DELETE FROM {s}.t", "25006", Transient),
    ("SELECT pg_terminate_backend(pg_backend_pid())", "57P01", ConnectionLost),
    (RAISE.format("40001"), "40001", Transient),
    (RAISE.format("40P01"), "40P01", Transient),
    (RAISE.format("53100"), "53100", Transient),
    (RAISE.format("55P03"), "55P03", Transient),
    (RAISE.format("25P03"), "25P03", Transient),
    (RAISE.format("08006"), "08006", ConnectionLost),
    (RAISE.format("0A000"), "0A000", TableFault),
    (RAISE.format("XX000"), "XX000", TableFault),
    (RAISE.format("P0001"), "P0001", DataFault),
]


@pytest.mark.parametrize(
    ("statement", "state", "kind"), PROVOKED, ids=[f"{s}-{i}" for i, (_, s, _) in enumerate(PROVOKED)]
)
def test_an_error_becomes_its_failure(
    server: str, session: psycopg.Connection, schema: str, statement: str, state: str, kind: type[HeadraceError]
) -> None:
    """The state decides scope and time; the failure has a remedy and no value of the row."""
    session.execute(SETUP.format(s=schema))
    parts = [statement] if "DO $$" in statement else statement.format(s=schema).split("; ")
    with psycopg.connect(server) as provoked:
        for part in parts[:-1]:
            provoked.execute(part)
        with pytest.raises(HeadraceError) as caught, translated("test", TableName(schema, "t")):
            provoked.execute(parts[-1])

    failure = caught.value.failure
    assert type(caught.value) is kind
    assert failure.kind == f"postgres.{state}"
    assert failure.remedy
    assert "sesame" not in str(failure)
    assert isinstance(caught.value.__cause__, psycopg.Error)


def test_a_lock_that_is_not_granted_is_transient(server: str, session: psycopg.Connection, schema: str) -> None:
    """Another session holds the row longer than the lock timeout."""
    session.execute(SETUP.format(s=schema))
    session.execute("BEGIN")
    session.execute(f"SELECT 1 FROM {schema}.t FOR UPDATE")
    with psycopg.connect(server) as other:
        other.execute("SET lock_timeout = '10ms'")
        with pytest.raises(Transient) as caught, translated("test"):
            other.execute(f"SELECT 1 FROM {schema}.t FOR UPDATE")

    assert caught.value.failure.kind == "postgres.55P03"
    session.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param({"password": "sesame"}, Persistent, id="wrong password"),
        pytest.param({"dbname": "nowhere"}, Persistent, id="no such database"),
        pytest.param({"port": "1"}, ConnectionLost, id="nobody listens"),
    ],
)
def test_a_connection_that_cannot_be_made(server: str, change: dict[str, str], kind: type[HeadraceError]) -> None:
    """Credentials are for a person to mend, a server that is away is for time."""
    dsn = psycopg.conninfo.make_conninfo(server, **change)
    with pytest.raises(HeadraceError) as caught:
        connect(SessionSettings(dsn=dsn, worker="test", connect_timeout=5))

    assert type(caught.value) is kind
    assert "sesame" not in str(caught.value)


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
