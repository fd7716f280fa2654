"""Changes of target tables, made with the first rows that need them.

Labels of enums are the exception: PostgreSQL lets nobody use one in the transaction that adds it, so they have one of
their own in front.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.binding import Evolution
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.steps import AddLabel, by_hand
from consumer.core.target import TableName
from consumer.edges.postgres import changes
from consumer.edges.postgres.ddl import label_statement, statements
from consumer.edges.postgres.rehearsing import refused
from consumer.edges.postgres.session import limit_locks, transaction
from consumer.edges.postgres.shapes import read_shape
from consumer.edges.postgres.staged_rows import table_name
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import TableBusy, TableFault, TooSlow

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_LIMITS = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
_HAS_LABEL = """
SELECT EXISTS (
    SELECT FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = %s AND t.typname = %s AND e.enumlabel = %s
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changer:
    """Who makes changes. Seconds: `lock_timeout`, most that a change waits for a table; `deadline`, most that all
    changes of a batch take.
    """

    group: str
    worker: str
    lock_timeout: float = 2.0
    deadline: float = 30.0

    def label(self, connection: psycopg.Connection, evolutions: Sequence[Evolution]) -> None:
        """Add labels that are missing, each table's in a transaction of its own. Raises TableBusy, NotChanged."""
        for evolution in evolutions:
            if evolution.labels:
                with transaction(connection, "add labels"), _changing(evolution):
                    self._lock(connection, evolution)
                    added = [_added(connection, step) for step in evolution.labels]
                    if any(added) and not evolution.rest:
                        changes.applied(connection, self.group, self.worker, evolution)

    def change(self, connection: psycopg.Connection, evolutions: Sequence[Evolution]) -> None:
        """Make the other changes that nobody has made yet, inside the batch's transaction.

        Raises TableBusy, NotChanged; TooSlow for one that the deadline does not leave enough time for; TableFault for
        a table that is not what it was when the change was planned.
        """
        wait = [evolution for evolution in evolutions if evolution.rest]
        if not wait:
            return
        until = time.monotonic() + self.deadline
        with translated("change tables"):
            ((locks, statement),) = connection.execute(_LIMITS).fetchall()
        for evolution in sorted(wait, key=lambda each: each.table):
            self._change(connection, evolution, until)
        with translated("change tables"):
            _limit(connection, locks, statement)

    def _lock(self, connection: psycopg.Connection, evolution: Evolution) -> None:
        """Be the only one who changes the table, until the transaction ends."""
        limit_locks(connection, self.lock_timeout)
        connection.execute(_LOCK, (f"headrace table {evolution.table}",))

    def _change(self, connection: psycopg.Connection, evolution: Evolution, until: float) -> None:
        with _changing(evolution):
            self._lock(connection, evolution)
        if not _is_due(connection, evolution):
            # another worker was first
            return
        with _changing(evolution):
            if evolution.before is None:
                self._ensure_schema(connection, evolution.table)
            else:
                # waiting for others is no part of how long the change takes
                connection.execute(sql.SQL("LOCK TABLE {}").format(table_name(evolution.table)))
        # whoever held the table may have changed it
        if evolution.before is not None and not _is_due(connection, evolution):
            return
        with _changing(evolution):
            for statement in statements(evolution.table, evolution.rest):
                left = until - time.monotonic()
                if left <= 0:
                    raise TooSlow(_too_long(evolution), evolution.table)
                _limit(connection, f"{int(self.lock_timeout * 1000)}ms", f"{max(1, int(left * 1000))}ms")
                connection.execute(statement)
            changes.applied(connection, self.group, self.worker, evolution)

    def _ensure_schema(self, connection: psycopg.Connection, table: TableName) -> None:
        """IF NOT EXISTS alone would look in front of its lock, and want the privilege where nothing is missing."""
        query = "SELECT to_regnamespace(quote_ident(%s)) IS NULL"
        if connection.execute(query, (table.schema,)).fetchone() == (True,):
            connection.execute(_LOCK, (f"headrace schema {table.schema}",))
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(table.schema)))


def _is_due(connection: psycopg.Connection, evolution: Evolution) -> bool:
    """Whether the table is as it was when the change was planned, and not as the change leaves it. Raises TableFault
    where it is neither.
    """
    with _changing(evolution):
        now = read_shape(connection, evolution.table)
    if now == evolution.after:
        return False
    if now != evolution.before:
        raise TableFault(_moved(evolution), evolution.table)
    return True


def _limit(connection: psycopg.Connection, locks: str, statement: str) -> None:
    for name, value in (("lock_timeout", locks), ("statement_timeout", statement)):
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def _added(connection: psycopg.Connection, step: AddLabel) -> bool:
    kind = step.type
    if connection.execute(_HAS_LABEL, (kind.schema, kind.type, step.label)).fetchone() == (True,):
        return False
    connection.execute(label_statement(step))
    return True


@contextmanager
def _changing(evolution: Evolution) -> Iterator[None]:
    """What keeps a change from being made is about its table alone. Raises TableBusy, NotChanged, TooSlow."""
    with refused(evolution.table, lambda: by_hand(evolution.steps, evolution.sql)):
        try:
            with translated("change table", evolution.table):
                yield
        except TableBusy as error:
            if error.failure.kind != "target.timeout":
                raise
            raise TooSlow(_too_long(evolution), evolution.table) from error


def _moved(evolution: Evolution) -> Failure:
    detail = f"table {evolution.table} has been changed since a change of it was planned"
    return failed(KINDS["table.shape"], "postgres", "compare shapes", detail)


def _too_long(evolution: Evolution) -> Failure:
    detail = f"a change of table {evolution.table} does not end within target.batch_deadline"
    remedy = (
        f"Do it by hand at a time of your choice, then Headrace goes on by itself: "
        f"{by_hand(evolution.steps, evolution.sql)}. Or have it try once more by `headrace schema apply`."
    )
    return failed(KINDS["table.approval"], "postgres", "change table", detail, remedy=remedy)
