"""Columns that sources have had, and the columns of their tables that have the values: `headrace.source_columns`."""

from collections.abc import Collection, Mapping

import psycopg

from consumer.core.binding import Evolution
from consumer.core.evolution import SourceColumn
from consumer.core.steps import RenameColumn
from consumer.core.target import TableName
from consumer.edges.postgres.translate import translated
from consumer.ports.evolution import Followed

_READ = """
SELECT source_name, target_name, schema_id FROM headrace.source_columns WHERE group_name = %s AND table_name = %s
"""
# what is there already is not written again
_NOTE = """
INSERT INTO headrace.source_columns AS k (group_name, table_name, source_name, target_name, schema_id)
SELECT %(group)s, %(table)s, w.source, w.target, %(schema)s
FROM unnest(%(sources)s::text[], %(targets)s::text[]) AS w(source, target)
WHERE w.target IS NOT NULL AND NOT EXISTS (
    SELECT FROM headrace.source_columns o
    WHERE (o.group_name, o.table_name, o.source_name, o.target_name) = (%(group)s, %(table)s, w.source, w.target)
      AND o.schema_id >= %(schema)s
)
ORDER BY w.source
ON CONFLICT (group_name, table_name, source_name) DO UPDATE
SET target_name = excluded.target_name, schema_id = greatest(k.schema_id, excluded.schema_id)
"""
# the source has them, though the table does not get them
_LEFT_OUT = """
UPDATE headrace.source_columns SET schema_id = %(schema)s
WHERE group_name = %(group)s AND table_name = %(table)s AND source_name = ANY (%(sources)s) AND schema_id < %(schema)s
"""
_TAKEN_AWAY = """
UPDATE headrace.source_columns SET target_name = NULL
WHERE group_name = %(group)s AND table_name = %(table)s AND target_name <> ALL (%(there)s)
"""
_RENAMED = """
UPDATE headrace.source_columns SET target_name = %(new)s
WHERE group_name = %(group)s AND table_name = %(table)s AND target_name = %(old)s
"""
# the same schema drops a column once: if it is there again, a later one has it
_DROPPED = """
UPDATE headrace.source_columns SET target_name = NULL, schema_id = greatest(schema_id, %(schema)s)
WHERE group_name = %(group)s AND table_name = %(table)s AND target_name = ANY (%(dropped)s)
"""


def read(connection: psycopg.Connection, group: str, table: TableName) -> dict[str, SourceColumn]:
    """The columns that the source has had."""
    with translated("read columns", table):
        rows = connection.execute(_READ, (group, str(table))).fetchall()
    return {row[0]: SourceColumn(target=row[1], schema_id=row[2]) for row in rows}


def note(connection: psycopg.Connection, group: str, table: TableName, fits: Followed) -> None:
    """Note a schema's columns, and which columns of the table are gone."""
    _note(connection, {"group": group, "table": str(table), "schema": fits.schema_id}, fits.sources, fits.columns)


def moved(connection: psycopg.Connection, group: str, evolution: Evolution) -> None:
    """Note the schema's columns, which columns of the table are others now, and which are gone."""
    values = {"group": group, "table": str(evolution.table), "schema": evolution.schema_id}
    for step in evolution.steps:
        if isinstance(step, RenameColumn):
            connection.execute(_RENAMED, values | {"old": step.column, "new": step.new})
    if evolution.dropped:
        connection.execute(_DROPPED, values | {"dropped": sorted(evolution.dropped)})
    if evolution.after is not None:
        _note(connection, values, evolution.sources, [column.name for column in evolution.after.columns])


def _note(
    connection: psycopg.Connection,
    whose: Mapping[str, object],
    sources: Mapping[str, str | None],
    there: Collection[str],
) -> None:
    values = {**whose, "sources": list(sources), "targets": list(sources.values()), "there": sorted(there)}
    for statement in (_NOTE, _LEFT_OUT, _TAKEN_AWAY):
        connection.execute(statement, values)
