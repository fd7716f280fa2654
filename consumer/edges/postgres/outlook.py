"""Implements `consumer.ports.outlook.Outlook`, on a session of the pool for each question."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from consumer.core.flags import Flag
from consumer.core.lag import Place
from consumer.edges.postgres import fleet
from consumer.edges.postgres.open_letters import OPEN_STATES, TO_PUBLISH
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.outlook import Compared, Fresh, Heartbeat, Judged, Letters, Stored

# as `consumer.ports.control.Worker.gone` has it: reports that may be missed, and seconds that one may be late
_TELLER = """
SELECT name FROM headrace.workers
WHERE group_name = %s AND seen_at > clock_timestamp() - make_interval(secs => 5 * every + 5)
ORDER BY started_at, name LIMIT 1
"""
_KEEP = """
INSERT INTO headrace.lags AS l
    (group_name, topic, partition, position, end_offset, seconds, trend, why, looked_at, passed_at)
SELECT %(group)s, w.topic, w.partition, w.position, w.end_offset, w.seconds, w.trend, w.why, %(at)s,
    CASE WHEN w.position >= w.end_offset THEN %(at)s END
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(positions)s::bigint[], %(ends)s::bigint[],
    %(seconds)s::float8[], %(trends)s::text[], %(whys)s::text[])
    AS w(topic, partition, position, end_offset, seconds, trend, why)
ORDER BY w.topic, w.partition
ON CONFLICT (group_name, topic, partition) DO UPDATE
SET position = excluded.position, end_offset = excluded.end_offset, seconds = excluded.seconds,
    trend = excluded.trend, why = excluded.why, looked_at = excluded.looked_at,
    passed_at = CASE
        WHEN excluded.passed_at IS NOT NULL THEN excluded.passed_at
        -- it was set back
        WHEN excluded.position < l.position THEN NULL
        -- what the log had at the look before is applied by now
        WHEN excluded.position >= l.end_offset THEN l.looked_at
        ELSE l.passed_at
    END
"""
# what was known of the log stays, with its time
_NOT_KNOWN = """
UPDATE headrace.lags l SET trend = w.trend, why = w.why
FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[]) AS w(topic, partition, trend, why)
WHERE l.group_name = %s AND l.topic = w.topic AND l.partition = w.partition
"""
_FORGET = """
DELETE FROM headrace.lags l WHERE group_name = %(group)s AND NOT EXISTS (
    SELECT FROM headrace.positions p
    WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition
)
"""
_HEARD = """
INSERT INTO headrace.source_signs (group_name, topic, heard_at) VALUES (%s, %s, to_timestamp(%s))
ON CONFLICT (group_name) DO UPDATE SET topic = excluded.topic, heard_at = excluded.heard_at
"""
_KNOWN_HEARD = (
    "SELECT topic, extract(epoch FROM heard_at)::float8 FROM headrace.source_signs WHERE group_name = %(group)s"
)
# counted from the tallies; the oldest of each state is read from an index, which is named by what is always so
OPEN = f"""
SELECT t.state, t.letters, o.first_failed_at
FROM (
    SELECT state, sum(letters)::bigint AS letters FROM headrace.letter_tallies
    WHERE group_name = %(group)s AND state IN ({OPEN_STATES})
    GROUP BY 1 HAVING sum(letters) > 0
) AS t
CROSS JOIN LATERAL (
    SELECT first_failed_at FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.state = t.state AND l.state IN ({OPEN_STATES})
        AND l.first_failed_at > '-infinity'
    ORDER BY l.first_failed_at LIMIT 1
) AS o
"""
"""Open letters of a group: by state how many, and when the oldest failed first."""
# what a flag keeps in its table waits for whoever switched that off
_LANE = """
SELECT count(*) FILTER (WHERE due_at <= now()), count(*) FILTER (WHERE due_at <= now() - interval '1 minute'
    AND NOT EXISTS (SELECT FROM headrace.flags WHERE group_name = %(group)s AND flag = %(lane)s AND NOT is_on))
FROM (
    SELECT due_at FROM headrace.letters
    WHERE group_name = %(group)s AND state IN ('retrying', 'replaying') AND due_at <= now() LIMIT 100000
) AS due
"""
_UNPUBLISHED = f"""
SELECT count(*) FROM headrace.letters l
WHERE group_name = %(group)s AND {TO_PUBLISH}
    AND NOT EXISTS (
        SELECT FROM headrace.flags f WHERE f.group_name = l.group_name AND NOT f.is_on
            AND f.flag = CASE l.state WHEN 'dead' THEN %(dead)s ELSE %(lane)s END
    )
