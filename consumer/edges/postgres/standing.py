"""Open letters of a group: read as they stand, brought further, each behind the older ones of its row.

Letters are locked in the order of digest and origin; those of no row first, as a batch does that reads them again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.kinds import KINDS
from consumer.core.letters import BEHIND, KEEPING, OPEN, Standing, State, Verdict
from consumer.core.pausing import Paused
from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.postgres.letter_bytes import SIZE
from consumer.edges.postgres.open_letters import OLDER, OPEN_STATES
from consumer.edges.postgres.pauses import paused

_OPEN = sql.SQL(OPEN_STATES)
_BEFORE = sql.SQL(OLDER.format(old="o", new="l"))

_CLOSE = """
UPDATE headrace.letters SET state = %s, closed_at = clock_timestamp(), due_at = NULL, reason = %s WHERE id = ANY (%s)
"""

# once each, however many of the letters are of one
_ROWS = sql.SQL("""(
        SELECT DISTINCT group_name, table_name, digest_a, digest_b FROM headrace.letters
        WHERE id = ANY (%(ids)s) AND digest_a IS NOT NULL
    )""")

# Whoever is about to close one of them is waited for, so that what the next statement sees stays so. All of their rows
# are locked, in order: what is closed sets the next one of its row free.
_LOCK = sql.SQL("""
SELECT FROM headrace.letters WHERE id = ANY (ARRAY(
    SELECT l.id FROM headrace.letters l WHERE l.id = ANY (%(ids)s) AND l.digest_a IS NULL
    UNION
    SELECT n.id FROM {rows} AS r
    CROSS JOIN LATERAL (
        SELECT l.id FROM headrace.letters l
        WHERE l.group_name = r.group_name AND l.table_name = r.table_name AND l.digest_a = r.digest_a
          AND l.digest_b = r.digest_b AND l.state IN ({open})
        -- each row is looked for in the index, whatever the statistics say
        OFFSET 0
    ) AS n
)) ORDER BY digest_a NULLS FIRST, digest_b, "offset" FOR UPDATE
""").format(open=_OPEN, rows=_ROWS)

_UNFOLLOWED = sql.SQL("""
SELECT l.topic, l.partition, l."offset" FROM headrace.letters l
WHERE l.id = ANY (%(ids)s) AND NOT EXISTS (
    SELECT FROM headrace.letters o
    WHERE o.group_name = l.group_name AND o.table_name = l.table_name
      AND o.digest_a = l.digest_a AND o.digest_b = l.digest_b AND o.id <> l.id AND {before} AND o.state IN ({open})
      AND o.id <> ALL (%(closing)s)
    OFFSET 0
)
""").format(open=_OPEN, before=_BEFORE)

_READ = sql.SQL("""
WITH came AS MATERIALIZED (
    SELECT l.*
    FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[]) AS w(topic, partition, "offset")
    CROSS JOIN LATERAL (
        SELECT l.id, l.table_name, l.digest_a, l.digest_b FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.topic = w.topic AND l.partition = w.partition AND l."offset" = w."offset"
          AND l.state IN ({open})
        OFFSET 0
    ) AS l
), every AS MATERIALIZED (
    SELECT id FROM came
    UNION
    SELECT o.id FROM (
        SELECT DISTINCT table_name, digest_a, digest_b FROM came WHERE digest_a IS NOT NULL
    ) AS r
    CROSS JOIN LATERAL (
        SELECT l.id FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.table_name = r.table_name AND l.digest_a = r.digest_a
          AND l.digest_b = r.digest_b AND l.state IN ({open})
        OFFSET 0
    ) AS o
)
SELECT l.id, l.topic, l.partition, l."offset", l.state, l.kind, l.attempt, l.excused,
    l.table_name, l.digest_a, l.digest_b,
    coalesce(l.searched < l.search_until, false) AS searching,
    coalesce(extract(epoch FROM l.due_at - clock_timestamp()), 0)::float8 AS due,
    b.letter_id IS NULL AS pointer, {size} AS size,
    l.imported IS NOT NULL AS imported, (l.kind, l.operation) = ({behind}, {keeping}) AS keeps,
    CASE WHEN b.letter_id IS NULL OR l.imported IS NOT NULL THEN (
        SELECT p.topic_id FROM headrace.positions p
        WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition
    ) END AS topic_id
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE l.id = ANY (ARRAY(SELECT id FROM every)) AND l.state IN ({open})
""").format(open=_OPEN, size=sql.SQL(SIZE), behind=BEHIND, keeping=KEEPING)

# what swaps lies side by side in a log
_UNIQUE_ONES = """
SELECT topic, partition, "offset" FROM headrace.letters
WHERE group_name = %s AND table_name = %s AND state IN ('retrying', 'replaying') AND kind = 'record.unique'
ORDER BY (topic, partition) <> (%s, %s), abs("offset" - %s) LIMIT %s
"""
_MOST_UNIQUE = 100

# What a letter failed with before is kept, once for each way. What waits is applied with the one in front of it only.
_SETTLE = sql.SQL("""
WITH w AS MATERIALIZED (
    SELECT l.id, v.state, v.reason, v.delay, v.counts, v.excused, v.kind, v.error_type, v.component, v.operation,
        v.detail, v.remedy, v.code, v.field
    FROM unnest(
        %(id)s::bigint[], %(attempt)s::int[], %(state)s::text[], %(reason)s::text[], %(delay)s::float8[],
        %(counts)s::int[], %(excused)s::int[], %(kind)s::text[], %(error_type)s::text[], %(component)s::text[],
        %(operation)s::text[], %(detail)s::text[], %(remedy)s::text[], %(code)s::text[], %(field)s::text[]
    ) AS v(
        id, attempt, state, reason, delay, counts, excused, kind, error_type, component, operation, detail, remedy,
        code, field
    )
    JOIN headrace.letters l ON l.id = v.id AND l.attempt = v.attempt AND (
        l.state IN ('retrying', 'replaying') OR l.state = 'held' AND v.state IN ('applied', 'superseded')
        OR l.state = 'dead' AND v.state = 'superseded'
    )
), before AS (
    INSERT INTO headrace.letter_failures AS f (letter_id, kind, code, field, detail, first_at, last_at)
    SELECT l.id, l.kind, l.code, l.field, l.detail, l.failed_at, l.failed_at
    FROM w JOIN headrace.letters l ON l.id = w.id WHERE w.kind IS NOT NULL
    ON CONFLICT (letter_id, kind, code, field) DO UPDATE
    SET detail = excluded.detail, times = f.times + 1, last_at = excluded.last_at
)
UPDATE headrace.letters l SET state = w.state, reason = w.reason, claimed_until = NULL,
    closed_at = CASE WHEN w.state NOT IN ({open}) THEN clock_timestamp() END,
    due_at = CASE WHEN w.state = 'retrying' THEN clock_timestamp() + make_interval(secs => w.delay) END,
    attempt = l.attempt + w.counts, excused = l.excused + w.excused,
    failed_at = CASE WHEN w.kind IS NULL THEN l.failed_at ELSE clock_timestamp() END,
    kind = coalesce(w.kind, l.kind), error_type = coalesce(w.error_type, l.error_type),
    component = coalesce(w.component, l.component), operation = coalesce(w.operation, l.operation),
    detail = coalesce(w.detail, l.detail), remedy = coalesce(w.remedy, l.remedy), code = coalesce(w.code, l.code),
    field = coalesce(w.field, l.field)
