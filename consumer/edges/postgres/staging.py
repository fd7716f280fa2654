"""Temporary staging tables: one a column set and place in the batch, kept for the session, filled by binary COPY."""

from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.plan import TableWrite
from consumer.edges.postgres.translate import translated

MOST = 64

Signature = tuple[tuple[tuple[str, str], ...], int]


@dataclass(frozen=True, slots=True)
class Staged:
    """A write whose rows are in a staging table. `staging` is what a FROM names: that table, or a part of it.

    `floor`: rows of an older version are kept out.
    """

    write: TableWrite
    staging: sql.Composable
    floor: int | None = None


class Staging:
    """The staging tables of one session; at most `MOST` outlive a batch."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._tables: OrderedDict[Signature, str] = OrderedDict()
        self._made = 0

    def prepare(self, stages: Sequence[Sequence[TableWrite]]) -> list[list[Staged]]:
        """Staging tables for every write, created where there is none yet. Runs outside the batch transaction."""
        signed = _signed(stages)
        wanted = {signature: write for stage in signed for signature, write in stage}
        self._make_room(wanted)
        for signature, write in wanted.items():
            if signature not in self._tables:
                self._create(signature, write)
            self._tables.move_to_end(signature)
        return [
            [Staged(write, sql.Identifier("pg_temp", self._tables[signature])) for signature, write in stage]
            for stage in signed
        ]

    def fill(self, staged: Staged) -> None:
        """COPY the write's rows, inside the batch transaction."""
        write = staged.write
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in write.columns)
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(staged.staging, columns)
        with translated("stage rows", write.table), self._connection.cursor() as cursor, cursor.copy(copy) as stream:
            for chunk in write.payload:
                stream.write(chunk)

    def clear(self, all_staged: list[Staged]) -> None:
        """Empty the staging tables, inside the batch transaction and in front of its COPY.

        What an earlier transaction emptied may be filled in another order, and rows are named by their place.
        """
        if all_staged:
            names = sql.SQL(", ").join(staged.staging for staged in all_staged)
            self._connection.execute(sql.SQL("TRUNCATE {}").format(names))

    def _create(self, signature: Signature, write: TableWrite) -> None:
        self._made += 1
        name = f"headrace_{self._made}"
        with translated("create staging", write.table):
            self._connection.execute(_definition(name, write))
        self._tables[signature] = name

    def _make_room(self, wanted: Collection[Signature]) -> None:
        """Drop the tables longest unused, so that at most MOST (or all that one batch needs) are kept."""
        new = sum(1 for signature in wanted if signature not in self._tables)
        surplus = len(self._tables) + new - MOST
        old = [signature for signature in self._tables if signature not in wanted][: max(0, surplus)]
        if old:
            names = sql.SQL(", ").join(sql.Identifier("pg_temp", self._tables[signature]) for signature in old)
            with translated("drop staging"):
                self._connection.execute(sql.SQL("DROP TABLE {}").format(names))
            for signature in old:
                del self._tables[signature]


def _signed(stages: Sequence[Sequence[TableWrite]]) -> list[list[tuple[Signature, TableWrite]]]:
    """Writes with what tells their staging tables apart: columns and types, and how many of the batch have the same.

    Tables of like columns share staging tables from batch to batch, so many tables need few.
    """
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
    signed = []
    for writes in stages:
        stage = []
        for write in writes:
            columns = tuple((column.name, column.staging) for column in write.columns)
            stage.append(((columns, seen[columns]), write))
            seen[columns] += 1
        signed.append(stage)
    return signed


def _definition(name: str, write: TableWrite) -> sql.Composed:
    # staging types come from `consumer.core.types`, never from input
    columns = sql.SQL(", ").join(
        sql.SQL("{} pg_catalog.{}").format(sql.Identifier(column.name), sql.Identifier(column.staging))
        for column in write.columns
    )
    return sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT PRESERVE ROWS").format(sql.Identifier(name), columns)
