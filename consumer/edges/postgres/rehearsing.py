"""Changes of target tables, done with an empty copy of which nothing is left."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from psycopg import sql

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.steps import AddLabel, CreateTable, RenameColumn, SetDefault, Step, by_hand
from consumer.core.target import TableName, TargetTable
from consumer.edges.postgres.catalog import read_table
from consumer.edges.postgres.ddl import statement
from consumer.edges.postgres.session import limit_locks, rollback
from consumer.edges.postgres.shapes import read_shape
from consumer.edges.postgres.staged_rows import table_name
from consumer.edges.postgres.translate import translated
from consumer.ports.evolution import Rehearsed
from consumer.ports.refusals import DataFault, NotChanged, TableFault

_COPY = TableName("pg_temp", "headrace_rehearsal")
_LIKE = "INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING INDEXES"


def rehearse(connection: psycopg.Connection, name: TableName, steps: Sequence[Step], lock_timeout: float) -> Rehearsed:
    """Do the steps with an empty copy of the table. Raises NotChanged, TableBusy."""
    there = read_table(connection, name)
    said = refused(name, lambda: by_hand(steps, spelled(connection, name, steps)))
    with said, _copied(connection, name, lock_timeout, there=there is not None):
        with translated("rehearse", name):
            for step in steps:
                if not isinstance(step, AddLabel):
                    connection.execute(statement(_COPY, step))
            query = "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()"
            ((schema,),) = connection.execute(query).fetchall()
        copy = TableName(schema, _COPY.name)
        table, shape = read_table(connection, copy), read_shape(connection, copy)
    assert table is not None
    assert shape is not None
    if there is not None:
        table = _as_there(table, there, steps)
    return Rehearsed(table=replace(table, name=name), shape=shape, sql=spelled(connection, name, steps))


def unfit(
    connection: psycopg.Connection, name: TableName, steps: Sequence[Step], lock_timeout: float
) -> Collection[Step]:
    """Those of the defaults that their columns do not take, behind the other steps. Raises as `rehearse` does."""
    defaults = [step for step in steps if isinstance(step, SetDefault)]
    others = [step for step in steps if not isinstance(step, SetDefault | AddLabel)]
    found: list[Step] = []
    said = refused(name, lambda: by_hand(steps, spelled(connection, name, steps)))
    there = not any(isinstance(step, CreateTable) for step in steps)
    with said, _copied(connection, name, lock_timeout, there=there):
        with translated("rehearse", name):
            for step in others:
                connection.execute(statement(_COPY, step))
        for default in defaults:
            try:
                with translated("rehearse", name), connection.transaction():
                    connection.execute(statement(_COPY, default))
            except (DataFault, TableFault):
                found.append(default)
    return found


def spelled(connection: psycopg.Connection, name: TableName, steps: Sequence[Step]) -> tuple[str, ...]:
    """The steps as statements, for people."""
    return tuple(statement(name, step).as_string(connection) for step in steps)


@contextmanager
def refused(table: TableName, sql_of: Callable[[], str]) -> Iterator[None]:
    """A statement that the server does not take is shown to people, who may know better. Raises NotChanged."""
    try:
        yield
    except NotChanged:
        raise
    except (DataFault, TableFault) as error:
        privilege = error.failure.kind == "table.privilege"
        kind = KINDS["table.privilege" if privilege else "table.schema"]
        detail = f"a change of table {table} is refused: {error.failure.detail}"
        remedy = f"Do it by hand, then Headrace goes on by itself: {sql_of()}"
        failure = failed(kind, "postgres", "change table", detail, remedy=remedy, code=error.failure.code)
        raise NotChanged(failure, table) from error


@contextmanager
def _copied(
    connection: psycopg.Connection, name: TableName, lock_timeout: float, *, there: bool = True
) -> Iterator[None]:
    """A transaction that is rolled back, with an empty copy of the table if that is there."""
    with translated("begin"):
        connection.execute("BEGIN")
    try:
        with translated("rehearse", name):
            limit_locks(connection, lock_timeout)
            if there:
                copied = sql.SQL("CREATE TABLE {} (LIKE {} {})")
                connection.execute(copied.format(table_name(_COPY), table_name(name), sql.SQL(_LIKE)))
        yield
    finally:
        if not connection.closed:
            rollback(connection)


def _as_there(copy: TargetTable, there: TargetTable, steps: Sequence[Step]) -> TargetTable:
    """The copy with what it does not copy: what we may do, what triggers fill, and which indexes are usable."""
    names: dict[str, str] = {}
    for step in steps:
        if isinstance(step, RenameColumn):
            names[step.new] = names.pop(step.column, step.column)
    before = {column.name: column for column in there.columns}
    columns = []
    for column in copy.columns:
        was = before.get(names.get(column.name, column.name))
        if was is not None:
            column = replace(column, lacks=was.lacks, needed=column.needed and was.needed)
        columns.append(column)
    usable = set(there.unique)
    unique = tuple(key for key in copy.unique if frozenset(names.get(name, name) for name in key) in usable)
    return replace(copy, columns=tuple(columns), unique=unique, lacks=there.lacks, rank=there.rank)
