"""Truncates in a batch's transaction: rows go, letters in front of it are superseded, what comes late is kept out."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import psycopg
from psycopg import sql

from consumer.core.failure import failed
from consumer.core.kinds import DEPENDENT, KINDS, TOO_DEPENDENT
from consumer.core.plan import Plan, Truncate
from consumer.core.target import TableName
from consumer.edges.postgres import standing
from consumer.edges.postgres.guards import alive, deleted
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.staged_rows import table_name
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import DataFault, TableFault

# in one order for all; who raises a floor waits for those who write by it
_FLOORS = """
SELECT table_name, floor FROM headrace.target_tables
WHERE group_name = %s AND table_name = ANY (%s) ORDER BY table_name FOR {}
"""
_RAISE = """
UPDATE headrace.target_tables SET floor = greatest(floor, %s) WHERE group_name = %s AND table_name = %s
"""
_THERE = "SELECT to_regclass(%s::text) IS NOT NULL"
# In the order of their rows, as all who lock several. A letter whose row is not known is of this table where its topic
# has no other.
_SUPERSEDE = sql.SQL("""
UPDATE headrace.letters SET state = 'superseded', closed_at = clock_timestamp(), due_at = NULL, claimed_until = NULL,
    reason = 'the table was truncated'
WHERE id IN (
    SELECT id FROM headrace.letters
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND "offset" < %(offset)s
      AND state IN ({open}) AND (table_name = %(table)s OR table_name IS NULL AND NOT EXISTS (
          SELECT FROM headrace.target_tables t
          WHERE t.group_name = %(group)s AND t.topic = %(topic)s AND t.table_name <> %(table)s
      ))
    ORDER BY digest_a NULLS FIRST, digest_b, "offset" FOR UPDATE
)
RETURNING id
""").format(open=sql.SQL(OPEN_STATES))


def truncate(connection: psycopg.Connection, group: str, what: Truncate) -> None:
    """Empty a table, if it is there, of everything that is older than the truncate.

    Raises TableFault where a row can't go.
    """
    try:
        with translated("truncate", what.table):
            # First the letters: who applies one just now is waited for, and its row is there for the delete to see.
            for ref in what.refs:
                values = {"group": group, "topic": ref.at.topic, "partition": ref.at.partition, "offset": ref.offset}
                closed = connection.execute(_SUPERSEDE, {**values, "table": str(what.table)}).fetchall()
                # of a topic that has grown others of their rows may wait in other partitions
                standing.release_next(connection, [row[0] for row in closed])
            name = table_name(what.table)
            there = connection.execute(_THERE, (name.as_string(connection),)).fetchone()
            if there == (True,):
                connection.execute(_statement(name, what))
            if what.version is not None:
                connection.execute(_RAISE, (what.position, group, str(what.table)))
    except DataFault as error:
        raise not_truncated(error, what.table) from error


def not_truncated(error: DataFault, table: TableName | None) -> TableFault:
    """What it is that a row can't go, whether it is said at once or where what is deferred is checked."""
    kind = TOO_DEPENDENT if error.failure.kind in DEPENDENT else "table.truncate"
    failure = failed(KINDS[kind], "postgres", "truncate", error.failure.detail, code=error.failure.code)
    return TableFault(failure, table)


def _statement(name: sql.Composable, what: Truncate) -> sql.Composed:
    conditions = []
    if what.version is not None:
        # a row without a version is from a snapshot; nothing says that it is newer
        newer = sql.SQL("(t.{} >= {}) IS NOT TRUE")
        conditions.append(newer.format(sql.Identifier(what.version), sql.Literal(what.position)))
    if what.soft is None:
        statement = sql.SQL("DELETE FROM {} AS t").format(name)
    else:
        conditions.append(alive(what.soft))
        column = sql.Identifier(what.soft.column)
        statement = sql.SQL("UPDATE {} AS t SET {} = {}").format(name, column, deleted(what.soft))
    where = sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("")
    return sql.SQL("{}{}").format(statement, where)


def floored(connection: psycopg.Connection, group: str, plan: Plan, stages: list[list[Staged]]) -> list[list[Staged]]:
    """The staged writes with what earlier truncates keep out of them, those in front of them in the plan too."""
    written = {write.table for stage in plan.stages for write in stage.staged() if write.floored}
    truncated = {truncate.table for truncate in plan.truncates if truncate.version is not None}
    if not written and not truncated:
        return stages
    known = floors(connection, group, written, truncated)
    found = []
    for stage, staged in zip(plan.stages, stages, strict=True):
        known = _raised(known, stage.truncates)
        found.append([replace(one, floor=known.get(one.write.table)) if one.write.floored else one for one in staged])
    return found


def floors(
    connection: psycopg.Connection, group: str, written: Collection[TableName], truncated: Collection[TableName]
) -> dict[TableName, int]:
    """The floors of tables, locked: by those that only write for one another, by one that truncates for all."""
    found: dict[TableName, int] = {}
    for tables, lock in ((truncated, "NO KEY UPDATE"), (set(written) - set(truncated), "SHARE")):
        if tables:
            names = {str(table): table for table in tables}
            with translated("lock floors"):
                rows = connection.execute(_FLOORS.format(lock), (group, list(names))).fetchall()
            found |= {names[name]: floor for name, floor in rows if floor is not None}
    return found


def _raised(floors: dict[TableName, int], truncates: Sequence[Truncate]) -> dict[TableName, int]:
    """The floors behind some truncates."""
    return floors | {
        one.table: max(one.position, floors.get(one.table, one.position))
        for one in truncates
        if one.position is not None
    }
