"""Open letters of a group: read as they stand, brought further, each behind the older ones of its row.

Letters are locked in the order of digest and origin.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.kinds import KINDS
from consumer.core.letters import OLDER, OPEN, OPEN_STATES, Record, Standing, State, Verdict
from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.postgres.letter_bytes import kept_headers
from consumer.edges.postgres.pauses import paused_by

_OPEN = sql.SQL(OPEN_STATES)
_BEFORE = sql.SQL(OLDER.format(old="o", new="l"))
_BEHIND = sql.SQL(OLDER.format(old="l", new="n"))

_CLOSE = """
UPDATE headrace.letters SET state = %s, closed_at = clock_timestamp(), due_at = NULL, reason = %s WHERE id = ANY (%s)
"""

# Whoever is about to close one of them is waited for, so that what the next statement sees stays so.
_LOCK = sql.SQL("""
SELECT o.id FROM headrace.letters l
JOIN headrace.letters o ON o.group_name = l.group_name AND o.table_name = l.table_name
    AND o.digest_a = l.digest_a AND o.digest_b = l.digest_b
WHERE l.id = ANY (%(ids)s) AND (o.id = l.id OR {before}) AND o.state IN ({open})
ORDER BY o.digest_a, o.digest_b, o."offset" FOR UPDATE OF o
""").format(open=_OPEN, before=_BEFORE)

_UNFOLLOWED = sql.SQL("""
SELECT l.topic, l.partition, l."offset" FROM headrace.letters l
WHERE l.id = ANY (%(ids)s) AND NOT EXISTS (
    SELECT FROM headrace.letters o
    WHERE o.group_name = l.group_name AND o.table_name = l.table_name
      AND o.digest_a = l.digest_a AND o.digest_b = l.digest_b AND o.id <> l.id AND {before} AND o.state IN ({open})
)
""").format(open=_OPEN, before=_BEFORE)


_STANDING = """
SELECT l.id, l.topic, l.partition, l."offset", l.state, l.attempt, l.excused,
    l.digest_a IS NOT NULL AS placed,
    coalesce(l.searched < l.search_until, false) AS searching,
    coalesce(extract(epoch FROM l.due_at - clock_timestamp()), 0)::float8 AS due,
    extract(epoch FROM clock_timestamp() - l.first_failed_at)::float8 AS age,
    NOT EXISTS (
        SELECT FROM headrace.letters o
        WHERE o.group_name = l.group_name AND o.table_name = l.table_name AND o.digest_a = l.digest_a
          AND o.digest_b = l.digest_b AND o.id <> l.id AND {before} AND o.state IN ({open})
    ) AS oldest,
    l.imported, CASE WHEN l.imported IS NOT NULL THEN b.value END AS imported_value,
    b.letter_id IS NULL AS pointer, b.key, coalesce(b.edited, b.value) AS value, b.headers,
    (SELECT p.topic_id FROM headrace.positions p
     WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition) AS topic_id,
    (SELECT to_jsonb(s) FROM headrace.pauses_of(l.group_name, l.topic, l.partition) AS s LIMIT 1) AS paused
"""
_READ = sql.SQL(
    _STANDING
    + """
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE l.group_name = %s AND l.topic = %s AND l.partition = %s AND l."offset" = %s AND l.state IN ({open})
"""
).format(open=_OPEN, before=_BEFORE)
# of its own partition: only there offsets tell the order
_FOLLOWERS = sql.SQL(
    _STANDING
    + """
FROM headrace.letters f
JOIN headrace.letters l ON l.group_name = f.group_name AND l.table_name = f.table_name
    AND l.digest_a = f.digest_a AND l.digest_b = f.digest_b
LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE f.id = %s AND l.topic = f.topic AND l.partition = f.partition AND l."offset" > f."offset" AND l.state IN ({open})
ORDER BY l."offset" LIMIT %s
"""
).format(open=_OPEN, before=_BEFORE)

_THERE = "attempt = %(attempt)s AND state IN ('retrying', 'replaying')"
_SETTLE = f"""
UPDATE headrace.letters SET state = %(state)s, reason = %(reason)s, claimed_until = NULL,
    closed_at = CASE WHEN %(closed)s THEN clock_timestamp() END,
    due_at = CASE WHEN %(state)s = 'retrying' THEN clock_timestamp() + make_interval(secs => %(delay)s) END
WHERE id = %(id)s AND {_THERE}
"""
# of an attempt that was none
_EXCUSE = f"UPDATE headrace.letters SET attempt = attempt + 1, excused = excused + 1 WHERE id = %(id)s AND {_THERE}"
# what it failed with before is kept: once for each way
_FAIL = f"""
WITH before AS (
    INSERT INTO headrace.letter_failures AS f (letter_id, kind, code, field, detail, first_at, last_at)
    SELECT id, kind, code, field, detail, failed_at, failed_at FROM headrace.letters WHERE id = %(id)s AND {_THERE}
    ON CONFLICT (letter_id, kind, code, field) DO UPDATE
    SET detail = excluded.detail, times = f.times + 1, last_at = excluded.last_at
)
UPDATE headrace.letters SET attempt = attempt + 1, excused = excused + %(excused)s::int,
    failed_at = clock_timestamp(), kind = %(kind)s, error_type = %(type)s, component = %(component)s,
    operation = %(operation)s, detail = %(detail)s, remedy = %(remedy)s, code = %(code)s, field = %(field)s