"""
_FRESH = """
SELECT table_name, complete_to, newest_change_at, records_behind FROM headrace.freshness WHERE group_name = %(group)s
ORDER BY table_name
"""
_COMPARED = """
SELECT DISTINCT ON (s.subject ->> 'table') s.subject ->> 'table', s.ended_at, s.progress -> 'counts'
FROM headrace.workflow_steps s JOIN headrace.workflows w ON w.id = s.workflow_id
WHERE w.group_name = %(group)s AND s.act = 'reconcile' AND s.state = 'done' AND s.progress ->> 'not_compared' = ''
ORDER BY 1, s.ended_at DESC
"""
_SIZES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relnamespace = 'headrace'::regnamespace AND relkind = 'r' ORDER BY relname
"""


class PostgresOutlook:
    """Asks and writes for one group."""

    def __init__(self, pool: TargetPool, group: str) -> None:
        self._pool = pool
        self._group = group

    def teller(self) -> str | None:
        return self._pool.ask(self._teller)

    def places(self) -> tuple[datetime, list[Place]]:
        def asked(session: psycopg.Connection) -> tuple[datetime, list[Place]]:
            with translated("read time"):
                row = session.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None, "a time has one row"
            return row[0], fleet.places(session, self._group)

        return self._pool.ask(asked)

    def keep(self, at: datetime, partitions: Sequence[Judged], heartbeat: Heartbeat | None) -> None:
        known = [one for one in partitions if one.lag.records is not None]
        others = [one for one in partitions if one.lag.records is None]
        values = {
            "group": self._group,
            "at": at,
            "topics": [one.lag.at.topic for one in known],
            "partitions": [one.lag.at.partition for one in known],
            "positions": [one.lag.position for one in known],
            "ends": [one.lag.end for one in known],
            "seconds": [one.lag.seconds for one in known],
            "trends": [one.trend for one in known],
            "whys": [one.lag.why for one in known],
        }

        def kept(session: psycopg.Connection) -> None:
            with transaction(session, "keep lag"):
                session.execute(_KEEP, values)
                session.execute(_NOT_KNOWN, (*_told(others), self._group))
                session.execute(_FORGET, values)
                if heartbeat is not None:
                    session.execute(_HEARD, (self._group, heartbeat.topic, heartbeat.appended))

        self._pool.ask(kept)

    def stored(self) -> Stored:
        return self._pool.ask(self._stored)

    def _teller(self, session: psycopg.Connection) -> str | None:
        with translated("read workers"):
            row = session.execute(_TELLER, (self._group,)).fetchone()
        return str(row[0]) if row else None

    def _stored(self, session: psycopg.Connection) -> Stored:
        group = {"group": self._group, "lane": Flag.RETRY_LANE.value, "dead": Flag.DEAD_LETTERS.value}
        with translated("look at the group"):
            states = {row[0]: (row[1], row[2]) for row in session.execute(OPEN, group)}
            due, overdue = session.execute(_LANE, group).fetchone() or (0, 0)
            (unpublished,) = session.execute(_UNPUBLISHED, group).fetchone() or (0,)
            tables = [
                Fresh(table=row[0], complete_to=row[1], newest_change=row[2], records=row[3])
                for row in session.execute(_FRESH, group)
            ]
            compared = [Compared(table=row[0], at=row[1], rows=row[2]) for row in session.execute(_COMPARED, group)]
            heard = session.execute(_KNOWN_HEARD, group).fetchone()
            sizes = {row[0]: row[1] for row in session.execute(_SIZES)}
        letters = Letters(open=states, due=due, overdue=overdue, unpublished=unpublished)
        heartbeat = Heartbeat(*heard) if heard else None
        return Stored(letters=letters, tables=tables, compared=compared, sizes=sizes, heartbeat=heartbeat)


def _told(partitions: Sequence[Judged]) -> tuple[list[str], list[int], list[str], list[str]]:
    lags = [one.lag for one in partitions]
    return (
        [lag.at.topic for lag in lags],
        [lag.at.partition for lag in lags],
        [one.trend.value for one in partitions],
        [lag.why for lag in lags],
    )
