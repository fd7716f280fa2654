"""Which records a group has not applied, though it has passed them: what a search for later changes leaves out.

They have an open letter, or stand in `headrace.unapplied`. Triggers of the control schema write what a person has a
position pass, and what is given up, and take out what a batch reads again.
"""

from bisect import bisect_left
from collections.abc import Sequence

import psycopg

from consumer.core.letters import OPEN_STATES
from consumer.core.records import RecordRef, Slice, TopicPartition

# A dead letter of another consumer says something only of what this group has not read: what it has read it has
# applied, or has a letter of its own of.
_PASSED = f"""
SELECT start_offset, end_offset FROM headrace.unapplied
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
  AND start_offset < %(end)s AND end_offset > %(start)s
UNION ALL
SELECT l."offset", l."offset" + 1 FROM headrace.letters l
WHERE l.group_name = %(group)s AND l.topic = %(topic)s AND l.partition = %(partition)s
  AND l."offset" >= %(start)s AND l."offset" < %(end)s AND l.state IN ({OPEN_STATES})
  AND (l.imported IS NULL OR l."offset" < (
      SELECT p.first_offset FROM headrace.positions p
      WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition
  ))
"""
_OF_NO_ROW = f"""
SELECT l.id, l.topic, l.partition, l."offset" FROM headrace.letters l
JOIN unnest(%(topics)s::text[], %(partitions)s::int[], %(starts)s::bigint[], %(ends)s::bigint[])
    AS w(topic, partition, first, behind)
    ON w.topic = l.topic AND w.partition = l.partition AND l."offset" >= w.first AND l."offset" < w.behind
WHERE l.group_name = %(group)s AND l.state IN ({OPEN_STATES}) AND l.digest_a IS NULL AND l.imported IS NULL
ORDER BY l."offset" FOR UPDATE OF l
"""
# nothing that is open is in front of it, so no search comes by
_PRUNE = f"""
DELETE FROM headrace.unapplied WHERE ctid = ANY (ARRAY(
    SELECT u.ctid FROM headrace.unapplied u
    WHERE u.group_name = %(group)s AND u.noted_at < now() - make_interval(secs => %(secs)s) AND NOT EXISTS (
        SELECT FROM headrace.letters l
        WHERE l.group_name = u.group_name AND l.topic = u.topic AND l.partition = u.partition
          AND l."offset" < u.end_offset AND l.state IN ({OPEN_STATES})
    )
    LIMIT %(most)s
))
"""


def unapplied(connection: psycopg.Connection, group: str, at: TopicPartition, offsets: Sequence[int]) -> frozenset[int]:
    """Those of the offsets, which rise, whose records are not applied."""
    if not offsets:
        return frozenset()
    of = {"group": group, "topic": at.topic, "partition": at.partition}
    ranges = connection.execute(_PASSED.encode(), {**of, "start": offsets[0], "end": offsets[-1] + 1}).fetchall()
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
    """Delete what was noted longer ago and no letter can ask for any more; returns how many ranges."""
    values = {"group": group, "secs": keep_hours * 3600, "most": most}
    return connection.execute(_PRUNE.encode(), values).rowcount