WHERE id = %(id)s AND {_THERE}
"""
_SAID = ("kind", "component", "operation", "detail", "remedy", "code", "field")
_NEXT = sql.SQL("""
SELECT n.id FROM headrace.letters l
JOIN headrace.letters n ON n.group_name = l.group_name AND n.table_name = l.table_name
    AND n.digest_a = l.digest_a AND n.digest_b = l.digest_b
WHERE l.id = %s AND n.id <> l.id AND {behind} AND n.state IN ({open})
ORDER BY (n.topic, n.partition) = (l.topic, l.partition) DESC, n."offset" LIMIT 1 FOR UPDATE OF n
""").format(open=_OPEN, behind=_BEHIND)
# if it waits: it comes back through the lane like any other
_RELEASE = """
UPDATE headrace.letters SET state = 'retrying', due_at = clock_timestamp(), published_attempt = attempt - 1
WHERE id = %s AND state = 'held'
"""


def read(connection: psycopg.Connection, group: str, origin: RecordRef) -> Standing | None:
    """The open letter of a record."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row = cursor.execute(_READ, (group, *origin.at, origin.offset)).fetchone()
    return None if row is None else _standing(row)


def followers(connection: psycopg.Connection, number: int, most: int) -> list[Standing]:
    """The letters that wait for this one and for no other, in their order, as far as their bytes are here."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows = cursor.execute(_FOLLOWERS, (number, most)).fetchall()
    return list(takewhile(lambda one: one.state is State.HELD and not one.pointer, map(_standing, rows)))


def _standing(row: Any) -> Standing:
    ref = RecordRef(TopicPartition(row.topic, row.partition), row.offset)
    record = Record(ref=ref, key=row.key, value=row.value, headers=kept_headers(row.headers))
    return Standing(
        id=row.id,
        state=State(row.state),
        attempt=row.attempt,
        excused=row.excused,
        due=row.due,
        age=row.age,
        oldest=row.oldest,
        placed=row.placed,
        record=record,
        pointer=row.pointer,
        searching=row.searching,
        topic_id=row.topic_id,
        paused=row.paused and paused_by(row.paused),
        imported=replace(record, value=row.imported_value) if row.imported else None,
    )


def settle(connection: psycopg.Connection, verdict: Verdict) -> bool:
    """Bring a letter further, and with one that is closed the next of its row.

    False when it is not as it was, and when an older one of its row stands in front of what is to be applied: one
    whose row became known meanwhile.
    """
    counts = verdict.failure is not None or verdict.excused
    values = {
        "id": verdict.id,
        "attempt": verdict.attempt + counts,
        "state": verdict.state.value,
        "closed": verdict.state not in OPEN,
        "reason": verdict.reason,
        "delay": verdict.delay,
    }
    if verdict.state in (State.HELD, State.APPLIED):
        _lock(connection, [verdict.id])
    # first, so that whoever is told of the state finds the reason there
    if counts and not _counted(connection, verdict):
        return False
    if not connection.execute(_SETTLE, values).rowcount:
        return False
    if verdict.state is State.HELD:
        return not _unfollowed(connection, [verdict.id])
    if verdict.state is State.APPLIED and not _unfollowed(connection, [verdict.id]):
        return False
    if verdict.state not in OPEN:
        release_next(connection, verdict.id)
    return True


def _counted(connection: psycopg.Connection, verdict: Verdict) -> bool:
    """Count one more attempt, and why it failed; False when the letter is not as it was."""
    values = {"id": verdict.id, "attempt": verdict.attempt, "excused": verdict.excused}
    if verdict.failure is None:
        return connection.execute(_EXCUSE, values).rowcount > 0
    said = {name: getattr(verdict.failure, name) for name in _SAID}
    return connection.execute(_FAIL, {**values, **said, "type": KINDS[verdict.failure.kind].type.value}).rowcount > 0


def release_next(connection: psycopg.Connection, number: int) -> None:
    """Have the next letter of the row come back, if it waits."""
    if row := connection.execute(_NEXT, (number,)).fetchone():
        connection.execute(_RELEASE, (row[0],))


def supersede(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Close letters that are locked, whose rows are written as a whole now."""
    if ids:
        connection.execute(_CLOSE, (State.SUPERSEDED, "a later change of the row was applied", list(ids)))


def close_applied(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Close letters that are locked, whose records were read again and are written now; the next ones come back."""
    if ids:
        connection.execute(_CLOSE, (State.APPLIED, "its record was read again", list(ids)))
    for number in ids:
        release_next(connection, number)


def alone(connection: psycopg.Connection, ids: Sequence[int]) -> list[RecordRef]:
    """Those of the letters that have no older open one in front of them, and won't get one."""
    if not ids:
        return []
    _lock(connection, ids)
    return _unfollowed(connection, ids)


def _lock(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Lock letters with the older ones of their rows."""
    connection.execute(_LOCK, {"ids": list(ids)})


def _unfollowed(connection: psycopg.Connection, ids: Sequence[int]) -> list[RecordRef]:
    """Those that have no older open letter in front of them."""
    rows = connection.execute(_UNFOLLOWED, {"ids": list(ids)}).fetchall()
    return [RecordRef(TopicPartition(row[0], row[1]), row[2]) for row in rows]
