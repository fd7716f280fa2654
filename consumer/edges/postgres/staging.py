"""Temporary staging tables: one a column set, kept for the session, filled by binary COPY.

The writes of a batch with like columns lie in one table, one behind the other, since to empty a table costs as much as
to stage hundreds of rows. Each is a range of places in it then. Writes whose rows are named one by one have a table
each.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import psycopg
import structlog
from psycopg import sql

from consumer.core.failure import Failure, HeadraceError, Transient, failed, told
from consumer.core.kinds import KINDS
from consumer.core.target import TableName
from consumer.core.writes import Action, TableWrite
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import ConnectionLost

log = structlog.get_logger("headrace.target")

MOST_AT_ONCE = 512
"""How many one batch may have: a server's table of locks has room for some thousand, for all of its sessions.

"""

MOST_KEPT = 128
"""How many stay from batch to batch, or as many as the last one had: those that are made and dropped in turns cost the
server's catalogs a dozen rows each time, and more. At the session's end the server drops all of them at once, with some
locks for each.
"""

MOST_DROPPED = 64
"""How many one statement drops: each costs the server some locks."""

MOST_USES = 1000
"""How often one is filled. To empty it leaves a version of its row in the catalog, which nothing takes away while some
session, replica or slot may still look at it, and through which each look at the table leads."""

UNUSED = 3600.0
"""Seconds after which one that no batch wants is dropped: nothing but its session can freeze what lies in it, and until
then the server keeps what it knows of all transactions since."""

# the actions whose writes may lie in one table
_SHARING = frozenset({Action.DELETE, Action.UPSERT, Action.INSERT})
# in place of a number among the writes of like columns
_SHARED = -1

Signature = tuple[tuple[tuple[str, str], ...], int]

# a table that was emptied in this transaction is filled from its start on, by one COPY after the other
_BORDERS = sql.SQL("""
SELECT number, at::text FROM (SELECT ctid AS at, row_number() OVER (ORDER BY ctid) AS number FROM {}) AS s
WHERE number = ANY (%s)
""")
_PART = sql.SQL("(SELECT ctid, * FROM {} WHERE ctid > {} AND ctid <= {})")
_BEGINNING = "(0,0)"


@dataclass(frozen=True, slots=True)
class Staged:
    """A write whose rows are in a staging table. `staging` is what a FROM names: that table, or a part of it.

    `table`: the name of the whole table. `floor`: rows of an older version are kept out.
    """

    write: TableWrite
    table: str
    staging: sql.Composable
    floor: int | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A staging table: how many batches it was handed to, and when the last time."""

    name: str
    uses: int = 0
    used: float = 0.0


