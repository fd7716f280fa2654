"""Work that goes on by itself, taken by one process at a time, turn after turn: jobs of letters, and workflows.

A taking is counted before it begins, since it may end its process, and what has ended several waits for a person. What
fails says why, and lets others go first.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import sql

from consumer.core import jobs, workflow
from consumer.core.failure import HeadraceError, Transient, reason, told
from consumer.edges.postgres.session import transaction

log = structlog.get_logger("headrace.takings")

Claim = Callable[[psycopg.Connection], tuple[int, int] | None]
"""Locks what is due, unless somebody is at it: its number, and how often it was taken since something came of it."""

_BEGUN = "UPDATE {table} SET taken = taken + 1, {due} = clock_timestamp() WHERE id = %s"
# who is at it counts anew
_NOT_BEGUN = """
UPDATE {table} SET taken = greatest(taken - 1, 0)
WHERE id = (SELECT id FROM {table} WHERE id = %s FOR UPDATE SKIP LOCKED)
"""
_PUT_OFF = """
UPDATE {table} SET state = coalesce(%(state)s, state), why = %(why)s, taken = 0,
    {due} = clock_timestamp() + make_interval(secs => %(behind)s)
WHERE id = %(number)s AND state = ANY (%(active)s)
"""
# processes that may end within one and the same turn
_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A table of such work. `due`: its column by which turns come; `active`: states in which it goes on by itself.

    `event` and `one`: how the log tells of it, and names one; `turn`: what is taken of it, in words; `behind`: seconds
    for which others go first behind one that failed; `goes_on`: the state of that, None for the one that it has.
    """

    table: str
    due: str
    active: Collection[str]
    stopped: str
    event: str
    one: str
    turn: str
    behind: float
    goes_on: str | None = None

    def begun(self, connection: psycopg.Connection, claim: Claim) -> int | None:
        """The number of what is taken now; None where nothing is. One that has ended several processes is stopped."""
        with transaction(connection, f"begin a {self.one}'s {self.turn}"):
            claimed = claim(connection)
            if claimed is None:
                return None
            number, taken = claimed
            if taken >= _MOST:
                ends = f"its {self.turn} has ended {taken} processes, or their sessions"
                why = f"{ends}: look at their logs, then resume it"
                self._warn(number, why=why)
                self._put_off(connection, number, self.stopped, why)
                return None
            connection.execute(self._said(_BEGUN), (number,))
            return number

    def give_up(self, connection: psycopg.Connection, number: int) -> None:
        """Another process was quicker, and counts too."""
        connection.execute(self._said(_NOT_BEGUN), (number,))

    @contextmanager
    def taking(self, connection: psycopg.Connection, number: int) -> Iterator[None]:
        """A turn that was begun. What time does not heal waits for a person. Raises what the turn raises."""
        try:
            yield
        except HeadraceError as error:
            if not connection.closed:
                healed = isinstance(error, Transient)
                if not healed:
                    self._warn(number, **told(error.failure))
                with transaction(connection, f"put a {self.one} off"):
                    state = self.goes_on if healed else self.stopped
                    self._put_off(connection, number, state, reason(error.failure))
            raise

    def _warn(self, number: int, **words: object) -> None:
        log.warning(self.event, **{self.one: number}, state=self.stopped, **words)

    def _put_off(self, connection: psycopg.Connection, number: int, state: str | None, why: str) -> None:
        values = {"number": number, "state": state, "why": why, "behind": self.behind, "active": list(self.active)}
        connection.execute(self._said(_PUT_OFF), values)

    def _said(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(table=sql.Identifier("headrace", self.table), due=sql.Identifier(self.due))


JOBS = Work(
    table="jobs",
    due="stepped_at",
    active=jobs.ACTIVE,
    stopped=jobs.JobState.STOPPED,
    event="job of letters",
    one="job",
    turn="step",
    behind=30.0,
)
WORKFLOWS = Work(
    table="workflows",
    due="due_at",
    active=workflow.ACTIVE,
    stopped=workflow.State.STOPPED,
    event="workflow",
    one="workflow",
    turn="turn",
    behind=5.0,
    goes_on=workflow.State.RUNNING,
)
