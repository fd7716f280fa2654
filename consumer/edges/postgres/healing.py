"""Implements `consumer.ports.healing`, on sessions of the pool, and reads what is kept for people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import psycopg
from psycopg.rows import class_row

from consumer.core.healing import Act, Healing
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.facts import Healed

# seconds within which the same act is counted and gets no row of its own
_SAME = 60.0
_AGAIN = """
UPDATE headrace.healing SET times = times + %(times)s, last_at = clock_timestamp()
WHERE id = (
    SELECT id FROM headrace.healing
    WHERE group_name = %(group)s AND worker = %(worker)s AND act = %(act)s AND subject = %(subject)s
        AND detail = %(detail)s AND last_at > clock_timestamp() - make_interval(secs => %(same)s)
    ORDER BY last_at DESC LIMIT 1
)
"""
_NEW = """
INSERT INTO headrace.healing (group_name, worker, act, subject, detail, times)
VALUES (%(group)s, %(worker)s, %(act)s, %(subject)s, %(detail)s, %(times)s)
"""
_PRUNE = (
    "DELETE FROM headrace.healing WHERE group_name = %s AND last_at < clock_timestamp() - make_interval(secs => %s)"
)
_READ = """
SELECT id, act, subject, detail, worker, times, first_at, last_at
FROM headrace.healing WHERE group_name = %s ORDER BY last_at DESC, id DESC LIMIT %s
"""
# each of them has its own row: what one restart is must not depend on what was restarted within the same minute
_RESTARTS = """
SELECT subject, extract(epoch FROM clock_timestamp() - last_at)::float8
FROM headrace.healing, generate_series(1, times)
WHERE group_name = %s AND act = %s AND last_at > clock_timestamp() - make_interval(secs => %s)
"""
# Dead: its worker has not reported for as long as people are told that it is gone, and the session does nothing itself.
# Ours: by role, name and group. In the way: a session of ours waits for it, or for others who do.
_RELEASE = """
WITH RECURSIVE way(pid) AS (
    SELECT pid FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND usename = current_user AND datname = current_database()
        AND application_name LIKE 'headrace %%'
    UNION
    SELECT unnest(pg_blocking_pids(way.pid)) FROM way
)
SELECT w.name, pg_terminate_backend(dead.pid)
FROM way
JOIN pg_stat_activity dead ON dead.pid = way.pid
JOIN headrace.workers w ON w.group_name = %s AND dead.application_name = left('headrace ' || w.name, 63)
WHERE dead.usename = current_user AND dead.datname = current_database()
    AND (dead.state LIKE 'idle in transaction%%' OR dead.wait_event = 'ClientRead')
    AND dead.state_change < clock_timestamp() - interval '1 second'
    AND w.seen_at < clock_timestamp() - make_interval(secs => 5 * w.every + 5)
ORDER BY dead.pid
"""


class PostgresHealing:
    """What one process keeps."""

    def __init__(self, pool: TargetPool, group: str, worker: str) -> None:
        self._pool = pool
        self._group = group
        self._worker = worker

    def keep(self, acts: Mapping[Healed, int]) -> None:
        self._pool.ask(lambda session: self._kept(session, acts))

    def prune(self, hours: float) -> None:
        def pruned(session: psycopg.Connection) -> None:
            with translated("prune healing"):
                session.execute(_PRUNE, (self._group, hours * 3600))

        self._pool.ask(pruned)

    def _kept(self, session: psycopg.Connection, acts: Mapping[Healed, int]) -> None:
        with transaction(session, "keep healing"):
            for healed, times in acts.items():
                values = {
                    "group": self._group,
                    "worker": self._worker,
                    "act": healed.act.value,
                    "subject": healed.subject,
                    "detail": healed.detail,
                    "times": times,
                    "same": _SAME,
                }
                if not session.execute(_AGAIN, values).rowcount:
                    session.execute(_NEW, values)


class PostgresAbandoned:
    """Sessions and restarts of the group."""

    def __init__(self, pool: TargetPool, group: str) -> None:
        self._pool = pool
        self._group = group
        self._outlook = PostgresOutlook(pool, group)

    def teller(self) -> str | None:
        return self._outlook.teller()

    def restarts(self, seconds: float) -> Mapping[str, Sequence[float]]:
        def asked(session: psycopg.Connection) -> list[tuple[str, float]]:
            with translated("read healing"):
                return session.execute(_RESTARTS, (self._group, Act.TASK_RESTARTED, seconds)).fetchall()

        found = defaultdict(list)
        for subject, ago in self._pool.ask(asked):
            found[subject].append(ago)
        return found

    def release(self) -> list[str]:
        def asked(session: psycopg.Connection) -> list[str]:
            with translated("release locks"):
                return [name for name, ended in session.execute(_RELEASE, (self._group,)) if ended]

        return self._pool.ask(asked)


def read(session: psycopg.Connection, group: str, most: int) -> list[Healing]:
    """The newest acts."""
    with translated("read healing"), session.cursor(row_factory=class_row(Healing)) as cursor:
        return cursor.execute(_READ, (group, most)).fetchall()
