"""The control schema's versions: numbered SQL files, applied once each under a lock.

A file that begins with `-- expand` only adds what programs of the version before do not look at, so that they go on.
Behind any other one only programs that know it may work.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import psycopg
from psycopg import sql

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.edges.postgres import owning
from consumer.edges.postgres.session import limit_locks, transaction
from consumer.edges.postgres.translate import translated

# any constant of our own; it only has to be the same in every worker
_LOCK = 0x48454144
_EXPANDS = "-- expand"
# older programs have written no `oldest`
_STANDING = """
SELECT coalesce(max(version), 0), coalesce(max(coalesce((to_jsonb(m) ->> 'oldest')::integer, version)), 0)
FROM headrace.migrations m
"""


@cache
def migrations() -> Sequence[tuple[int, str]]:
    """Version and text of every migration, oldest first; read once, since each question of a person asks for them."""
    folder = files("consumer.edges.postgres") / "sql"
    found = [(int(entry.name[:4]), entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return tuple(sorted(found))


def ensure(connection: psycopg.Connection, lock_timeout: float) -> None:
    """Migrate if the database is behind, as `upgrade` does. Raises Refused when its schema is too new, Transient."""
    newest = migrations()[-1][0]
    with translated("schema version"):
        have = _fitting(connection, newest)
    if have < newest:
        migrate(connection, lock_timeout=lock_timeout)


def require(connection: psycopg.Connection) -> None:
    """Raises Refused unless this program can work with the control schema as it is; changes nothing."""
    newest = migrations()[-1][0]
    with translated("schema version"):
        have = _fitting(connection, newest)
    if have < newest:
        detail = f"the control schema has version {have}, this program wants {newest}"
        raise Refused(failed(KINDS["target.older"], "postgres", "schema version", detail))


def migrate(
    connection: psycopg.Connection,
    known: Sequence[tuple[int, str]] | None = None,
    *,
    lock_timeout: float | None = None,
) -> int:
    """As `upgrade`, and returns the version that the control schema has then."""
    return upgrade(connection, known, lock_timeout=lock_timeout)[1]


def upgrade(
    connection: psycopg.Connection,
    known: Sequence[tuple[int, str]] | None = None,
    *,
    lock_timeout: float | None = None,
    grant_to: Sequence[str] = (),
) -> tuple[int, int]:
    """Bring the control schema to this program's version, as its owner: the version before, and the one after.

    `known`: the migrations, this program's by default. `lock_timeout`: most seconds that it waits for others at a time,
    and keeps others waiting behind it; what it has locked it holds until its end. `grant_to`: roles that may then do
    there what a worker does. Raises Refused when the schema is too new for this program or the role may not change it,
    Transient when somebody is in the way.
    """
    known = migrations() if known is None else known
    newest = known[-1][0]
    with transaction(connection, "migrate"):
        # behind another that migrates, nobody waits for this one
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if lock_timeout is not None:
            limit_locks(connection, lock_timeout)
        # one that was cut off would begin again from the start, as often as it is tried
        connection.execute("SET LOCAL statement_timeout = 0")
        owning.require_roles(connection, grant_to)
        holder = owning.become_holder(connection)
        with owning.permitted(holder):
            have = _fitting(connection, newest)
            if have < newest:
                holder.require()
                _apply(connection, [(version, text) for version, text in known if version > have])
            for name in grant_to:
                holder.require()
                owning.grant(connection, holder, name)
    return have, max(have, newest)


def schema_version(connection: psycopg.Connection) -> int:
    """The version that the database has; 0 when it has none."""
    with translated("schema version"):
        return _standing(connection)[0]


def _apply(connection: psycopg.Connection, missing: Sequence[tuple[int, str]]) -> None:
    # IF NOT EXISTS would want the privilege even where there is nothing to create
    if connection.execute("SELECT to_regnamespace('headrace')").fetchone() == (None,):
        connection.execute("CREATE SCHEMA headrace")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS headrace.migrations "
        "(version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    connection.execute("ALTER TABLE headrace.migrations ADD COLUMN IF NOT EXISTS oldest integer")
    for version, text in missing:
        connection.execute(sql.SQL(text))
        oldest = 0 if text.startswith(_EXPANDS) else version
        connection.execute("INSERT INTO headrace.migrations (version, oldest) VALUES (%s, %s)", (version, oldest))


def _fitting(connection: psycopg.Connection, newest: int) -> int:
    """The version that the database has. Raises Refused when a program that knows `newest` can't work with it."""
    have, oldest = _standing(connection)
    if oldest > newest:
        raise _too_new(have, newest)
    return have


def _standing(connection: psycopg.Connection) -> tuple[int, int]:
    """The version that the database has, and the one that programs have to know at least."""
    row = connection.execute("SELECT to_regclass('headrace.migrations')").fetchone()
    if row is None or row[0] is None:
        return 0, 0
    ((have, oldest),) = connection.execute(_STANDING).fetchall()
    return have, oldest


def _too_new(have: int, newest: int) -> Refused:
    return Refused(
        failed(
            KINDS["target.newer"],
            "postgres",
            "migrate",
            f"the control schema has version {have}, this program knows {newest}",
        )
    )
