"""Whose turn it is among jobs. A turn is counted before a step is taken, since that may end its process, and the job
whose step fails says why and lets others go first.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psycopg
import structlog
from psycopg import sql

from consumer.core.failure import HeadraceError, Transient, reason, told
from consumer.core.jobs import ACTIVE, JobState
from consumer.edges.postgres.session import transaction

log = structlog.get_logger("headrace.jobs")

_ACTIVE = sql.SQL(", ").join(sorted(ACTIVE))
_CLAIM = sql.SQL("""
SELECT id, taken FROM headrace.jobs WHERE group_name = %s AND kind = ANY (%s) AND state IN ({active})
ORDER BY stepped_at LIMIT 1 FOR UPDATE SKIP LOCKED
""").format(active=_ACTIVE)
_BEGUN = "UPDATE headrace.jobs SET taken = taken + 1, stepped_at = clock_timestamp() WHERE id = %s"
# who is at it counts anew
_NOT_BEGUN = """
UPDATE headrace.jobs SET taken = greatest(taken - 1, 0)
WHERE id = (SELECT id FROM headrace.jobs WHERE id = %s FOR UPDATE SKIP LOCKED)
"""
_PUT_OFF = sql.SQL("""
UPDATE headrace.jobs SET state = coalesce(%(state)s, state), why = %(why)s, taken = 0,
    stepped_at = clock_timestamp() + make_interval(secs => %(behind)s)
WHERE id = %(job)s AND state IN ({active})
""").format(active=_ACTIVE)
# processes that may end within one and the same step
_MOST_TAKEN = 5
# seconds for which any other job goes first
_BEHIND = 30.0


def begun(connection: psycopg.Connection, group: str, kinds: Collection[str]) -> int | None:
    """The job whose turn it is, and that no other worker is at. One that has ended several processes is stopped."""
    with transaction(connection, "begin a job's step"):
        row = connection.execute(_CLAIM, (group, list(kinds))).fetchone()
        if row is None:
            return None
        job, taken = row
        if taken >= _MOST_TAKEN:
            why = f"its step has ended {taken} processes, or their sessions: look at their logs, then resume it"
            connection.execute(_PUT_OFF, {"job": job, "state": JobState.STOPPED, "why": why, "behind": 0})
            log.warning("job of letters", job=job, state=JobState.STOPPED.value, why=why)
            return None
        connection.execute(_BEGUN, (job,))
        return int(job)


def give_up(connection: psycopg.Connection, job: int) -> None:
    """Another worker was quicker, and counts too."""
    connection.execute(_NOT_BEGUN, (job,))


@contextmanager
def stepping(connection: psycopg.Connection, job: int) -> Iterator[None]:
    """A step that was begun. What time does not heal waits for a person."""
    try:
        yield
    except HeadraceError as error:
        if not connection.closed:
            state = None if isinstance(error, Transient) else JobState.STOPPED
            put_off = {"job": job, "state": state, "why": reason(error.failure), "behind": _BEHIND}
            if state is not None:
                log.warning("job of letters", job=job, state=state.value, **told(error.failure))
            with transaction(connection, "put a job off"):
                connection.execute(_PUT_OFF, put_off)
        raise
