"""What a group has not applied, or may not have, of what it has passed: a search for later changes asks for that.

Triggers of the control schema write what a person has a position pass, and what is given up, into
`headrace.unapplied`, and take out what a batch reads again.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import psycopg

from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.search import Passed
from consumer.edges.postgres.open_letters import OPEN_STATES

# A dead letter of another consumer says something only of what this group has not read: what it has read it has
# applied, or has a letter of its own of.
_WAITING = f"""
SELECT l."offset", l."offset" + 1 FROM headrace.letters l
WHERE l.group_name = %(group)s AND l.topic = %(topic)s AND l.partition = %(partition)s
  AND l."offset" >= %(start)s AND l."offset" < %(end)s AND l.state IN ({OPEN_STATES}) AND NOT l.applied_once
  AND (l.imported IS NULL OR l."offset" < (
      SELECT p.first_offset FROM headrace.positions p
      WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition
  ))
"""
_NOTED = """
SELECT start_offset, end_offset FROM headrace.unapplied
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND start_offset = ANY (%(offsets)s)
UNION ALL
SELECT start_offset, end_offset FROM headrace.unapplied
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
  AND start_offset < %(end)s AND end_offset > %(start)s AND end_offset > start_offset + 1
"""
_UNSURE = """
SELECT 0, unsure_to FROM headrace.positions
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND unsure_to IS NOT NULL
"""
_OF_NO_ROW = f"""
SELECT l.id, l.topic, l.partition, l."offset" FROM headrace.letters l
JOIN unnest(%(topics)s::text[], %(partitions)s::int[], %(starts)s::bigint[], %(ends)s::bigint[])
    AS w(topic, partition, first, behind)
    ON w.topic = l.topic AND w.partition = l.partition AND l."offset" >= w.first AND l."offset" < w.behind
WHERE l.group_name = %(group)s AND l.state IN ({OPEN_STATES}) AND l.digest_a IS NULL AND l.imported IS NULL
ORDER BY l."offset" FOR UPDATE OF l
"""
# Nothing that is open is in front of it, so no search comes by now; one that does later is told that nobody knows. What
# a batch has locked stays for the next time.
_PRUNE = f"""
WITH old AS MATERIALIZED (
    SELECT u.ctid, p.topic, p.partition, u.end_offset
    FROM headrace.positions p
    CROSS JOIN LATERAL (
        SELECT min(l."offset") AS at FROM headrace.letters l
        WHERE l.group_name = p.group_name AND l.topic = p.topic AND l.partition = p.partition
          AND l.state IN ({OPEN_STATES})
    ) AS first
    CROSS JOIN LATERAL (
        SELECT u.ctid, u.end_offset FROM headrace.unapplied u
        WHERE u.group_name = p.group_name AND u.topic = p.topic AND u.partition = p.partition
          AND u.start_offset < coalesce(first.at, 9223372036854775807)
          AND u.end_offset <= coalesce(first.at, u.end_offset)
          AND u.noted_at < now() - make_interval(secs => %(secs)s)
        LIMIT %(most)s FOR UPDATE OF u SKIP LOCKED
    ) AS u
    WHERE p.group_name = %(group)s
    LIMIT %(most)s FOR UPDATE OF p SKIP LOCKED
), said AS (
    UPDATE headrace.positions p SET unsure_to = greatest(p.unsure_to, behind.end_offset)
    FROM (SELECT topic, partition, max(end_offset) AS end_offset FROM old GROUP BY topic, partition) AS behind
    WHERE p.group_name = %(group)s AND p.topic = behind.topic AND p.partition = behind.partition
)
DELETE FROM headrace.unapplied WHERE ctid = ANY (ARRAY(SELECT ctid FROM old))
"""


def passed(connection: psycopg.Connection, group: str, at: TopicPartition, offsets: Sequence[int]) -> Passed:
    """What is known of the offsets, which rise and stand behind a letter."""
    if not offsets:
        return Passed()
    of = {"group": group, "topic": at.topic, "partition": at.partition}
    reach = {**of, "start": offsets[0], "end": offsets[-1] + 1}
    # a letter that is given up meanwhile is noted before it is no letter any more
    waiting = _within(offsets, connection.execute(_WAITING.encode(), reach))
    noted = _within(offsets, connection.execute(_NOTED, {**reach, "offsets": list(offsets)}))
    unsure = _within(offsets, connection.execute(_UNSURE, of))
    return Passed(waiting=waiting, noted=noted - waiting, unsure=unsure - noted - waiting)


def _within(offsets: Sequence[int], ranges: Iterable[tuple[int, int]]) -> frozenset[int]:
    """Those that lie in one of the ranges."""
    found: set[int] = set()
    for start, end in ranges:
        found.update(offsets[bisect_left(offsets, start) : bisect_left(offsets, end)])
    return frozenset(found)


def of_no_row(connection: psycopg.Connection, group: str, slices: Sequence[Slice]) -> list[tuple[int, RecordRef]]:
    """The open letters, locked, of records of the slices that this group could not say the row of."""
    values = {
        "group": group,
        "topics": [piece.at.topic for piece in slices],
        "partitions": [piece.at.partition for piece in slices],
        "starts": [piece.start for piece in slices],
        "ends": [piece.end for piece in slices],
    }
    rows = connection.execute(_OF_NO_ROW.encode(), values).fetchall()
    # what has left the log is not read again, and a letter may be all that is left of it
    read = {piece.at: set(piece.offsets) for piece in slices} if rows else {}
    refs = [(number, RecordRef(TopicPartition(topic, partition), offset)) for number, topic, partition, offset in rows]
    return [(number, ref) for number, ref in refs if ref.offset in read[ref.at]]


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> int:
    """Delete what was noted longer ago and no letter asks for, and note up to where; returns how many ranges."""
    values = {"group": group, "secs": keep_hours * 3600, "most": most}
    return connection.execute(_PRUNE.encode(), values).rowcount
