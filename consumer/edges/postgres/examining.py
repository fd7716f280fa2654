"""The target as `headrace doctor` asks about it, on a session that only looks."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from consumer.core.addresses import is_loopback
from consumer.core.doctor.group import Known
from consumer.core.doctor.target import Control, Room, Server
from consumer.core.failure import Failure, Refused, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.edges.postgres import fleet
from consumer.edges.postgres.migrate import migrations, require, schema_version
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.translate import translated

_SERVER = """
SELECT current_setting('server_version_num')::int AS version,
    split_part(current_setting('server_version'), ' ', 1) AS version_said,
    current_user::text AS role, current_database()::text AS database,
    pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
    pg_encoding_to_char(d.encoding)::text AS encoding,
    has_database_privilege(d.oid, 'TEMPORARY') AS temporary,
    extract(epoch FROM clock_timestamp())::float8 AS clock,
    (SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
    coalesce((SELECT setting::float8 FROM pg_settings WHERE name = 'transaction_timeout'), 0) / 1000
        AS transaction_timeout,
    coalesce((SELECT setting::float8 FROM pg_settings WHERE name = 'idle_session_timeout'), 0) / 1000
        AS idle_session_timeout
FROM pg_database d WHERE d.datname = current_database()
"""
# Limits that there are, and the sessions of others that count in them: of programs that are not ours, and of workers of
# other groups. Of sessions of other roles not all may be for us to see.
_ROOM = """
WITH others AS (
    SELECT datname = current_database() AS here, usename = current_user AS mine FROM pg_stat_activity
    WHERE datname IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
      AND (coalesce(application_name, '') NOT LIKE 'headrace %%' OR application_name = ANY (%s))
)
SELECT 'max_connections', current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int, (SELECT count(*)::int FROM others)
UNION ALL
SELECT 'the database ' || datname, datconnlimit, (SELECT count(*)::int FROM others WHERE here)
FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0
UNION ALL
SELECT 'the role ' || rolname, rolconnlimit, (SELECT count(*)::int FROM others WHERE mine)
FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0
"""
_NEIGHBOURS = "SELECT left('headrace ' || name, 63) FROM headrace.workers WHERE group_name <> %s"
_LACKS = """
SELECT c.relname, ARRAY (
    SELECT p FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p WHERE NOT has_table_privilege(c.oid, p)
)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'headrace' AND c.relkind IN ('r', 'p') AND c.relname <> 'migrations' ORDER BY c.relname
"""
_SCHEMA = """
SELECT current_user::text,
    coalesce(has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_table_privilege(m.oid, 'SELECT'), true), true),
    coalesce(pg_has_role(n.nspowner, 'USAGE'), has_database_privilege(current_database(), 'CREATE'))
FROM (VALUES ('headrace')) AS wanted(name)
LEFT JOIN pg_namespace n ON n.nspname = wanted.name
LEFT JOIN pg_class m ON m.relnamespace = n.oid AND m.relname = 'migrations'
"""
_IDS = "SELECT topic, partition, topic_id FROM headrace.positions WHERE group_name = %s AND topic_id IS NOT NULL"
_SCHEMAS = "SELECT id FROM headrace.schemas WHERE registry = %s ORDER BY id DESC LIMIT %s"


class PostgresExamining:
    """Implements `consumer.ports.examining.TargetExaminer`; for any thread."""

    def __init__(self, settings: SessionSettings, group: str) -> None:
        self._settings = replace(settings, writes=False)
        self._group = group
        self._opening = threading.Lock()
        self._connection: psycopg.Connection | None = None

    def server(self) -> Server:
        session = self._session()
        with translated("read server"), session.cursor(row_factory=namedtuple_row) as cursor:
            sent = time.time()
            row: Any = cursor.execute(_SERVER).fetchone()
            # half way of the journey there and back
            ours = (sent + time.time()) / 2
        assert row is not None, "the session's own role and database are there"
        info = session.info
        return Server(
            version=row.version,
            version_said=row.version_said,
            role=row.role,
            database=row.database,
            standby=row.standby,
            read_only=row.read_only,
            encoding=row.encoding,
            temporary=row.temporary,
            tls=row.tls or "",
            ssl_mode=info.get_parameters().get("sslmode", "prefer"),
            local=info.host.startswith("/") or is_loopback(info.host),
            clock_ahead=row.clock - ours,
            transaction_timeout=row.transaction_timeout,
            idle_session_timeout=row.idle_session_timeout,
        )

    def control(self) -> Control:
        session = self._session()
        with translated("read catalog"):
            ((role, usable, may_migrate),) = session.execute(_SCHEMA).fetchall()
            lacks = {name: tuple(lacks) for name, lacks in session.execute(_LACKS).fetchall() if lacks}
        refused = _refusal(session) if usable else _unusable(role)
        return Control(
            version=schema_version(session) if usable else 0,
            wanted=migrations()[-1][0],
            refused=refused,
            may_migrate=may_migrate,
            lacks=lacks if usable else {},
            role=role,
        )

    def known(self, *, readable: bool) -> Known:
        session = self._session()
        if not readable:
            return Known(room=_room(session, ()))
        with translated("read workers"):
            neighbours = [row[0] for row in session.execute(_NEIGHBOURS, (self._group,)).fetchall()]
        workers = [one.name for one in fleet.workers(session, self._group) if not one.gone]
        return Known(workers=workers, places=fleet.places(session, self._group), room=_room(session, neighbours))

    def topic_ids(self) -> Mapping[TopicPartition, str]:
        with translated("read positions"):
            rows = self._session().execute(_IDS, (self._group,)).fetchall()
        return {TopicPartition(topic, partition): topic_id for topic, partition, topic_id in rows}

    def schemas(self, registry: str, most: int) -> list[int]:
        with translated("recall schemas"):
            return [row[0] for row in self._session().execute(_SCHEMAS, (registry, most)).fetchall()]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _session(self) -> psycopg.Connection:
        with self._opening:
            if self._connection is None:
                self._connection = connect(self._settings)
            return self._connection


def _refusal(session: psycopg.Connection) -> Failure | None:
    try:
        require(session)
    except Refused as error:
        return error.failure
    return None


def _unusable(role: str) -> Failure:
    detail = "the role may not read the schema headrace"
    remedy = f"GRANT USAGE ON SCHEMA headrace TO {role}; GRANT SELECT ON headrace.migrations TO {role}"
    return failed(KINDS["table.privilege"], "postgres", "read catalog", detail, remedy=remedy)


def _room(session: psycopg.Connection, neighbours: Sequence[str]) -> dict[str, Room]:
    """By limit; `neighbours`: what sessions of workers of other groups are called."""
    with translated("count sessions"):
        rows = session.execute(_ROOM, (list(neighbours),)).fetchall()
    return {limit: Room(most=most, others=others) for limit, most, others in rows}
