"""What PostgreSQL takes by itself: prepared rows by COPY into temporary tables, upserts from these, a COMMIT a batch.

A session of psycopg and nothing of Headrace's: no positions, no ledger, no savepoints, no locks but PostgreSQL's own.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from consumer.bench.failures import unusable
from consumer.core.writes import Action, StagedColumn, TableWrite
from consumer.edges.postgres.staged_rows import written


class Plain:
    """Applies batches of prepared rows in one session; each write of a batch has a temporary table."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._made: dict[tuple[object, ...], sql.Identifier] = {}

    def seconds(self, batches: Sequence[Sequence[TableWrite]]) -> float:
        """Apply all of them; how long it took. The temporary tables are made beforehand."""
        placed = [list(self._placed(batch)) for batch in batches]
        started = time.monotonic()
        for batch in placed:
            with self._connection.transaction():
                for write, staging in batch:
                    self._write(write, staging)
        return time.monotonic() - started

    def _placed(self, batch: Sequence[TableWrite]) -> Iterator[tuple[TableWrite, sql.Identifier]]:
        seen: Counter[object] = Counter()
        for write in batch:
            kind = (write.table, write.action, write.columns)
            yield write, self._staging(write, (*kind, seen[kind]))
            seen[kind] += 1

    def _write(self, write: TableWrite, staging: sql.Identifier) -> None:
        with self._connection.cursor() as cursor:
            with cursor.copy(
                sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(staging, _names(write.columns))
            ) as stream:
                for chunk in write.payload:
                    stream.write(chunk)
            cursor.execute(_statement(write, staging))

    def _staging(self, write: TableWrite, key: tuple[object, ...]) -> sql.Identifier:
        if key not in self._made:
            name = sql.Identifier("pg_temp", f"plain_{len(self._made)}")
            # staging types come from `consumer.core.types`, never from input
            columns = sql.SQL(", ").join(
                sql.SQL("{} pg_catalog.{}").format(sql.Identifier(column.name), sql.Identifier(column.staging))
                for column in write.columns
            )
            # of what was committed nothing is left there
            self._connection.execute(sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DELETE ROWS").format(name, columns))
            self._made[key] = name
        return self._made[key]


def _statement(write: TableWrite, staging: sql.Identifier) -> sql.Composed:
    """From the staged rows into their table."""
    table = sql.Identifier(write.table.schema, write.table.name)
    by_name = {column.name: column for column in write.columns}
    if write.action is Action.DELETE:
        same = [sql.SQL("t.{} = {}").format(sql.Identifier(name), written(by_name[name])) for name in write.identity]
        return sql.SQL("DELETE FROM {} AS t USING {} AS s WHERE {}").format(table, staging, sql.SQL(" AND ").join(same))
    if write.action is not Action.UPSERT:
        raise unusable(f"the benchmark knows no plain statement for {write.action}", "Choose another scenario.")
    rest = [name for name in by_name if name not in write.identity]
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} AS s ON CONFLICT ({}) DO UPDATE SET {}").format(
        table,
        _names(write.columns),
        sql.SQL(", ").join(map(written, write.columns)),
        staging,
        sql.SQL(", ").join(map(sql.Identifier, write.identity)),
        sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in rest),
    )


def _names(columns: Sequence[StagedColumn]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
