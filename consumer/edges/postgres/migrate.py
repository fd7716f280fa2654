"""The control schema's versions: numbered SQL files, applied once each under a lock."""

from importlib.resources import files

import psycopg
from psycopg import sql

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated

# any constant of our own; it only has to be the same in every worker
_LOCK = 0x48454144


def migrations() -> list[tuple[int, str]]:
    """Version and text of every migration, oldest first."""
    folder = files("consumer.edges.postgres") / "sql"
    found = [(int(entry.name[:4]), entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted(found)


def ensure(connection: psycopg.Connection) -> None:
    """Migrate if the database is behind. Raises Refused when its schema is newer than this program."""
    newest = migrations()[-1][0]
    have = schema_version(connection)
    if have > newest:
        raise _too_new(have, newest)
    if have < newest:
        migrate(connection)


def require(connection: psycopg.Connection) -> None:
    """Raises Refused unless the control schema has this program's version; changes nothing."""
    newest = migrations()[-1][0]
    have = schema_version(connection)
    if have > newest:
        raise _too_new(have, newest)
    if have < newest:
        detail = f"the control schema has version {have}, this program wants {newest}"
        raise Refused(failed(KINDS["target.older"], "postgres", "schema version", detail))


def migrate(connection: psycopg.Connection) -> int:
    """Bring the control schema to this program's version and return it.

    Raises Refused when the schema is newer than this program.
    """
    with transaction(connection, "migrate"):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # IF NOT EXISTS would want the privilege even where there is nothing to create
        if connection.execute("SELECT to_regnamespace('headrace')").fetchone() == (None,):
            connection.execute("CREATE SCHEMA headrace")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS headrace.migrations "
            "(version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        row = connection.execute("SELECT coalesce(max(version), 0) FROM headrace.migrations").fetchone()
        have = row[0] if row else 0
        newest = migrations()[-1][0]
        if have > newest:
            raise _too_new(have, newest)
        for version, text in migrations():
            if version > have:
                connection.execute(sql.SQL(text))
                connection.execute("INSERT INTO headrace.migrations (version) VALUES (%s)", (version,))
    return newest


def schema_version(connection: psycopg.Connection) -> int:
    """The version that the database has; 0 when it has none."""
    with translated("schema version"):
        row = connection.execute("SELECT to_regclass('headrace.migrations')").fetchone()
        if row is None or row[0] is None:
            return 0
        row = connection.execute("SELECT coalesce(max(version), 0) FROM headrace.migrations").fetchone()
    return row[0] if row else 0


def _too_new(have: int, newest: int) -> Refused:
    return Refused(
        failed(
            KINDS["target.newer"],
            "postgres",
            "migrate",
            f"the control schema has version {have}, this program knows {newest}",
        )
    )
