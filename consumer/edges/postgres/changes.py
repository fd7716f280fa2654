"""What is remembered of changes of target tables: `headrace.schema_changes`, a row for each step."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from consumer.core.binding import Evolution
from consumer.core.failure import Failure
from consumer.core.steps import AddLabel, Step
from consumer.core.target import TableName
from consumer.edges.postgres import source_columns
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note, SchemaChange
from consumer.ports.evolution import Followed, State

_WAITING = "state IN ('planned', 'approved', 'refused')"
_STEPS = """
unnest(%(changes)s::text[], %(statements)s::text[], %(whys)s::text[], %(goals)s::text[])
    WITH ORDINALITY AS n(change, statement, why, goal, place)
"""
# another plan for the same schema does without them. What a person approved stays so; and labels come with rows, of
# which another worker may have others
_OTHERWISE = """
UPDATE headrace.schema_changes SET state = 'superseded'
WHERE group_name = %(group)s AND table_name = %(table)s AND schema_id = %(schema)s
  AND state IN ('planned', 'refused') AND change <> 'label' AND goal <> ALL (%(goals)s)
"""
_PROPOSE = f"""
INSERT INTO headrace.schema_changes AS c
    (group_name, table_name, topic, schema_id, change, statement, why, goal, state, kind, reason, remedy)
SELECT %(group)s, %(table)s, %(topic)s, %(schema)s, n.change, n.statement, n.why, n.goal, %(state)s, %(kind)s,
    %(reason)s, %(remedy)s
FROM {_STEPS} ORDER BY n.place
ON CONFLICT (group_name, table_name, md5(goal)) WHERE {_WAITING} DO UPDATE
SET state = CASE WHEN c.state = 'approved' AND excluded.state = 'planned' THEN c.state ELSE excluded.state END,
    statement = excluded.statement, kind = excluded.kind, reason = excluded.reason, remedy = excluded.remedy,
    schema_id = excluded.schema_id
RETURNING state
"""
_FITS = f"""
UPDATE headrace.schema_changes SET state = 'superseded'
WHERE group_name = %(group)s AND table_name = %(table)s AND {_WAITING}
  AND (change <> 'label' AND schema_id = %(schema)s OR change = 'label' AND goal = ANY (%(goals)s))
"""
_APPLIED = f"""
WITH waiting AS (
    UPDATE headrace.schema_changes AS c
    SET state = 'applied', applied_by = %(worker)s, applied_at = clock_timestamp(), error = NULL
    WHERE group_name = %(group)s AND table_name = %(table)s AND goal = ANY (%(goals)s) AND {_WAITING}
    RETURNING c.goal
)
INSERT INTO headrace.schema_changes
    (group_name, table_name, topic, schema_id, change, statement, why, goal, state, applied_by, applied_at)
SELECT %(group)s, %(table)s, %(topic)s, %(schema)s, n.change, n.statement, n.why, n.goal, 'applied', %(worker)s,
    clock_timestamp()
FROM {_STEPS} WHERE n.goal NOT IN (SELECT goal FROM waiting) ORDER BY n.place
"""
# what took too long waits for a person, also where one has agreed to the last try
_FAILED = f"""
INSERT INTO headrace.schema_changes AS c
    (group_name, table_name, topic, schema_id, change, statement, why, goal, state, kind, reason, remedy, error, slow)
SELECT %(group)s, %(table)s, %(topic)s, %(schema)s, n.change, n.statement, n.why, n.goal,
    CASE WHEN %(slow)s THEN 'planned' ELSE 'refused' END, %(kind)s, %(reason)s, %(remedy)s, %(error)s, %(slow)s
FROM {_STEPS} ORDER BY n.place
ON CONFLICT (group_name, table_name, md5(goal)) WHERE {_WAITING} DO UPDATE
SET error = excluded.error, kind = excluded.kind, reason = excluded.reason, remedy = excluded.remedy,
    state = CASE WHEN excluded.slow THEN excluded.state ELSE c.state END, slow = c.slow OR excluded.slow
"""
_SLOW = f"""
SELECT statement FROM headrace.schema_changes WHERE group_name = %s AND table_name = %s AND slow AND {_WAITING}
"""
# what waits is shown in the order in which it is to be made
_READ = f"""
SELECT id, table_name AS "table", topic, schema_id, change, statement, why, state, kind, reason, remedy, planned_at,
    decided_by, decided_at, decided_why, applied_by, applied_at, error
FROM headrace.schema_changes
WHERE group_name = %(group)s AND (%(table)s::text IS NULL OR table_name = %(table)s)
  AND (NOT %(waiting)s OR {_WAITING})
