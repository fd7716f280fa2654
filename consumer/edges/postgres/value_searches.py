"""Searches of letters by values, each step of one in one transaction.

As of other jobs, whoever takes a step has locked the job's row: a person who cancels it waits for the step. What was
looked at is kept, so a search goes on where it was, whoever was killed.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.failure import Transient
from consumer.core.jobs import ACTIVE, SEARCH, JobState, Progress, Step
from consumer.edges.postgres.jobs import due
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.takings import JOBS
from consumer.edges.postgres.translate import translated
from consumer.ports.jobs import Stepped

# of a letter, by id: what became of its item, and why
Judge = Callable[[psycopg.Connection, str, list[dict[str, str]], int], tuple[str, str]]

# seconds of a step: whoever cancels waits so long
_LONGEST = 2.0
_UNREAD = "unread"
_CLAIM = sql.SQL("""
SELECT id, state, conditions FROM headrace.jobs
WHERE id = %s AND state IN ({active}) FOR UPDATE SKIP LOCKED
""").format(active=sql.SQL(", ").join(sorted(ACTIVE)))
# those that could not be read yet come last
_NEXT = """
SELECT number, letter_id FROM headrace.job_items WHERE job_id = %s AND state = 'unread'
ORDER BY ended_at NULLS FIRST, number LIMIT %s
"""
_MARK = """
UPDATE headrace.job_items i SET state = w.state, why = w.why, ended_at = clock_timestamp()
FROM unnest(%(numbers)s::int[], %(states)s::text[], %(whys)s::text[]) AS w(number, state, why)
WHERE i.job_id = %(job)s AND i.number = w.number
"""
_MOVE = """
UPDATE headrace.jobs SET state = %(state)s, why = %(why)s, taken = 0, stepped_at = clock_timestamp(),
    started_at = coalesce(started_at, clock_timestamp()),
    ended_at = CASE WHEN %(state)s = 'done' THEN clock_timestamp() END
WHERE id = %(job)s
"""


class PostgresValueSearches:
    """Implements `consumer.ports.jobs.Jobs`: there is nothing to be decided but when one is at its end.

    `most`: letters of a step.
    """

    def __init__(self, pool: TargetPool, group: str, judge: Judge, most: int = 200) -> None:
        self._pool = pool
        self._group = group
        self._judge = judge
        self._most = most

    def step(self, decide: Callable[[Progress], Step]) -> Stepped | None:
        stepped, failed = self._pool.ask(self._stepped)
        if failed is not None and not (stepped and stepped.acted):
            raise failed
        return stepped

    def _stepped(self, connection: psycopg.Connection) -> tuple[Stepped | None, Transient | None]:
        """What was done, and what kept letters from being read, which is kept with the search."""
        number = JOBS.begun(connection, due(self._group, [SEARCH]))
        if number is None:
            return None, None
        with JOBS.taking(connection, number), transaction(connection, "search letters"):
            return self._taken(connection, number)

    def _taken(self, connection: psycopg.Connection, number: int) -> tuple[Stepped | None, Transient | None]:
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            job: Any = cursor.execute(_CLAIM, (number,)).fetchone()
            if job is None:
                JOBS.give_up(connection, number)
                return None, None
            rows = cursor.execute(_NEXT, (job.id, self._most)).fetchall()
            looked, failed = self._looked(connection, job, rows)
            state = JobState.RUNNING if rows else JobState.DONE
            why = failed.failure.detail if failed else ""
            cursor.execute(_MOVE, {"job": job.id, "state": state, "why": why})
        step = Step(state=state)
        before = JobState(job.state)
        return Stepped(job=job.id, kind=SEARCH, before=before, step=step, acted=looked, skipped=0), failed

    def _looked(self, connection: psycopg.Connection, job: Any, rows: list[Any]) -> tuple[int, Transient | None]:
        """Look at letters for as long as a step may take, at one at least; returns how many could be read, and what
        kept others from it: they are tried again behind all that were not tried yet.
        """
        until = time.monotonic() + _LONGEST
        marks: list[tuple[int, str, str]] = []
        failed = None
        for row in rows:
            try:
                with translated("read letters"):
                    marks.append((row.number, *self._judge(connection, self._group, job.conditions, row.letter_id)))
            except Transient as error:
                if error.failure.component == "postgres":
                    raise
                failed = error
                marks.append((row.number, _UNREAD, error.failure.detail))
            if time.monotonic() > until:
                break
        values = {
            "job": job.id,
            "numbers": [number for number, _, _ in marks],
            "states": [state for _, state, _ in marks],
            "whys": [why for _, _, why in marks],
        }
        connection.execute(_MARK, values)
        return sum(1 for _, state, _ in marks if state != _UNREAD), failed
