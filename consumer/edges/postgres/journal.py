"""The ledger, the positions and the audit, read for people."""

import psycopg
from psycopg.rows import class_row

from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.session import OWNER_LIVES
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Batch, Born, Checkpoint, Deed, Page, Position

_COLUMNS = """
SELECT id, state, attempt, worker, records, ranges, tables, error, started_at, finished_at, durations, clocks, outcomes
FROM headrace.batches
"""
_LIST = """
WHERE group_name = %(group)s
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(since)s::timestamptz IS NULL OR started_at >= %(since)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
  AND (%(topic)s::text IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(ranges) AS r WHERE r ->> 0 = %(topic)s))
ORDER BY id DESC LIMIT %(most)s
"""
# lets the partial index be used
_TROUBLED = _LIST.replace("WHERE", "WHERE state <> 'applied' AND", 1)
_ONE = "WHERE group_name = %s AND id = %s"
_CHECKPOINTS = """
SELECT r ->> 0 AS topic, (r ->> 1)::int AS partition, (r ->> 2)::bigint AS start, (r ->> 3)::bigint AS "end",
    (r ->> 4)::bigint AS epoch, p.next_offset AS now
FROM headrace.batches b, jsonb_array_elements(b.ranges) WITH ORDINALITY AS w(r, place)
LEFT JOIN headrace.positions p
  ON p.group_name = %(group)s AND p.topic = w.r ->> 0 AND p.partition = (w.r ->> 1)::int
WHERE b.group_name = %(group)s AND b.id = %(id)s ORDER BY place
"""
# an offset is in one applied batch, so its letter was born there; open letters and closed ones have an index each
_OF_RANGE = """
(
    SELECT l.id, l.state, l.kind, l.topic, l.partition, l."offset", l.table_name AS "table" FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.topic = r ->> 0 AND l.partition = (r ->> 1)::int
      AND l."offset" >= (r ->> 2)::bigint AND l."offset" < (r ->> 3)::bigint AND l.state {among} ({open})
    ORDER BY l."offset" LIMIT %(most)s
)"""
_OF_RANGE_BY_STATE = " UNION ALL ".join(_OF_RANGE.format(among=each, open=OPEN_STATES) for each in ("IN", "NOT IN"))
_LETTERS = f"""
SELECT l.id, l.state, l.kind, l.topic, l.partition, l."offset", l."table"
FROM headrace.batches b, jsonb_array_elements(b.ranges) WITH ORDINALITY AS w(r, place),
    LATERAL ({_OF_RANGE_BY_STATE}) AS l
WHERE b.group_name = %(group)s AND b.id = %(id)s ORDER BY w.place, l."offset", l.id LIMIT %(most)s
"""
_POSITIONS = f"""
SELECT p.topic, p.partition, p.next_offset, p.epoch, p.owner, p.stopped, p.wait_for, p.updated_at, p.again_at,
    {OWNER_LIVES} AS owner_lives
FROM headrace.positions p
WHERE p.group_name = %(group)s
  AND (%(topic)s::text IS NULL OR p.topic = %(topic)s)
  AND (NOT %(stopped)s OR p.stopped IS NOT NULL)
ORDER BY p.topic, p.partition LIMIT %(most)s
"""

_DEEDS = """
SELECT id, happened_at, actor, action, topic, partition, letters, reason, details FROM headrace.audit
WHERE group_name = %(group)s
  AND (%(actor)s::text IS NULL OR actor = %(actor)s) AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(most)s
"""


def batches(connection: psycopg.Connection, group: str, page: Page) -> list[Batch]:
    """Batches of a group."""
    values = {
        "group": group,
        "state": page.state,
        "topic": page.topic,
        "since": page.since,
        "before": page.before,
        "most": page.most,
    }
    query = _COLUMNS + (_TROUBLED if page.state not in (None, "applied") else _LIST)
    with translated("read ledger"), connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(query.encode(), values).fetchall()


def batch(connection: psycopg.Connection, group: str, number: int) -> Batch | None:
    """One batch."""
    with translated("read ledger"), connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute((_COLUMNS + _ONE).encode(), (group, number)).fetchone()


def checkpoints(connection: psycopg.Connection, group: str, number: int) -> list[Checkpoint]:
    """A batch's partitions in its order."""
    with translated("read ledger"), connection.cursor(row_factory=class_row(Checkpoint)) as cursor:
        return cursor.execute(_CHECKPOINTS, {"group": group, "id": number}).fetchall()


def letters_of(connection: psycopg.Connection, group: str, number: int, most: int) -> list[Born]:
    """The letters of a batch's records in its order, at most so many, whatever became of them."""
    with translated("read letters"), connection.cursor(row_factory=class_row(Born)) as cursor:
        return cursor.execute(_LETTERS.encode(), {"group": group, "id": number, "most": most}).fetchall()


def positions(
    connection: psycopg.Connection, group: str, topic: str | None, *, stopped: bool, most: int
) -> list[Position]:
    """Positions of a group in order, at most so many."""
    values = {"group": group, "topic": topic, "stopped": stopped, "most": most}
    with translated("read positions"), connection.cursor(row_factory=class_row(Position)) as cursor:
        return cursor.execute(_POSITIONS, values).fetchall()


def deeds(
    connection: psycopg.Connection, group: str, who: tuple[str | None, str | None], *, before: int | None, most: int
) -> list[Deed]:
    """What people did, newest first; `who`: only this actor's, only this action."""
    values = {"group": group, "actor": who[0], "action": who[1], "before": before, "most": most}
    with translated("read audit"), connection.cursor(row_factory=class_row(Deed)) as cursor:
        return cursor.execute(_DEEDS.encode(), values).fetchall()
