"""Which topic has which target table; where a table gets another name, what is kept by that name goes along."""

from collections.abc import Collection

import psycopg

from consumer.core.failure import Persistent, Refused, failed
from consumer.core.kinds import KINDS
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated

_OF = "SELECT table_name FROM headrace.target_tables WHERE group_name = %s AND topic = %s ORDER BY table_name"
_TOPICS = "SELECT topic FROM headrace.target_tables WHERE group_name = %s AND table_name = ANY (%s)"
_OWNERS = "SELECT group_name, topic FROM headrace.target_tables WHERE table_name = %s ORDER BY group_name"
# either name may have a dot
_THERE = """
SELECT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = %s AND (NOT %s OR c.relkind IN ('r', 'p'))
)
"""
_CLAIMS = """
SELECT table_name, topic FROM headrace.target_tables
WHERE group_name = %(group)s AND (table_name = %(table)s OR topic = %(topic)s)
"""
# workers whose settings differ are told so, whoever of them is first
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('headrace.claim.' || %s || '.' || %s, 0))"
_CLAIM = """
INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
# each does nothing the second time, whoever of the group's workers is first
_MOVES = (
    """
    UPDATE headrace.target_tables SET table_name = %(new)s
    WHERE group_name = %(group)s AND topic = %(topic)s AND table_name = %(old)s AND NOT EXISTS (
        SELECT FROM headrace.target_tables WHERE group_name = %(group)s AND table_name = %(new)s
    )
    """,
    """
    DELETE FROM headrace.target_tables
    WHERE group_name = %(group)s AND topic = %(topic)s AND table_name = %(old)s AND EXISTS (
        SELECT FROM headrace.target_tables
        WHERE group_name = %(group)s AND topic = %(topic)s AND table_name = %(new)s
    )
    """,
    f"""
    UPDATE headrace.letters SET table_name = %(new)s
    WHERE group_name = %(group)s AND topic = %(topic)s AND table_name = %(old)s
      AND state IN ({OPEN_STATES})
    """,
    "UPDATE headrace.moved SET table_name = %(new)s WHERE table_name = %(old)s",
    """
    INSERT INTO headrace.moved_sizes AS m (table_name, rows, bytes)
    SELECT %(new)s, rows, bytes FROM headrace.moved_sizes WHERE table_name = %(old)s
    ON CONFLICT (table_name) DO UPDATE SET rows = m.rows + excluded.rows, bytes = m.bytes + excluded.bytes
    """,
    "DELETE FROM headrace.moved_sizes WHERE table_name = %(old)s",
    """
    UPDATE headrace.source_columns c SET table_name = %(new)s
    WHERE group_name = %(group)s AND table_name = %(old)s AND NOT EXISTS (
        SELECT FROM headrace.source_columns o
        WHERE o.group_name = %(group)s AND o.table_name = %(new)s AND o.source_name = c.source_name
    )
    """,
    """
    UPDATE headrace.schema_changes SET state = 'superseded'
    WHERE group_name = %(group)s AND topic = %(topic)s AND table_name = %(old)s
      AND state IN ('planned', 'approved', 'refused')
    """,
    """
    UPDATE headrace.table_states SET table_name = %(new)s
    WHERE group_name = %(group)s AND table_name = %(old)s AND NOT EXISTS (
        SELECT FROM headrace.table_states WHERE group_name = %(group)s AND table_name = %(new)s
    )
    """,
)


class PostgresTableNames:
    """Implements `consumer.composition.heeding.TableNames`."""

    def __init__(self, pool: TargetPool, group: str) -> None:
        self._pool = pool
        self._group = group

    def topics_of(self, tables: Collection[str]) -> set[str]:
        def asked(session: psycopg.Connection) -> set[str]:
            with translated("read tables' topics"):
                return {row[0] for row in session.execute(_TOPICS, (self._group, list(tables)))}

        return self._pool.ask(asked)

    def require_renamed(self, topic: str, new: str) -> None:
        def asked(session: psycopg.Connection) -> tuple[list[str], list[str], list[str]]:
            with translated("look at renamed table"):
                taken = [by for group, by in owners(session, new) if group == self._group and by != topic]
                others = _others(session, self._group, topic, new)
                return taken, others, [name for name in (new, *others) if exists(session, name)]

        taken, others, there = self._pool.ask(asked)
        if taken:
            raise _refused(
                f"table {new} is topic {taken[0]}'s",
                "Choose another name; if that topic is gone for good, remove its row from headrace.target_tables.",
            )
        if len(others) > 1:
            raise _refused(
                f"topic {topic} is applied to several tables ({', '.join(others)})",
                "Restart for it, once those to which nothing is applied have other names or are dropped.",
            )
        if others and new not in there and others[0] in there:
            raise _refused(
                f"topic {topic} is applied to table {others[0]}, which is still there, and there is no {new}",
                f"Rename it first, while its topic is paused: ALTER TABLE {others[0]} RENAME TO …",
            )

    def rename(self, topic: str, new: str) -> None:
        def renamed(session: psycopg.Connection) -> None:
            with transaction(session, "rename table"):
                for old in _others(session, self._group, topic, new):
                    move(session, self._group, topic, (old, new))

        self._pool.ask(renamed)


def owners(connection: psycopg.Connection, table: str) -> list[tuple[str, str]]:
    """Groups that have the target table, each with its topic. Raises psycopg.Error."""
    return connection.execute(_OWNERS, (table,)).fetchall()


def exists(connection: psycopg.Connection, table: str, *, own_rows: bool = False) -> bool:
    """Whether something has that name. `own_rows`: no view, and nothing else that a topic can't have been applied to.

    Raises psycopg.Error.
    """
    return connection.execute(_THERE, (table, own_rows)).fetchone() == (True,)


def owner(connection: psycopg.Connection, group: str, table: str, topic: str) -> str:
    """As `claim`, and nothing is claimed or brought."""
    with translated("read table's topic"):
        return _claims(connection, group, table, topic)[0] or topic


def claim(connection: psycopg.Connection, group: str, table: str, topic: str) -> str:
    """The topic that has the table: this one, unless another had it before.

    What is kept by names that the topic's table had before is kept by this one, or the letters of its rows would be of
    no row. Raises Persistent where a table of such a name is there: rows would go on beside those that it has.
    """
    with translated("claim table"):
        by, before = _claims(connection, group, table, topic)
    if by is not None and not before:
        return by
    with transaction(connection, "claim table"):
        connection.execute(_ALONE, (group, topic))
        by, before = _claims(connection, group, table, topic)
        if by in (None, topic):
            for old in before:
                move(connection, group, topic, (old, table))
            connection.execute(_CLAIM, (group, table, topic))
            # another topic may have been first
            by, _ = _claims(connection, group, table, topic)
    return by or topic


def _claims(connection: psycopg.Connection, group: str, table: str, topic: str) -> tuple[str | None, list[str]]:
    """Who has the table, and names of the topic's table that are gone. Raises Persistent, psycopg.Error."""
    values = {"group": group, "table": table, "topic": topic}
    claims: dict[str, str] = dict(connection.execute(_CLAIMS, values).fetchall())
    by = claims.pop(table, None)
    if by not in (None, topic):
        return by, []
    there = [old for old in claims if exists(connection, old, own_rows=True)]
    if by is None and there:
        detail = f"topic {topic} is applied to table {there[0]}, which is there, and was to be applied to {table}"
        raise Persistent(failed(KINDS["table.renamed"], "postgres", "claim table", detail))
    return by, [old for old in claims if old not in there]


def move(connection: psycopg.Connection, group: str, topic: str, names: tuple[str, str]) -> None:
    """Have what is kept by a table's old name go by its new one. Raises psycopg.Error."""
    old, new = names
    values = {"group": group, "topic": topic, "old": old, "new": new}
    for statement in _MOVES:
        connection.execute(statement.encode(), values)


def _others(connection: psycopg.Connection, group: str, topic: str, new: str) -> list[str]:
    return [row[0] for row in connection.execute(_OF, (group, topic)) if row[0] != new]


def _refused(detail: str, remedy: str) -> Refused:
    return Refused(failed(KINDS["worker.settings"], "settings", "read again", detail, remedy=remedy))
