"""What a person does with letters: send them again, give them up. Each is one transaction on the letters' rows,
which are locked in their order.

The lane does the rest: a letter that is sent again comes back through the first retry topic, is judged by its row,
and its outcome is written by the transaction that applies it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.letters import BEHIND, KEEPING, OLDER, OPEN_STATES
from consumer.edges.postgres.standing import release_keeping

FOREIGN = """(
    {l}.imported IS NOT NULL AND NOT EXISTS (
        SELECT FROM headrace.positions p WHERE p.group_name = {l}.group_name AND p.topic = {l}.topic
          AND p.partition = {l}.partition AND p.next_offset > {l}."offset"
    )
)"""
"""Whether a letter is another consumer's, of a record that this group has not read, as a condition in SQL on `l`."""

_REPLAY = sql.SQL("""
WITH locked AS (
    SELECT l.id FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.id = ANY (%(ids)s) AND l.state = 'dead' AND l.replays < %(most)s
      AND NOT {foreign}
    ORDER BY l.digest_a, l.digest_b, l."offset" FOR UPDATE
)
UPDATE headrace.letters l SET state = 'replaying', attempt = attempt + 1, replays = replays + 1,
    due_at = clock_timestamp(), reason = NULL, claimed_until = NULL
FROM locked WHERE l.id = locked.id RETURNING l.id
""").format(foreign=sql.SQL(FOREIGN.format(l="l")))
# Whoever is about to bring one of them further, or to leave a new one behind it, is waited for: the next statement sees
# what came of that.
_LOCK = sql.SQL("""
SELECT FROM headrace.letters WHERE id = ANY (ARRAY(
    SELECT id FROM headrace.letters WHERE group_name = %(group)s AND id = ANY (%(ids)s)
    UNION
    SELECT n.id FROM headrace.letters l
    JOIN headrace.letters n ON n.group_name = l.group_name AND n.table_name = l.table_name
        AND n.digest_a = l.digest_a AND n.digest_b = l.digest_b AND n.state IN ({open})
    WHERE l.group_name = %(group)s AND l.id = ANY (%(ids)s)
)) ORDER BY digest_a, digest_b, "offset" FOR UPDATE
""").format(open=sql.SQL(OPEN_STATES))
# With every later letter of the row that waits for it, and for none between them that may still be applied: a delete
# that keeps what its row has for its next key may.
_DISCARD = sql.SQL("""
WITH RECURSIVE chain AS (
    SELECT l.* FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.id = ANY (%(ids)s) AND l.state IN ('retrying', 'held', 'dead', 'replaying')
    UNION
    SELECT n.* FROM chain c
    JOIN headrace.letters n ON n.group_name = c.group_name AND n.table_name = c.table_name
        AND n.digest_a = c.digest_a AND n.digest_b = c.digest_b AND {behind} AND n.state = 'held'
        AND (n.kind, n.operation) <> ({kind}, {keeping})
    WHERE NOT EXISTS (
        SELECT FROM headrace.letters b
        WHERE b.group_name = c.group_name AND b.table_name = c.table_name AND b.digest_a = c.digest_a
          AND b.digest_b = c.digest_b AND {between}
          AND (b.state IN ('retrying', 'dead', 'replaying') OR (b.kind, b.operation) = ({kind}, {keeping}))
    )
), locked AS (
    SELECT l.id FROM headrace.letters l
    WHERE l.id IN (SELECT id FROM chain) AND l.state IN ('retrying', 'held', 'dead', 'replaying')
    ORDER BY l.digest_a, l.digest_b, l."offset" FOR UPDATE
)
UPDATE headrace.letters l
SET state = 'discarded', reason = %(reason)s, closed_at = clock_timestamp(), due_at = NULL
FROM locked WHERE l.id = locked.id RETURNING l.id
""").format(
    behind=sql.SQL(OLDER.format(old="c", new="n")),
    kind=BEHIND,
    keeping=KEEPING,
    between=sql.SQL(OLDER.format(old="c", new="b") + " AND " + OLDER.format(old="b", new="n")),
)


@dataclass(frozen=True, slots=True)
class Done:
    """Letters by id: those that were changed, and those that were not, because they are not in a fitting state."""

    changed: tuple[int, ...]
    left: tuple[int, ...]


def replay(connection: psycopg.Connection, group: str, ids: Sequence[int], *, most: int = 10) -> Done:
    """Send dead letters again, each at most `most` times in its life; none of records that this group has not read.

    Raises psycopg.Error.
    """
    rows = connection.execute(_REPLAY, {"group": group, "ids": list(ids), "most": most}).fetchall()
    return _done(ids, [row[0] for row in rows])


def discard(connection: psycopg.Connection, group: str, ids: Sequence[int], reason: str) -> Done:
    """Give letters up, and with each what waits for it; the row then differs from the source until it changes again.
    A delete of a row that goes on under another key is not given up with what it waits for: it comes back.

    `changed` has the followers too. Raises ValueError without a reason, psycopg.Error.
    """
    if not reason.strip():
        raise ValueError("a letter is given up for a reason")
    wanted = {"group": group, "ids": list(ids), "reason": reason}
    with connection.transaction():
        connection.execute(_LOCK, wanted)
        rows = connection.execute(_DISCARD, wanted).fetchall()
        release_keeping(connection, [row[0] for row in rows])
    return _done(ids, [row[0] for row in rows])


def _done(ids: Sequence[int], changed: Sequence[int]) -> Done:
    return Done(changed=tuple(sorted(changed)), left=tuple(sorted(set(ids) - set(changed))))
