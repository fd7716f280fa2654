"""What a person does with letters: send them again, give them up. Each is one transaction on the letters' rows,
which are locked in their order.

The lane does the rest: a letter that is sent again comes back through the first retry topic, is judged by its row,
and its outcome is written by the transaction that applies it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.edges.postgres.open_letters import FOLLOWING, OPEN_STATES
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
    ORDER BY l.digest_a NULLS FIRST, l.digest_b, l."offset" FOR UPDATE
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
    SELECT n.id FROM (
        SELECT DISTINCT table_name, digest_a, digest_b FROM headrace.letters
        WHERE group_name = %(group)s AND id = ANY (%(ids)s) AND digest_a IS NOT NULL
    ) AS r
    CROSS JOIN LATERAL (
        SELECT l.id FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.table_name = r.table_name AND l.digest_a = r.digest_a
          AND l.digest_b = r.digest_b AND l.state IN ({open})
        OFFSET 0
    ) AS n
)) ORDER BY digest_a NULLS FIRST, digest_b, "offset" FOR UPDATE
""").format(open=sql.SQL(OPEN_STATES))
_CHOSEN = sql.SQL("""
chosen AS MATERIALIZED (
    SELECT * FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.id = ANY (%(ids)s) AND l.state IN ({open})
), rows AS (
    SELECT DISTINCT group_name, table_name, digest_a, digest_b FROM chosen WHERE digest_a IS NOT NULL
), {following}
""").format(open=sql.SQL(OPEN_STATES), following=sql.SQL(FOLLOWING.format(goes="l.id = ANY (%(ids)s)")))
# with every later letter of the row that waits for it
_CHAIN = sql.SQL("""
{chosen}, chain AS (
    SELECT id FROM chosen
    UNION
    SELECT id FROM following WHERE follows
)
""").format(chosen=_CHOSEN)
# what came since people agreed to the job waits for letters of it by now
_OVERTAKEN = sql.SQL("""
WITH {chosen}
SELECT id FROM (
    SELECT id, goes, bool_or(follows AND NOT coalesce((
        SELECT i.job_id = %(job)s FROM headrace.job_items i
        WHERE i.letter_id = f.id AND i.state IN ('waiting', 'sent')
    ), false)) OVER (PARTITION BY table_name, digest_a, digest_b) AS others
    FROM following f
) f
WHERE goes AND others
""").format(chosen=_CHOSEN)
_MANY = sql.SQL("WITH {chain} SELECT count(*) FROM chain").format(chain=_CHAIN)
_DISCARD = sql.SQL("""
WITH {chain}, locked AS (
    SELECT l.id FROM headrace.letters l
    WHERE l.id = ANY (ARRAY(SELECT id FROM chain)) AND l.state IN ({open})
    ORDER BY l.digest_a NULLS FIRST, l.digest_b, l."offset" FOR UPDATE
)
UPDATE headrace.letters l
SET state = 'discarded', reason = %(reason)s, closed_at = clock_timestamp(), due_at = NULL
FROM locked WHERE l.id = locked.id RETURNING l.id
""").format(chain=_CHAIN, open=sql.SQL(OPEN_STATES))


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


def discard(
    connection: psycopg.Connection, group: str, ids: Sequence[int], reason: str, *, job: int | None = None
) -> Done:
    """Give letters up, and with each what waits for it; the row then differs from the source until it changes again.
    A delete of a row that goes on under another key is not given up with what it waits for: it comes back.

    `changed` has the followers too. `job`: whose letters they are; where others wait for them than it has, those of the
    row are left. Raises ValueError without a reason, psycopg.Error.
    """
    if not reason.strip():
        raise ValueError("a letter is given up for a reason")
    wanted: dict[str, object] = {"group": group, "ids": list(ids), "reason": reason}
    with connection.transaction():
        connection.execute(_LOCK, wanted)
        if job is not None:
            overtaken = {row[0] for row in connection.execute(_OVERTAKEN, {**wanted, "job": job})}
            wanted["ids"] = [one for one in ids if one not in overtaken]
        rows = connection.execute(_DISCARD, wanted).fetchall()
        release_keeping(connection, [row[0] for row in rows])
    return _done(ids, [row[0] for row in rows])


def given_up(connection: psycopg.Connection, group: str, ids: Sequence[int]) -> int:
    """How many letters would be given up by that, as things stand. Raises psycopg.Error."""
    ((many,),) = connection.execute(_MANY, {"group": group, "ids": list(ids)}).fetchall()
    return int(many)


def _done(ids: Sequence[int], changed: Sequence[int]) -> Done:
    return Done(changed=tuple(sorted(changed)), left=tuple(sorted(set(ids) - set(changed))))
