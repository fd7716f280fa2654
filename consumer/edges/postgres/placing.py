"""Which row a letter is of: written down, when that became known only after it had failed, and compared."""

import psycopg
from psycopg import sql

from consumer.core.failure import failed, located
from consumer.core.kinds import KINDS
from consumer.core.letters import Standing
from consumer.core.writes import TableWrite
from consumer.edges.postgres import digests, positions
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.staging import Staging
from consumer.ports.refusals import DataFault

# whoever applies one of them is waited for, or sees the letter in front of it
_LOCK = sql.SQL("""
SELECT FROM headrace.letters
WHERE group_name = %(group)s AND table_name = %(table)s AND digest_a = %(a)s AND digest_b = %(b)s AND state IN ({open})
ORDER BY "offset" FOR UPDATE
""").format(open=sql.SQL(OPEN_STATES))
_PLACE = """
UPDATE headrace.letters l SET table_name = %(table)s, digest_a = %(a)s, digest_b = %(b)s, row_types = %(types)s,
    -- where others may have its row's later changes, that is asked though nothing stands behind it
    searched = l."offset" + CASE WHEN p.furthest > l."offset" + 1 OR NOT %(several)s THEN 1 ELSE 0 END,
    search_until = greatest(l."offset" + 1, p.furthest), search_doubt = NULL,
    reason = 'its partition is searched for later changes of its row'
-- what was read behind a position that was set back has been applied
FROM (
    SELECT greatest(next_offset, furthest) AS furthest FROM headrace.positions
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
) AS p
WHERE id = %(id)s AND attempt = %(attempt)s AND state IN ('retrying', 'replaying') AND digest_a IS NULL
"""
_SEVERAL = "SELECT count(*) > 1 FROM headrace.positions WHERE group_name = %s AND topic = %s"

_IS_OF = "SELECT FROM headrace.letters WHERE id = %s AND table_name = %s AND digest_a = %s AND digest_b = %s"


def place(connection: psycopg.Connection, staging: Staging, group: str, letter: Standing, write: TableWrite) -> None:
    """Write a letter's row, and how far its partition is to be searched, in one transaction.

    Batches of the partition lock its position first. So those that are applied later see the letter, and all earlier
    ones stand in front of the position that is read here.
    """
    ((staged,),) = staging.prepare([[write]])
    with transaction(connection, "place letter"):
        staging.clear([staged])
        staging.fill(staged)
        digests.require_types(connection, group, write)
        at = letter.ref.at
        found = positions.lock(connection, group, [at])
        if at not in found:
            raise DataFault(located(_NO_POSITION, *letter.ref), write.table)
        _, position = found[at]
        if letter.imported and position <= letter.ref.offset:
            raise DataFault(located(_AHEAD, *letter.ref), write.table)
        ((a, b),) = digests.digests(connection, group, staged, [0]).values()
        values = {"group": group, "table": str(write.table), "a": a, "b": b, "types": digests.types(write)}
        connection.execute(_LOCK, values)
        several = connection.execute(_SEVERAL, (group, at.topic)).fetchone() == (True,)
        known = {"id": letter.id, "attempt": letter.attempt, "several": several, **at._asdict()}
        connection.execute(_PLACE, {**values, **known})


def is_of(connection: psycopg.Connection, staging: Staging, group: str, letter: Standing, write: TableWrite) -> bool:
    """Whether a letter is of the only row of `write`, by what was written down of it."""
    ((staged,),) = staging.prepare([[write]])
    with transaction(connection, "compare letter"):
        staging.clear([staged])
        staging.fill(staged)
        digests.require_types(connection, group, write)
        ((a, b),) = digests.digests(connection, group, staged, [0]).values()
        return connection.execute(_IS_OF, (letter.id, str(write.table), a, b)).fetchone() is not None


_AHEAD = failed(
    KINDS["record.imported"],
    "postgres",
    "place letter",
    "this group has not read its topic so far, and will apply the record itself when it does",
    remedy="Wait until the group's position has passed the record; then send the letter again if it is still wanted.",
)
_NO_POSITION = failed(
    KINDS["record.unplaced"], "postgres", "place letter", "its partition has no stored position up to which to search"
)