class Staging:
    """The staging tables of one session.

    They outlive a batch: MOST_KEPT of them, each for `most_uses` batches, and for UNUSED seconds of `clock`
    without one.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        *,
        most_uses: int = MOST_USES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._most_uses = most_uses
        self._clock = clock
        # those that were used last stand at the end
        self._tables: dict[Signature, _Kept] = {}
        self._made = 0

    def prepare(self, stages: Sequence[Sequence[TableWrite]], alone: Collection[TableName] = ()) -> list[list[Staged]]:
        """Staging tables for every write, created where there is none yet. Runs outside the batch transaction.

        `alone`: target tables whose rows are named one by one. Writes of the others may get one staging table together,
        and are told apart by `divided` once all are filled. Raises Transient, with nothing made, for writes that want
        more than MOST_AT_ONCE.
        """
        signed = _signed(stages, alone)
        wanted = {signature: write for stage in signed for signature, write in stage}
        if len(wanted) > MOST_AT_ONCE:
            raise Transient(_too_many(len(wanted)))
        now = self._clock()
        self._make_room(wanted, now)
        for signature, write in wanted.items():
            kept = self._tables.pop(signature, None) or self._created(write)
            if kept.uses >= self._most_uses:
                kept = self._renewed(kept, write)
            self._tables[signature] = replace(kept, uses=kept.uses + 1, used=now)
        return [
            [Staged(write, name := self._tables[signature].name, _identifier(name)) for signature, write in stage]
            for stage in signed
        ]

    def fill(self, staged: Staged) -> None:
        """COPY the write's rows, inside the batch transaction."""
        write = staged.write
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in write.columns)
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(_identifier(staged.table), columns)
        with translated("stage rows", write.table), self._connection.cursor() as cursor, cursor.copy(copy) as stream:
            for chunk in write.payload:
                stream.write(chunk)

    def clear(self, all_staged: list[Staged]) -> None:
        """Empty the staging tables, inside the batch transaction and in front of its COPY.

        What an earlier transaction emptied may be filled in another order, and rows are named by their place.
        """
        if all_staged:
            names = sql.SQL(", ").join(map(_identifier, dict.fromkeys(staged.table for staged in all_staged)))
            self._connection.execute(sql.SQL("TRUNCATE {}").format(names))

    def drop(self) -> None:
        """Drop all of them."""
        self._drop(list(self._tables))

    def divided(self, stages: Sequence[Sequence[Staged]]) -> list[list[Staged]]:
        """The same writes, each with its part of its staging table. They were filled in this order, after a `clear`."""
        sharing: dict[str, list[Staged]] = defaultdict(list)
        for stage in stages:
            for staged in stage:
                sharing[staged.table].append(staged)
        parts = {table: iter(self._parts(table, writes)) for table, writes in sharing.items()}
        return [[replace(staged, staging=next(parts[staged.table])) for staged in stage] for stage in stages]

    def _parts(self, name: str, writes: Sequence[Staged]) -> Sequence[sql.Composable]:
        table = _identifier(name)
        if len(writes) == 1:
            return [table]
        ends = list(accumulate((staged.write.rows for staged in writes), initial=0))
        places = {0: _BEGINNING, **dict(self._connection.execute(_BORDERS.format(table), (ends,)).fetchall())}
        return [_PART.format(table, *(sql.Literal(places[end]) for end in pair)) for pair in pairwise(ends)]

    def _created(self, write: TableWrite) -> _Kept:
        self._made += 1
        name = f"headrace_{self._made}"
        with translated("create staging", write.table):
            self._connection.execute(_definition(name, write))
        return _Kept(name)

    def _renewed(self, worn: _Kept, write: TableWrite) -> _Kept:
        """Another one in its place; the same where the target lets none be made or dropped now."""
        try:
            new = self._created(write)
            with translated("drop staging"):
                self._connection.execute(sql.SQL("DROP TABLE {}").format(_identifier(worn.name)))
        except ConnectionLost:
            raise
        except HeadraceError as error:
            log.info("a worn staging table is kept", **told(error.failure))
            return replace(worn, uses=0)
        return new

    def _make_room(self, wanted: Collection[Signature], now: float) -> None:
        """Drop those longest unused where there would be too many, and what was not used for long, if it can be."""
        others = {signature: kept.used for signature, kept in self._tables.items() if signature not in wanted}
        surplus = max(0, len(others) + len(wanted) - max(MOST_KEPT, len(wanted)))
        self._drop([*others][:surplus])
        old = [signature for signature in [*others][surplus:] if now - others[signature] > UNUSED]
        try:
            self._drop(old)
        except ConnectionLost:
            raise
        except HeadraceError as error:
            log.info("unused staging tables are kept", **told(error.failure))
            # looked at again as late as if they had been used
            for signature in self._tables.keys() & old:
                self._tables[signature] = replace(self._tables[signature], used=now)

    def _drop(self, old: Sequence[Signature]) -> None:
        """Drop some of them, a part at a time: what is gone is forgotten, though the next part may fail."""
        for start in range(0, len(old), MOST_DROPPED):
            part = old[start : start + MOST_DROPPED]
            names = sql.SQL(", ").join(_identifier(self._tables[signature].name) for signature in part)
            with translated("drop staging"):
                self._connection.execute(sql.SQL("DROP TABLE {}").format(names))
            for signature in part:
                del self._tables[signature]


def _signed(
    stages: Sequence[Sequence[TableWrite]], alone: Collection[TableName]
) -> list[list[tuple[Signature, TableWrite]]]:
    """Writes with what tells their staging tables apart: columns and types, and who may not share them.

    Tables of like columns share staging tables also from batch to batch, so many tables need few.
    """
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
    signed = []
    for writes in stages:
        stage = []
        for write in writes:
            columns = tuple((column.name, column.staging) for column in write.columns)
            if write.action in _SHARING and write.table not in alone:
                stage.append(((columns, _SHARED), write))
            else:
                stage.append(((columns, seen[columns]), write))
                seen[columns] += 1
        signed.append(stage)
    return signed


def _too_many(tables: int) -> Failure:
    return failed(
        KINDS["target.timeout"],
        "postgres",
        "create staging",
        f"the batch wants {tables} staging tables, one for each set of columns of its rows; the most is {MOST_AT_ONCE}",
        remedy="It is repeated in two parts; with REPLICA IDENTITY FULL at the source updates have all columns.",
    )


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier("pg_temp", name)


def _definition(name: str, write: TableWrite) -> sql.Composed:
    # staging types come from `consumer.core.types`, never from input
    columns = sql.SQL(", ").join(
        sql.SQL("{} pg_catalog.{}").format(sql.Identifier(column.name), sql.Identifier(column.staging))
        for column in write.columns
    )
    return sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT PRESERVE ROWS").format(sql.Identifier(name), columns)
