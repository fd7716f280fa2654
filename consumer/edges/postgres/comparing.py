"""What writes would do to a row of the target: done as a batch does it, looked at, and taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from consumer.core.writes import TableWrite
from consumer.edges.postgres import catalog, truncating
from consumer.edges.postgres.guards import kept_out
from consumer.edges.postgres.staged_rows import same_row, table_name
from consumer.edges.postgres.staging import Staged, Staging
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.writing import Writer
from consumer.ports.refusals import DataFault

LONGEST = 4096
"""Most characters of a value that are returned."""

# a batch that wants the row waits at most so long
_SOON = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'"

Row = tuple[tuple[str | None, int | None], ...]
"""Of each column the beginning of its text, and a hash of all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A row of the target in front of some writes and behind them; None where there is none.

    `kept_out`: its version says that it is newer than what is written.
    """

    columns: tuple[str, ...]
    before: Row | None
    after: Row | None
    kept_out: bool = False


def compared(connection: psycopg.Connection, group: str, writes: Sequence[TableWrite]) -> Compared:
    """What writes of one row would make of it; the last one says which row. Nothing stays of it.

    Raises DataFault, TableFault for what the target refuses, Transient when it is busy.
    """
    table = writes[-1].table
    with translated("empty staging"):
        # the session may have compared other rows
        connection.execute("DISCARD TEMP")
        found = catalog.read_table(connection, table)
    staging = Staging(connection)
    ((*staged,),) = staging.prepare([list(writes)])
    columns = tuple(column.name for column in found.columns) if found else ()
    with translated("compare row", table), connection.transaction(force_rollback=True):
        connection.execute(_SOON)
        staging.clear(staged)
        for one in staged:
            staging.fill(one)
        floors = truncating.floors(connection, group, {table} if writes[-1].floored else set(), set())
        staged = [replace(one, floor=floors.get(table)) for one in staged]
        before = _row(connection, staged[-1], columns)
        late = writes[-1].version is not None and connection.execute(kept_out(staged[-1])).rowcount > 0
        for one in staged:
            for why in Writer(100.0).write(connection, one).values():
                raise DataFault(why, one.write.table)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        return Compared(columns=columns, before=before, after=_row(connection, staged[-1], columns), kept_out=late)


def _row(connection: psycopg.Connection, staged: Staged, columns: Sequence[str]) -> Row | None:
    part = sql.SQL("left({text}, {most}), hashtextextended({text}, 0)")
    texts = [sql.SQL("CAST(t.{} AS text)").format(sql.Identifier(name)) for name in columns]
    parts = [part.format(text=text, most=LONGEST) for text in texts]
    query = sql.SQL("SELECT {} FROM {} AS t, {} AS s WHERE {} LIMIT 1").format(
        sql.SQL(", ").join(parts), table_name(staged.write.table), staged.staging, same_row(staged)
    )
    row = connection.execute(query).fetchone()
    return None if row is None else tuple(zip(row[::2], row[1::2], strict=True))