FROM w WHERE l.id = w.id
""").format(open=_OPEN)
_SAID = ("kind", "component", "operation", "detail", "remedy", "code", "field")
# the oldest other one of each row, if it waits: it comes back through the lane like any other
_RELEASE = sql.SQL("""
UPDATE headrace.letters SET state = 'retrying', due_at = clock_timestamp(), published_attempt = attempt - 1
WHERE state = 'held' AND id = ANY (ARRAY(
    SELECT o.id FROM {rows} AS r CROSS JOIN LATERAL (
        SELECT n.id FROM (
            SELECT n.id, n."offset", min(n.id) OVER (PARTITION BY n.topic, n.partition) AS first
            FROM headrace.letters n
            WHERE n.group_name = r.group_name AND n.table_name = r.table_name
              AND n.digest_a = r.digest_a AND n.digest_b = r.digest_b AND n.id <> ALL (%(ids)s) AND n.state IN ({open})
        ) AS n ORDER BY n.first, n."offset" LIMIT 1
    ) AS o
))
""").format(open=_OPEN, rows=_ROWS)
# a delete that waits to keep what its row has, and would for ever: nobody but a person brings further what is in front
_RELEASE_KEEPING = sql.SQL("""
UPDATE headrace.letters SET state = 'retrying', due_at = clock_timestamp(), published_attempt = attempt - 1
WHERE state = 'held' AND (kind, operation) = ({behind}, {keeping}) AND id = ANY (ARRAY(
    SELECT o.id FROM {rows} AS r CROSS JOIN LATERAL (
        SELECT n.id FROM (
            SELECT n.id, n.state, n."offset", min(n.id) OVER (PARTITION BY n.topic, n.partition) AS first
            FROM headrace.letters n
            WHERE n.group_name = r.group_name AND n.table_name = r.table_name
              AND n.digest_a = r.digest_a AND n.digest_b = r.digest_b AND n.state IN ({open})
        ) AS n WHERE n.state <> 'dead' ORDER BY n.first, n."offset" LIMIT 1
    ) AS o
))
""").format(open=_OPEN, rows=_ROWS, behind=BEHIND, keeping=KEEPING)


def read(connection: psycopg.Connection, group: str, origins: Collection[RecordRef]) -> list[Standing]:
    """The open letters of records, and all other open ones of their rows."""
    if not origins:
        return []
    wanted = {
        "group": group,
        "topics": [origin.at.topic for origin in origins],
        "partitions": [origin.at.partition for origin in origins],
        "offsets": [origin.offset for origin in origins],
    }
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(_READ, wanted).fetchall()
    held = paused(connection, group, sorted({TopicPartition(row.topic, row.partition) for row in rows})) if rows else {}
    return [_standing(row, held) for row in rows]


def unique_ones(connection: psycopg.Connection, group: str, letter: Standing) -> list[Standing]:
    """A letter, others of its table that a unique value keeps out, and all other open ones of their rows."""
    if letter.row is None:
        return []
    wanted = (group, letter.row[0], *letter.ref.at, letter.ref.offset, _MOST_UNIQUE)
    found = connection.execute(_UNIQUE_ONES, wanted).fetchall()
    others = [RecordRef(TopicPartition(topic, partition), offset) for topic, partition, offset in found]
    return read(connection, group, list(dict.fromkeys([letter.ref, *others])))


def _standing(row: Any, held: Mapping[TopicPartition, Paused]) -> Standing:
    at = TopicPartition(row.topic, row.partition)
    return Standing(
        id=row.id,
        ref=RecordRef(at, row.offset),
        state=State(row.state),
        kind=row.kind,
        attempt=row.attempt,
        excused=row.excused,
        due=row.due,
        row=None if row.digest_a is None else (row.table_name, row.digest_a, row.digest_b),
        size=row.size,
        pointer=row.pointer,
        searching=row.searching,
        topic_id=row.topic_id,
        paused=held.get(at),
        imported=row.imported,
        keeps=row.keeps,
    )


def settle(connection: psycopg.Connection, verdicts: Sequence[Verdict]) -> bool:
    """Bring letters further, and with those that are closed the next ones of their rows; with those that are dead by
    now a delete that waits behind them to keep something.

    False when one is not as it was, and when an older one of its row stands in front of what is to be applied: one
    whose row became known meanwhile.
    """
    held = [verdict for verdict in verdicts if verdict.state is State.HELD]
    rest = [verdict for verdict in verdicts if verdict.state is not State.HELD]
    if len(verdicts) > 1 or any(verdict.state in (State.HELD, State.APPLIED) for verdict in verdicts):
        connection.execute(_LOCK, {"ids": [verdict.id for verdict in verdicts]})
    # as long as what they wait for is open
    if held and (_settled(connection, held) < len(held) or _unfollowed(connection, _ids(held))):
        return False
    applied = [verdict for verdict in rest if verdict.state is State.APPLIED]
    closing = [verdict.id for verdict in rest if verdict.state not in OPEN]
    # as long as all are open: what is closed no longer says which partition is the older one
    if applied and len(_unfollowed(connection, _ids(applied), closing)) < len(applied):
        return False
    if rest and _settled(connection, rest) < len(rest):
        return False
    release_next(connection, closing)
    release_keeping(connection, [verdict.id for verdict in rest if verdict.state is State.DEAD])
    return True


def _ids(verdicts: Sequence[Verdict]) -> list[int]:
    return [verdict.id for verdict in verdicts]


def _settled(connection: psycopg.Connection, verdicts: Sequence[Verdict]) -> int:
    """Write verdicts; returns how many of the letters were as they had been."""
    failures = [verdict.failure for verdict in verdicts]
    columns: dict[str, list[object]] = {
        "id": [verdict.id for verdict in verdicts],
        "attempt": [verdict.attempt for verdict in verdicts],
        "state": [verdict.state.value for verdict in verdicts],
        "reason": [verdict.reason for verdict in verdicts],
        "delay": [verdict.delay for verdict in verdicts],
        "counts": [int(verdict.failure is not None or verdict.excused) for verdict in verdicts],
        "excused": [int(verdict.excused) for verdict in verdicts],
        "error_type": [failure and KINDS[failure.kind].type.value for failure in failures],
        **{name: [failure and getattr(failure, name) for failure in failures] for name in _SAID},
    }
    return connection.execute(_SETTLE, columns).rowcount


def release_next(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Have the next letter of each one's row come back, if it waits; none of themselves."""
    if ids:
        connection.execute(_RELEASE, {"ids": list(ids)})


