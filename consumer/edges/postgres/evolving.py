"""Changes of target tables: rehearsed on an empty copy, then made with the first rows that need them.

Labels of enums are the exception: PostgreSQL lets nobody use one in the transaction that adds it, so they have one of
their own in front.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.plan import Evolution, TableName, TargetTable
from consumer.core.steps import AddLabel, Step, by_hand
from consumer.edges.postgres import changes
from consumer.edges.postgres.catalog import read_table
from consumer.edges.postgres.ddl import statement
from consumer.edges.postgres.session import rollback, transaction
from consumer.edges.postgres.shapes import read_shape
from consumer.edges.postgres.statements import table_name
from consumer.edges.postgres.translate import translated
from consumer.ports.evolution import Rehearsed
from consumer.ports.refusals import DataFault, NotChanged, TableBusy, TableFault

_COPY = TableName("pg_temp", "headrace_rehearsal")
_LIKE = "INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING INDEXES"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_HAS_LABEL = """
SELECT EXISTS (
    SELECT FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = %s AND t.typname = %s AND e.enumlabel = %s
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changer:
    """Who makes changes. `lock_timeout`: most seconds that a change waits for a table."""

    group: str
    worker: str
    lock_timeout: float = 2.0

    def label(self, connection: psycopg.Connection, evolutions: Sequence[Evolution]) -> None:
        """Add labels that are missing, each table's in a transaction of its own. Raises TableBusy, NotChanged."""
        for evolution in evolutions:
            if evolution.labels:
                with _changing(evolution), transaction(connection, "add labels"):
                    self._lock(connection, evolution)
                    added = [_added(connection, step) for step in evolution.labels]
                    if any(added) and not evolution.rest:
                        changes.applied(connection, self.group, self.worker, evolution)

    def change(self, connection: psycopg.Connection, evolutions: Sequence[Evolution]) -> None:
        """Make the other changes that nobody has made yet, inside the batch's transaction.

        Raises TableBusy, NotChanged; TableFault for a table that is not what it was when the change was planned.
        """
        wait = [evolution for evolution in evolutions if evolution.rest]
        if not wait:
            return
        ((before,),) = connection.execute("SELECT current_setting('lock_timeout')").fetchall()
        for evolution in sorted(wait, key=lambda each: each.table):
            with _changing(evolution):
                self._lock(connection, evolution)
                self._change(connection, evolution)
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (before,))

    def _lock(self, connection: psycopg.Connection, evolution: Evolution) -> None:
        """Be the only one who changes the table, until the transaction ends."""
        milliseconds = f"{int(self.lock_timeout * 1000)}ms"
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (milliseconds,))
        connection.execute(_LOCK, (f"headrace table {evolution.table}",))

    def _change(self, connection: psycopg.Connection, evolution: Evolution) -> None:
        now = read_shape(connection, evolution.table)
        if now == evolution.after:
            # another worker was first
            return
        if now != evolution.before:
            raise TableFault(_moved(evolution), evolution.table)
        if evolution.before is None:
            self._ensure_schema(connection, evolution.table)
        for step in evolution.rest:
            connection.execute(statement(evolution.table, step))
        changes.applied(connection, self.group, self.worker, evolution)

    def _ensure_schema(self, connection: psycopg.Connection, table: TableName) -> None:
        """IF NOT EXISTS alone would look in front of its lock, and want the privilege where nothing is missing."""
        query = "SELECT to_regnamespace(quote_ident(%s)) IS NULL"
        if connection.execute(query, (table.schema,)).fetchone() == (True,):
            connection.execute(_LOCK, (f"headrace schema {table.schema}",))
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(table.schema)))


def rehearse(connection: psycopg.Connection, name: TableName, steps: Sequence[Step]) -> Rehearsed:
    """Do the steps with an empty copy of the table, of which nothing is left. Raises NotChanged."""
    there = read_table(connection, name)
    with translated("begin"):
        connection.execute("BEGIN")
    try:
        with _refused(name, lambda: by_hand(steps, spelled(connection, name, steps))), translated("rehearse", name):
            if there is not None:
                copied = sql.SQL("CREATE TABLE {} (LIKE {} {})").format(
                    table_name(_COPY), table_name(name), sql.SQL(_LIKE)
                )
                connection.execute(copied)
            for step in steps:
                if not isinstance(step, AddLabel):
                    connection.execute(statement(_COPY, step))
            query = "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()"
            ((schema,),) = connection.execute(query).fetchall()
        copy = TableName(schema, _COPY.name)
        table, shape = read_table(connection, copy), read_shape(connection, copy)
    finally:
        if not connection.closed:
            rollback(connection)
    assert table is not None
    assert shape is not None
    return Rehearsed(table=_renamed(table, name, there), shape=shape, sql=spelled(connection, name, steps))


def spelled(connection: psycopg.Connection, name: TableName, steps: Sequence[Step]) -> tuple[str, ...]:
    """The steps as statements, for people."""
    return tuple(statement(name, step).as_string(connection) for step in steps)


def _renamed(copy: TargetTable, name: TableName, there: TargetTable | None) -> TargetTable:
    """The copy as the table; what we may do with that is not what we may do with a copy of ours."""
    if there is None:
        return replace(copy, name=name)
    lacks = {column.name: column.lacks for column in there.columns}
    columns = tuple(replace(column, lacks=lacks.get(column.name, frozenset())) for column in copy.columns)
    return replace(copy, name=name, columns=columns, lacks=there.lacks, rank=there.rank)


def _added(connection: psycopg.Connection, step: AddLabel) -> bool:
    kind = step.type
    if connection.execute(_HAS_LABEL, (kind.schema, kind.type, step.label)).fetchone() == (True,):
        return False
    connection.execute(statement(_COPY, step))
    return True


@contextmanager
def _changing(evolution: Evolution) -> Iterator[None]:
    """What keeps a change from being made is about its table alone. Raises TableBusy, NotChanged, TableFault."""
    with _refused(evolution.table, lambda: by_hand(evolution.steps, evolution.sql)):
        try:
            with translated("change table", evolution.table):
                yield
        except TableBusy as error:
            if error.failure.kind != "target.timeout":
                raise
            raise NotChanged(_too_long(evolution), evolution.table) from error


@contextmanager
def _refused(table: TableName, sql_of: Callable[[], str]) -> Iterator[None]:
    """A statement that the server does not take is shown to people, who may know better."""
    try:
        yield
    except (DataFault, TableFault) as error:
        if isinstance(error, NotChanged) or error.failure.operation == _MOVED:
            raise
        privilege = error.failure.kind == "table.privilege"
        kind = KINDS["table.privilege" if privilege else "table.schema"]
        detail = f"a change of table {table} is refused: {error.failure.detail}"
        remedy = _by_hand(sql_of())
        failure = failed(kind, "postgres", "change table", detail, remedy=remedy, code=error.failure.code)
        raise NotChanged(failure, table) from error


def _by_hand(statements: str) -> str:
    return f"Do it by hand, then Headrace goes on by itself: {statements}"


_MOVED = "compare shapes"


def _moved(evolution: Evolution) -> Failure:
    detail = f"table {evolution.table} has been changed since a change of it was planned"
    return failed(KINDS["table.shape"], "postgres", _MOVED, detail)


def _too_long(evolution: Evolution) -> Failure:
    detail = f"a change of table {evolution.table} does not end within target.batch_deadline"
    return failed(
        KINDS["table.schema"],
        "postgres",
        "change table",
        detail,
        remedy=_by_hand(by_hand(evolution.steps, evolution.sql)),
    )
