"""Temporary staging tables: one a (table, action, column set, stage), kept for the session, filled by binary COPY."""

from collections import OrderedDict
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.plan import StagedColumn, TableWrite
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated

MOST = 64

Signature = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """A write whose rows are in a staging table."""

    write: TableWrite
    staging: sql.Identifier


class Staging:
    """The staging tables of one session; at most `MOST` outlive a batch."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._tables: OrderedDict[Signature, str] = OrderedDict()
        self._made = 0

    def prepare(self, stages: tuple[tuple[TableWrite, ...], ...]) -> list[list[Staged]]:
        """Staging tables for every write, created where there is none yet. Runs outside the batch transaction."""
        self._forget(sum(map(len, stages)))
        return [[Staged(write, self._table(write, place)) for write in writes] for place, writes in enumerate(stages)]

    def fill(self, staged: Staged) -> None:
        """COPY the write's rows, inside the batch transaction."""
        write = staged.write
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in write.columns)
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(staged.staging, columns)
        with translated("stage rows", write.table), self._connection.cursor() as cursor, cursor.copy(copy) as stream:
            for chunk in write.payload:
                stream.write(chunk)

    def clear(self, all_staged: list[Staged]) -> None:
        """Empty the staging tables, inside the batch transaction."""
        if all_staged:
            names = sql.SQL(", ").join(staged.staging for staged in all_staged)
            self._connection.execute(sql.SQL("TRUNCATE {}").format(names))

    def _table(self, write: TableWrite, place: int) -> sql.Identifier:
        signature: Signature = (write.table, write.action, write.columns, place)
        name = self._tables.get(signature)
        if name is None:
            self._made += 1
            name = f"headrace_{self._made}"
            with translated("create staging", write.table):
                self._connection.execute(_create(name, write))
            self._tables[signature] = name
        self._tables.move_to_end(signature)
        return sql.Identifier("pg_temp", name)

    def _forget(self, wanted: int) -> None:
        """Drop the least recently used tables when the next batch would leave more than MOST."""
        surplus = max(0, min(len(self._tables), len(self._tables) + wanted - MOST))
        old = [self._tables.popitem(last=False)[1] for _ in range(surplus)] if len(self._tables) > MOST // 2 else []
        if old:
            names = sql.SQL(", ").join(sql.Identifier("pg_temp", name) for name in old)
            with transaction(self._connection, "drop staging"):
                self._connection.execute(sql.SQL("DROP TABLE {}").format(names))


def _create(name: str, write: TableWrite) -> sql.Composed:
    columns = sql.SQL(", ").join(_definition(column, write) for column in write.columns)
    return sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT PRESERVE ROWS").format(sql.Identifier(name), columns)


def _definition(column: StagedColumn, write: TableWrite) -> sql.Composed:
    # staging types come from `consumer.core.types`, never from input
    return sql.SQL("{} pg_catalog.{}").format(sql.Identifier(column.name), sql.Identifier(column.staging))
