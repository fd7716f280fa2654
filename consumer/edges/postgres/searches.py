"""Letters whose partitions are searched: claimed, looked up by the rows of what was read, brought to their end.

What was read is staged as a batch would be, so rows are compared as everywhere. Like a claim of the outbox, one of a
search keeps others away for some seconds and no longer; a search that two workers go on with stays right, since each
step says where it began.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from consumer.core.letters import State, Verdict
from consumer.core.records import OffsetRange, RecordRef, TopicPartition
from consumer.core.search import Doubt, Ending, Look, Passed, Search, Seen, Stretch
from consumer.edges.postgres import digests, memory, standing
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.staging import Staging
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.unapplied import passed

# of one partition, whose turn is longest ago
_CLAIM = """
WITH open AS (
    SELECT id, topic, partition, searched, claimed_until FROM headrace.letters
    WHERE group_name = %(group)s AND searched < search_until AND state IN ('retrying', 'replaying')
      AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
), one AS (
    SELECT topic, partition FROM open ORDER BY claimed_until NULLS FIRST, topic, partition LIMIT 1
), mine AS (
    SELECT l.id FROM headrace.letters l
    WHERE l.id IN (SELECT o.id FROM open o JOIN one USING (topic, partition) ORDER BY o.searched LIMIT %(most)s)
    ORDER BY l.id FOR UPDATE SKIP LOCKED
)
UPDATE headrace.letters l SET claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM mine WHERE l.id = mine.id
RETURNING l.id, l.attempt, l.topic, l.partition, l."offset", l.searched, l.search_until, l.search_doubt,
    (SELECT p.topic_id FROM headrace.positions p
     WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition) AS topic_id,
    (SELECT count(*) FROM headrace.positions p WHERE p.group_name = l.group_name AND p.topic = l.topic) AS partitions,
    (SELECT extract(epoch FROM max(p.grown_at))::float8 FROM headrace.positions p
     WHERE p.group_name = l.group_name AND p.topic = l.topic) AS grown_at
"""
_THERE = "WHERE id = %(id)s AND attempt = %(attempt)s AND searched = %(start)s AND state IN ('retrying', 'replaying')"
_GO_ON = f"UPDATE headrace.letters SET searched = %(upto)s, search_doubt = %(doubt)s {_THERE}"
# it comes back through the lane like any other
_CLEAR = f"""
UPDATE headrace.letters SET searched = search_until, due_at = clock_timestamp(), published_attempt = attempt - 1,
    reason = 'no later change of its row was found' {_THERE}
"""
_LOCK = f"SELECT FROM headrace.letters {_THERE} FOR UPDATE"
# any other open letter of its row
_BESIDE = f"""
SELECT n.id FROM headrace.letters l
JOIN headrace.letters n ON n.group_name = l.group_name AND n.table_name = l.table_name AND n.digest_a = l.digest_a
    AND n.digest_b = l.digest_b AND n.id <> l.id AND n.state IN ({OPEN_STATES})
