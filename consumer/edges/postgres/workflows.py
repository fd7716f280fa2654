"""Workflows, a turn of one in one transaction: what it came to is written with what it did here, or neither is.

Whoever takes a turn has locked the workflow's row, so no other process takes one, and a person who pauses or cancels it
knows that nothing more is done.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from consumer.core.failure import HeadraceError
from consumer.core.workflow import Outcome, State, Task, Turn, after
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import cancel, transaction
from consumer.edges.postgres.takings import WORKFLOWS
from consumer.edges.postgres.translate import translated
from consumer.ports.workflows import CutOff, Turned

Act = Callable[[psycopg.Connection, Task], Turn]
"""Takes a turn of a step within the transaction that is open. May raise CutOff."""

# of those whose next step is one that this process can take
_CLAIM = """
SELECT w.id, w.taken FROM headrace.workflows w
CROSS JOIN LATERAL (
    SELECT s.act FROM headrace.workflow_steps s
    WHERE s.workflow_id = w.id AND s.state <> 'done' ORDER BY s.number LIMIT 1
) s
WHERE w.group_name = %(group)s AND w.state IN ('planned', 'running') AND w.due_at <= clock_timestamp()
  AND s.act = ANY (%(acts)s) AND (%(only)s::bigint IS NULL OR w.id = %(only)s)
ORDER BY w.due_at LIMIT 1 FOR UPDATE OF w SKIP LOCKED
"""
# Asked behind the lock: the statement that locks has the step of before another process's turn.
_NEXT = """
SELECT w.id, w.kind, w.state, w.created_by, w.reason, s.number, s.act, s.subject, s.progress,
    NOT EXISTS (
        SELECT FROM headrace.workflow_steps l WHERE l.workflow_id = w.id AND l.number > s.number
    ) AS last
FROM headrace.workflows w JOIN headrace.workflow_steps s ON s.workflow_id = w.id AND s.state <> 'done'
WHERE w.id = %(id)s AND s.act = ANY (%(acts)s) AND NOT EXISTS (
    SELECT FROM headrace.workflow_steps e WHERE e.workflow_id = w.id AND e.state <> 'done' AND e.number < s.number
)
"""
_DUE = """
SELECT FROM headrace.workflows
WHERE group_name = %s AND state IN ('planned', 'running') AND due_at <= clock_timestamp() LIMIT 1
"""
_TURN = "take a workflow's turn"
# other sessions are asked meanwhile, each with its own timeout
_PATIENTLY = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
_STEP = """
UPDATE headrace.workflow_steps SET progress = %(progress)s, state = CASE WHEN %(done)s THEN 'done' ELSE 'running' END,
    started_at = coalesce(started_at, clock_timestamp()), ended_at = CASE WHEN %(done)s THEN clock_timestamp() END
WHERE workflow_id = %(workflow)s AND number = %(step)s
"""
_MOVE = """
UPDATE headrace.workflows SET state = %(state)s, why = %(why)s, taken = 0,
    started_at = coalesce(started_at, clock_timestamp()),
    due_at = clock_timestamp() + make_interval(secs => %(wait)s),
    ended_at = CASE WHEN %(state)s = 'done' THEN clock_timestamp() END