def release_keeping(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Have a delete come back that waits to keep something, where nothing in front of it can be applied any more.

    Of the rows of letters that are dead or closed by now.
    """
    if ids:
        connection.execute(_RELEASE_KEEPING, {"ids": list(ids)})


def supersede(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Close letters that are locked, whose rows are written as a whole now."""
    if ids:
        connection.execute(_CLOSE, (State.SUPERSEDED, "a later change of the row was applied", list(ids)))


def close_applied(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Close letters that are locked, whose records were read again and are written now; the next ones come back."""
    if ids:
        connection.execute(_CLOSE, (State.APPLIED, "its record was read again", list(ids)))
    release_next(connection, ids)


def alone(connection: psycopg.Connection, ids: Sequence[int]) -> list[RecordRef]:
    """Those of the letters that have no older open one in front of them, and won't get one."""
    if not ids:
        return []
    connection.execute(_LOCK, {"ids": list(ids)})
    return _unfollowed(connection, ids)


def _unfollowed(connection: psycopg.Connection, ids: Sequence[int], closing: Sequence[int] = ()) -> list[RecordRef]:
    """Those that have no older open letter in front of them, but for such as are about to be closed with them."""
    rows = connection.execute(_UNFOLLOWED, {"ids": list(ids), "closing": list(closing)}).fetchall()
    return [RecordRef(TopicPartition(row[0], row[1]), row[2]) for row in rows]
