"""What is remembered of changes of target tables: `headrace.schema_changes` and `headrace.source_columns`."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from consumer.core.failure import Failure
from consumer.core.plan import Evolution, TableName
from consumer.desk import Note, SchemaChange
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.evolution import State

_WAITING = "state IN ('planned', 'approved', 'refused')"
# another plan for the same schema is not needed any more; what a person approved stays so
_SUPERSEDE = f"""
UPDATE headrace.schema_changes SET state = 'superseded'
WHERE group_name = %(group)s AND table_name = %(table)s AND schema_id = %(schema)s AND {_WAITING}
  AND (%(steps)s::jsonb IS NULL OR md5(steps::text) <> md5((%(steps)s::jsonb)::text))
"""
_PROPOSE = f"""
INSERT INTO headrace.schema_changes AS c
    (group_name, table_name, topic, schema_id, steps, state, kind, reason, remedy)
VALUES (%(group)s, %(table)s, %(topic)s, %(schema)s, %(steps)s, %(state)s, %(kind)s, %(reason)s, %(remedy)s)
ON CONFLICT (group_name, table_name, md5(steps::text)) WHERE {_WAITING} DO UPDATE
SET state = CASE WHEN c.state = 'approved' AND excluded.state = 'planned' THEN c.state ELSE excluded.state END,
    kind = excluded.kind, reason = excluded.reason, remedy = excluded.remedy, schema_id = excluded.schema_id
RETURNING state
"""
_APPLIED = f"""
WITH waiting AS (
    UPDATE headrace.schema_changes
    SET state = 'applied', applied_by = %(worker)s, applied_at = clock_timestamp(), error = NULL
    WHERE group_name = %(group)s AND table_name = %(table)s AND md5(steps::text) = md5((%(steps)s::jsonb)::text)
      AND {_WAITING}
    RETURNING id
)
INSERT INTO headrace.schema_changes
    (group_name, table_name, topic, schema_id, steps, state, applied_by, applied_at)
SELECT %(group)s, %(table)s, %(topic)s, %(schema)s, %(steps)s, 'applied', %(worker)s, clock_timestamp()
WHERE NOT EXISTS (SELECT FROM waiting)
"""
_FAILED = f"""
INSERT INTO headrace.schema_changes AS c
    (group_name, table_name, topic, schema_id, steps, state, kind, reason, remedy, error)
VALUES (
    %(group)s, %(table)s, %(topic)s, %(schema)s, %(steps)s, 'refused', %(kind)s, %(reason)s, %(remedy)s, %(error)s
)
ON CONFLICT (group_name, table_name, md5(steps::text)) WHERE {_WAITING} DO UPDATE
SET error = excluded.error, kind = excluded.kind, reason = excluded.reason, remedy = excluded.remedy
"""
_READ = f"""
SELECT id, table_name AS "table", topic, schema_id, steps, state, kind, reason, remedy, planned_at,
    decided_by, decided_at, decided_why, applied_by, applied_at, error
FROM headrace.schema_changes
WHERE group_name = %(group)s AND (%(table)s::text IS NULL OR table_name = %(table)s)
  AND (NOT %(waiting)s OR {_WAITING})
ORDER BY id DESC LIMIT %(most)s
"""
_APPROVE = """
UPDATE headrace.schema_changes
SET state = 'approved', decided_by = %s, decided_at = clock_timestamp(), decided_why = %s
WHERE group_name = %s AND id = ANY (%s) AND state = 'planned' RETURNING id, topic
"""
_COLUMNS = "SELECT column_name, schema_id FROM headrace.source_columns WHERE group_name = %s AND table_name = %s"
# what is there already is not written again
_KNOWN = """
INSERT INTO headrace.source_columns AS k (group_name, table_name, column_name, schema_id)
SELECT %(group)s, %(table)s, w.name, %(schema)s FROM unnest(%(names)s::text[]) AS w(name)
WHERE NOT EXISTS (
    SELECT FROM headrace.source_columns o
    WHERE (o.group_name, o.table_name, o.column_name) = (%(group)s, %(table)s, w.name) AND o.schema_id >= %(schema)s
)
ORDER BY w.name
ON CONFLICT (group_name, table_name, column_name) DO UPDATE
SET schema_id = greatest(k.schema_id, excluded.schema_id)
"""
_FOLLOWED = f"WITH known AS ({_KNOWN}) {_SUPERSEDE}"


def source_columns(connection: psycopg.Connection, group: str, table: TableName) -> dict[str, int]:
    """The columns that the source has had, each with the newest schema that spoke of it."""
    with translated("read columns", table):
        return dict(connection.execute(_COLUMNS, (group, str(table))).fetchall())


def followed(
    connection: psycopg.Connection, group: str, table: TableName, schema_id: int, columns: Sequence[str]
) -> None:
    """Note a schema's columns, and that the table fits them."""
    values = {"group": group, "table": str(table), "schema": schema_id, "names": list(columns), "steps": None}
    with translated("note columns", table):
        connection.execute(_FOLLOWED.encode(), values)


def propose(connection: psycopg.Connection, group: str, evolution: Evolution, state: State, why: Failure) -> State:
    """Note changes that are not made by themselves; returns what they are now."""
    values = _values(group, evolution) | _why(why) | {"state": state.value}
    with transaction(connection, "note schema change"):
        connection.execute(_SUPERSEDE.encode(), values)
        ((said,),) = connection.execute(_PROPOSE.encode(), values).fetchall()
    return State(said)


def applied(connection: psycopg.Connection, group: str, worker: str, evolution: Evolution) -> None:
    """Note that changes are made, inside the transaction that makes them."""
    values = _values(group, evolution)
    connection.execute(_APPLIED.encode(), values | {"worker": worker})
    if evolution.dropped:
        # the same schema drops a column once: if it is there again, a later one has it
        connection.execute(_KNOWN, values | {"names": sorted(evolution.dropped)})


def failed(connection: psycopg.Connection, group: str, evolution: Evolution, why: Failure) -> None:
    """Note that the target did not take changes."""
    error = {"kind": why.kind, "detail": why.detail, "remedy": why.remedy, "code": why.code}
    with translated("note schema change", evolution.table):
        connection.execute(_FAILED.encode(), _values(group, evolution) | _why(why) | {"error": Jsonb(error)})


def read(
    connection: psycopg.Connection, group: str, table: str | None, *, waiting: bool, most: int
) -> list[SchemaChange]:
    """Changes of a group's tables, newest first, at most so many."""
    values = {"group": group, "table": table, "waiting": waiting, "most": most}
    with translated("read schema changes"), connection.cursor(row_factory=class_row(SchemaChange)) as cursor:
        return cursor.execute(_READ.encode(), values).fetchall()


def approve(connection: psycopg.Connection, group: str, numbers: Sequence[int], note: Note) -> list[tuple[int, str]]:
    """Note that a person agrees to planned changes; returns those with their topics."""
    with translated("approve schema changes"):
        rows = connection.execute(_APPROVE, (note.actor, note.reason, group, list(numbers))).fetchall()
    return sorted((row[0], row[1]) for row in rows)


def _values(group: str, evolution: Evolution) -> dict[str, object]:
    steps = [
        {"change": step.change.value, "why": step.why, "sql": sql}
        for step, sql in zip(evolution.steps, evolution.sql, strict=True)
    ]
    return {
        "group": group,
        "table": str(evolution.table),
        "topic": evolution.topic,
        "schema": evolution.schema_id,
        "steps": Jsonb(steps),
    }


def _why(why: Failure) -> dict[str, object]:
    return {"kind": why.kind, "reason": why.detail, "remedy": why.remedy}
