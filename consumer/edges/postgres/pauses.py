"""What people have paused: read with what it holds, written with what it takes.

Whoever pauses something writes that down first, then raises the epochs of its partitions, in one transaction. So a
batch in flight ends in front of it or not at all, and whoever takes a partition from then on sees the pause.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from consumer.core.pausing import Paused, Subject
from consumer.core.records import TopicPartition
from consumer.edges.postgres import audit
from consumer.edges.postgres.notify import tell
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.control import Switched
from consumer.ports.desk import Note

_PAUSES = """
SELECT w.topic, w.partition, to_jsonb(s)
FROM unnest(%s::text[], %s::int[]) AS w(topic, partition)
CROSS JOIN LATERAL (SELECT * FROM headrace.pauses_of(%s, w.topic, w.partition) LIMIT 1) AS s
"""

_ALL = "SELECT to_jsonb(s) FROM headrace.table_states AS s WHERE group_name = %s ORDER BY id"
_HELD = """
SELECT p.topic, p.partition FROM headrace.positions p
WHERE p.group_name = %(group)s AND (
    p.topic = %(topic)s AND p.partition = coalesce(%(partition)s, p.partition)
    OR p.topic IN (
        SELECT t.topic FROM headrace.target_tables t WHERE t.group_name = %(group)s AND t.table_name = %(table)s
    )
)
ORDER BY p.topic, p.partition
"""
_OF = """
SELECT to_jsonb(s) FROM headrace.table_states AS s
WHERE group_name = %(group)s
  AND (table_name, topic, partition) IS NOT DISTINCT FROM (%(table)s, %(topic)s, %(partition)s)
"""
_PAUSE = """
INSERT INTO headrace.table_states (group_name, table_name, topic, partition, actor, reason)
VALUES (%(group)s, %(table)s, %(topic)s, %(partition)s, %(actor)s, %(reason)s) ON CONFLICT DO NOTHING
"""
_RESUME = """
DELETE FROM headrace.table_states AS s
WHERE group_name = %(group)s
  AND (table_name, topic, partition) IS NOT DISTINCT FROM (%(table)s, %(topic)s, %(partition)s)
RETURNING to_jsonb(s)
"""
# as by a taking: what was read under the old epoch is not applied any more
_FENCE = """
UPDATE headrace.positions p SET epoch = p.epoch + 1, again_at = clock_timestamp(), updated_at = clock_timestamp()
FROM unnest(%s::text[], %s::int[]) AS w(topic, partition)
WHERE p.group_name = %s AND p.topic = w.topic AND p.partition = w.partition
"""
_WAKE = """
UPDATE headrace.positions p SET again_at = clock_timestamp(), stopped = NULL, updated_at = clock_timestamp()
FROM unnest(%s::text[], %s::int[]) AS w(topic, partition)
WHERE p.group_name = %s AND p.topic = w.topic AND p.partition = w.partition
"""


def paused(
    connection: psycopg.Connection, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, Paused]:
    """Those of the partitions that are paused, each with the oldest pause that holds it."""
    with translated("look for pauses"):
        rows = connection.execute(_PAUSES, (*_columns(partitions), group)).fetchall()
    return {TopicPartition(row[0], row[1]): paused_by(row[2]) for row in rows}


def paused_by(row: Mapping[str, Any]) -> Paused:
    """A row of `table_states`, as JSON."""
    return Paused(
        of=Subject(table=row["table_name"], topic=row["topic"], partition=row["partition"]),
        actor=row["actor"],
        reason=row["reason"],
        since=datetime.fromisoformat(row["since"]),
    )


def everything(connection: psycopg.Connection, group: str) -> list[Paused]:
    """All pauses of a group, oldest first."""
    with translated("look for pauses"):
        return [paused_by(row[0]) for row in connection.execute(_ALL, (group,))]


def held_by(
    connection: psycopg.Connection, group: str, subject: Subject, *, lock: bool = False
) -> list[TopicPartition]:
    """The partitions that a pause of it holds. `lock`: they stay as they are within the transaction."""
    query = _HELD + ("FOR UPDATE OF p" if lock else "")
    with translated("look for partitions"):
        rows = connection.execute(query.encode(), _values(group, subject)).fetchall()
    return [TopicPartition(*row) for row in rows]


def pause(connection: psycopg.Connection, group: str, subject: Subject, note: Note) -> Switched:
    """Pause something, if it is not."""
    with transaction(connection, "pause"):
        return hold(connection, group, subject, note)


def hold(connection: psycopg.Connection, group: str, subject: Subject, note: Note) -> Switched:
    """The same within a transaction that is open. Raises psycopg.Error."""
    values = _values(group, subject) | {"actor": note.actor, "reason": note.reason}
    new = connection.execute(_PAUSE, values).rowcount > 0
    partitions = held_by(connection, group, subject, lock=True)
    ((row,),) = connection.execute(_OF, values).fetchall()
    if new:
        connection.execute(_FENCE, (*_columns(partitions), group))
        _note(connection, values, "pause", partitions)
    return Switched(pause=paused_by(row), partitions=partitions, changed=new)


def resume(connection: psycopg.Connection, group: str, subject: Subject, note: Note) -> Switched | None:
    """End a pause of exactly this."""
    with transaction(connection, "resume"):
        return release(connection, group, subject, note)


def release(connection: psycopg.Connection, group: str, subject: Subject, note: Note) -> Switched | None:
    """The same within a transaction that is open. Raises psycopg.Error."""
    values = _values(group, subject) | {"actor": note.actor, "reason": note.reason}
    row = connection.execute(_RESUME, values).fetchone()
    if row is None:
        return None
    partitions = held_by(connection, group, subject, lock=True)
    connection.execute(_WAKE, (*_columns(partitions), group))
    _note(connection, values, "resume", partitions)
    return Switched(pause=paused_by(row[0]), partitions=partitions, changed=True)


def _note(
    connection: psycopg.Connection, values: Mapping[str, Any], action: str, partitions: Sequence[TopicPartition]
) -> None:
    details = {"table": values["table"], "partitions": [list(at) for at in partitions]}
    note, where = Note(values["actor"], values["reason"]), (values["topic"], values["partition"])
    audit.write(connection, values["group"], action, details, note, audit.About(*where))
    tell(connection, values["group"])


def _values(group: str, subject: Subject) -> dict[str, Any]:
    return {"group": group, "table": subject.table, "topic": subject.topic, "partition": subject.partition}


def _columns(partitions: Sequence[TopicPartition]) -> tuple[list[str], list[int]]:
    return [at.topic for at in partitions], [at.partition for at in partitions]