WHERE id = %(workflow)s
"""
_PRUNE = """
WITH old AS (
    SELECT id FROM headrace.workflows
    WHERE group_name = %(group)s AND state IN ('done', 'cancelled')
      AND ended_at < now() - make_interval(secs => %(secs)s)
), keys AS (
    DELETE FROM headrace.differing_keys WHERE (workflow_id, step, key) IN (
        SELECT k.workflow_id, k.step, k.key FROM headrace.differing_keys k JOIN old ON old.id = k.workflow_id
        LIMIT %(most)s
    ) RETURNING workflow_id
), undone AS (
    DELETE FROM headrace.undo_rows u USING old WHERE u.workflow_id = old.id
), steps AS (
    DELETE FROM headrace.workflow_steps s USING old WHERE s.workflow_id = old.id
      AND NOT EXISTS (SELECT FROM headrace.differing_keys k WHERE k.workflow_id = old.id)
), workflows AS (
    DELETE FROM headrace.workflows w USING old WHERE w.id = old.id
      AND NOT EXISTS (SELECT FROM headrace.differing_keys k WHERE k.workflow_id = old.id)
)
SELECT count(*) FROM keys
"""


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> int:
    """Delete workflows that ended longer ago, at most so many keys of theirs; returns how many keys."""
    ((keys,),) = connection.execute(_PRUNE, {"group": group, "secs": keep_hours * 3600, "most": most}).fetchall()
    return int(keys)


class PostgresWorkflows:
    """Implements `consumer.ports.workflows.Workflows`. `acts`: what is done in a turn, by the act's name.

    `looks`: where it is asked whether any is due, so that `pool` has no session while there is nothing to do.
    """

    def __init__(self, pool: TargetPool, group: str, acts: Mapping[str, Act], looks: TargetPool | None = None) -> None:
        self._pool = pool
        self._group = group
        self._acts = acts
        self._looks = looks
        self._leaving = threading.Event()
        # in which a turn is under way
        self._session: psycopg.Connection | None = None

    def turn(self, only: int | None = None) -> Turned | None:
        if self._leaving.is_set():
            return None
        if self._looks is not None and not self._looks.ask(self._is_due):
            return None
        return self._pool.ask(lambda connection: self._turned(connection, only))

    def cut(self) -> None:
        """Have the turn that is under way rolled back, and no other taken; for any thread, and again until it is."""
        self._leaving.set()
        cancel(self._session)

    def _is_due(self, connection: psycopg.Connection) -> bool:
        with translated("look for workflows"):
            return connection.execute(_DUE, (self._group,)).fetchone() is not None

    def _turned(self, connection: psycopg.Connection, only: int | None) -> Turned | None:
        number = WORKFLOWS.begun(connection, lambda connection: self._claim(connection, only))
        if number is None:
            return None
        try:
            with WORKFLOWS.taking(connection, number), self._cuttable(connection), transaction(connection, _TURN):
                found = self._found(connection, number)
                if found is not None:
                    return self._taken(connection, found)
        except CutOff:
            if connection.closed:
                return None
        with translated("leave a workflow to others"):
            WORKFLOWS.give_up(connection, number)
        return None

    @contextmanager
    def _cuttable(self, connection: psycopg.Connection) -> Iterator[None]:
        """What fails since it was cut off is no failure. Raises CutOff for it."""
        self._session = connection
        try:
            yield
        except HeadraceError as error:
            if self._leaving.is_set():
                raise CutOff from error
            raise
        finally:
            self._session = None

    def _claim(self, connection: psycopg.Connection, only: int | None) -> tuple[int, int] | None:
        """A workflow that is due, locked, and how often its turn was begun."""
        wanted = {"group": self._group, "acts": list(self._acts), "only": only}
        row = connection.execute(_CLAIM, wanted).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def _found(self, connection: psycopg.Connection, workflow: int) -> Any:
        """Its step, if nobody else has taken it meanwhile."""
        if self._claim(connection, workflow) is None:
            return None
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(_NEXT, {"id": workflow, "acts": list(self._acts)}).fetchone()

    def _taken(self, connection: psycopg.Connection, found: Any) -> Turned:
        connection.execute(_PATIENTLY)
        turn = self._acts[found.act](connection, _task(found))
        state = after(turn, last=found.last)
        at = {"workflow": found.id, "step": found.number}
        done = turn.outcome is Outcome.DONE
        connection.execute(_STEP, at | {"progress": Jsonb(dict(turn.progress)), "done": done})
        connection.execute(_MOVE, at | {"state": state, "why": turn.why, "wait": turn.wait})
        return Turned(
            workflow=found.id, what=found.kind, act=found.act, before=State(found.state), state=state, turn=turn
        )


def _task(found: Any) -> Task:
    return Task(
        workflow=found.id,
        kind=found.kind,
        step=found.number,
        act=found.act,
        subject=found.subject,
        progress=found.progress,
        actor=found.created_by,
        reason=found.reason,
    )