ORDER BY CASE WHEN %(waiting)s THEN id END, id DESC LIMIT %(most)s
"""
_APPROVE = """
UPDATE headrace.schema_changes
SET state = 'approved', decided_by = %s, decided_at = clock_timestamp(), decided_why = %s
WHERE group_name = %s AND id = ANY (%s) AND state = 'planned' RETURNING id, topic
"""
_PRUNE = """
DELETE FROM headrace.schema_changes WHERE id IN (
    SELECT id FROM headrace.schema_changes
    WHERE group_name = %s AND state IN ('applied', 'superseded')
      AND coalesce(applied_at, decided_at, planned_at) < now() - make_interval(secs => %s)
    ORDER BY id LIMIT %s
)
"""


def followed(connection: psycopg.Connection, group: str, table: TableName, fits: Followed) -> None:
    """Note that a table fits a schema, and the schema's columns."""
    labels = [_label(name, label) for name, there in fits.labels.items() for label in there]
    values = {"group": group, "table": str(table), "schema": fits.schema_id, "goals": labels}
    # in one journey
    with translated("note columns", table), connection.pipeline():
        source_columns.note(connection, group, table, fits)
        connection.execute(_FITS.encode(), values)


def propose(connection: psycopg.Connection, group: str, evolution: Evolution, state: State, why: Failure) -> State:
    """Note changes that are not made by themselves; returns APPROVED where a person has agreed to all of them."""
    values = _values(group, evolution) | _why(why) | {"state": state.value}
    with transaction(connection, "note schema change"):
        connection.execute(_OTHERWISE, values)
        said = {State(row[0]) for row in connection.execute(_PROPOSE.encode(), values).fetchall()}
    return State.APPROVED if said == {State.APPROVED} else state


def applied(connection: psycopg.Connection, group: str, worker: str, evolution: Evolution) -> None:
    """Note that changes are made, inside the transaction that makes them."""
    connection.execute(_APPLIED.encode(), _values(group, evolution) | {"worker": worker})
    source_columns.moved(connection, group, evolution)


def failed(connection: psycopg.Connection, group: str, evolution: Evolution, why: Failure, *, slow: bool) -> None:
    """Note that the target did not take changes, or not in time."""
    error = {"kind": why.kind, "detail": why.detail, "remedy": why.remedy, "code": why.code}
    with translated("note schema change", evolution.table):
        connection.execute(
            _FAILED.encode(), _values(group, evolution) | _why(why) | {"error": Jsonb(error), "slow": slow}
        )


def slow(connection: psycopg.Connection, group: str, table: TableName) -> set[str]:
    """The statements of a table's changes that wait and were not made in time when they were tried."""
    with translated("read schema changes"):
        return {row[0] for row in connection.execute(_SLOW.encode(), (group, str(table))).fetchall()}


def read(
    connection: psycopg.Connection, group: str, table: str | None, *, waiting: bool, most: int
) -> list[SchemaChange]:
    """Changes of a group's tables, at most so many: newest first, those that wait in their order."""
    values = {"group": group, "table": table, "waiting": waiting, "most": most}
    with translated("read schema changes"), connection.cursor(row_factory=class_row(SchemaChange)) as cursor:
        return cursor.execute(_READ.encode(), values).fetchall()


def approve(connection: psycopg.Connection, group: str, numbers: Sequence[int], note: Note) -> list[tuple[int, str]]:
    """Note that a person agrees to planned changes; returns those with their topics."""
    with translated("approve schema changes"):
        rows = connection.execute(_APPROVE, (note.actor, note.reason, group, list(numbers))).fetchall()
    return sorted((row[0], row[1]) for row in rows)


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> int:
    """Delete changes that came to their end longer ago, at most so many of them; returns how many."""
    return connection.execute(_PRUNE, (group, keep_hours * 3600, most)).rowcount


def _values(group: str, evolution: Evolution) -> dict[str, object]:
    steps = evolution.steps
    return {
        "group": group,
        "table": str(evolution.table),
        "topic": evolution.topic,
        "schema": evolution.schema_id,
        "changes": [step.change.value for step in steps],
        "statements": list(evolution.sql),
        "whys": [step.why for step in steps],
        "goals": [_goal(step, sql) for step, sql in zip(steps, evolution.sql, strict=True)],
    }


def _goal(step: Step, statement: str) -> str:
    """A person agrees to a statement; of a label to that, since its place depends on those that are there by then."""
    return _label(step.column, step.label) if isinstance(step, AddLabel) else statement


def _label(column: str, label: str) -> str:
    return f"{column}: {label}"


def _why(why: Failure) -> dict[str, object]:
    return {"kind": why.kind, "reason": why.detail, "remedy": why.remedy}