WHERE l.id = %s LIMIT 1
"""
# the rest of the row's changes no longer sees it
_UNPLACE = """
UPDATE headrace.letters
SET digest_a = NULL, digest_b = NULL, row_types = NULL, searched = NULL, search_until = NULL, search_doubt = NULL
WHERE id = %s
"""
# a claim that stays runs out
_LEAVE = """
UPDATE headrace.letters SET claimed_until = clock_timestamp() WHERE id IN (
    SELECT id FROM headrace.letters WHERE id = ANY (%s) AND searched < search_until FOR UPDATE SKIP LOCKED
)
"""


class PostgresSearches:
    """Implements `consumer.ports.letters.Searches`."""

    def __init__(self, pool: TargetPool, group: str) -> None:
        self._pool = pool
        self._group = group

    def claim(self, most: int, seconds: float) -> list[Search]:
        values = {"group": self._group, "most": most, "seconds": seconds}

        def claimed(connection: psycopg.Connection) -> list[Any]:
            with translated("claim searches"), connection.cursor(row_factory=namedtuple_row) as cursor:
                return list(cursor.execute(_CLAIM, values))

        return [_search(row) for row in self._pool.ask(claimed)]

    def marks(self) -> list[OffsetRange]:
        return self._pool.ask(lambda connection: memory.marks(connection, self._group))

    def passed(self, at: TopicPartition, offsets: Sequence[int]) -> Passed:
        def asked(connection: psycopg.Connection) -> Passed:
            with translated("read what is not applied"):
                return passed(connection, self._group, at, offsets)

        return self._pool.ask(asked)

    def note(self, stretch: Stretch, seen: Seen) -> Mapping[int, Ending]:
        return self._pool.ask(lambda connection: self._noted(connection, stretch, seen))

    def refuse(self, stretch: Stretch) -> None:
        def refused(connection: psycopg.Connection) -> None:
            with transaction(connection, "refuse letters"):
                for search in stretch.searches:
                    _refuse(connection, search, None)
                connection.execute(_LEAVE, (list(stretch.claimed),))

        self._pool.ask(refused)

    def _noted(self, connection: psycopg.Connection, stretch: Stretch, seen: Seen) -> dict[int, Ending]:
        with translated("empty staging"):
            # the session may have served an earlier search
            connection.execute("DISCARD TEMP")
        met = self._met(connection, seen.looks)
        endings: dict[int, Ending] = {}
        with transaction(connection, "search letters"):
            for search in stretch.searches:
                if ending := _brought_further(connection, search, met.get(search.id, ()), seen):
                    endings[search.id] = ending
            connection.execute(_LEAVE, (list(stretch.claimed),))
        return endings

    def _met(self, connection: psycopg.Connection, looks: Sequence[Look]) -> Mapping[int, set[Doubt | None]]:
        """What the changes of rows mean for the letters of these rows, by the letters' ids."""
        met: dict[int, set[Doubt | None]] = defaultdict(set)
        staging = Staging(connection)
        for look in looks:
            # one by one, since each may have columns of its own, and a transaction keeps the locks of all its tables;
            # what a letter's row is stays so until the letter comes back
            ((staged,),) = staging.prepare([[look.write]])
            with transaction(connection, "look letters up"):
                staging.clear([staged])
                staging.fill(staged)
                for letter in digests.met(connection, self._group, staged):
                    met[letter.id].add(look.meaning(letter.place))
        return met


def _brought_further(
    connection: psycopg.Connection, search: Search, met: Collection[Doubt | None], seen: Seen
) -> Ending | None:
    ending = search.ending(met, seen.doubt, seen.upto)
    doubt = search.doubts(met, seen.doubt)
    here = {"id": search.id, "attempt": search.attempt, "start": search.searched}
    if ending is Ending.SUPERSEDED:
        reason = "a later change of its row was found in its partition"
        verdict = Verdict(id=search.id, attempt=search.attempt, state=State.SUPERSEDED, reason=reason)
        standing.settle(connection, [verdict])
    elif ending is Ending.REFUSED:
        _refuse(connection, search, doubt)
    elif ending is Ending.CLEAR:
        connection.execute(_CLEAR, here)
    else:
        connection.execute(_GO_ON, {**here, "upto": seen.upto, "doubt": doubt})
    return ending


def _refuse(connection: psycopg.Connection, search: Search, doubt: Doubt | None) -> None:
    """It is dead, and nothing waits for it: it will not be applied.

    It is no letter of its row any more before it is dead, else jobs would be told that what is behind it waits for it.
    """
    here = {"id": search.id, "attempt": search.attempt, "start": search.searched}
    if connection.execute(_LOCK, here).fetchone() is None:
        return
    standing.release_next(connection, [search.id])
    beside = [row[0] for row in connection.execute(_BESIDE, (search.id,))]
    connection.execute(_UNPLACE, (search.id,))
    failure = search.refused_for(doubt)
    standing.settle(connection, [Verdict(id=search.id, attempt=search.attempt, state=State.DEAD, failure=failure)])
    standing.release_keeping(connection, beside)


def _search(row: Any) -> Search:
    return Search(
        id=row.id,
        attempt=row.attempt,
        origin=RecordRef(TopicPartition(row.topic, row.partition), row.offset),
        searched=row.searched,
        until=row.search_until,
        doubt=Doubt(row.search_doubt) if row.search_doubt else None,
        topic_id=row.topic_id,
        partitions=row.partitions,
        grown_at=row.grown_at,
    )
