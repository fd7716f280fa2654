"""What is kept of rows whose key changed, within a bound by table, and deleted after its time.

The sizes are kept beside it. A batch adds to them at its very end, so their locks are short, and in one order for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS, TOO_MUCH_MOVED
from consumer.core.target import TableName
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.statements import keep
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import TableFault

_ADD = """
INSERT INTO headrace.moved_sizes AS s (table_name, rows, bytes) VALUES (%s, %s, %s)
ON CONFLICT (table_name) DO UPDATE SET rows = s.rows + excluded.rows, bytes = s.bytes + excluded.bytes
RETURNING rows, bytes
"""
# one that is being read again is not waited for
_RELEASE = """
WITH gone AS (
    DELETE FROM headrace.moved WHERE (table_name, token) IN (
        SELECT table_name, token FROM headrace.moved WHERE table_name = %(table)s AND taken
        ORDER BY kept_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
    ) RETURNING bytes
)
UPDATE headrace.moved_sizes AS s SET rows = s.rows - g.rows, bytes = s.bytes - g.bytes
FROM (SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes FROM gone) AS g
WHERE s.table_name = %(table)s RETURNING s.rows, s.bytes
"""
_PRUNE = """
DELETE FROM headrace.moved WHERE (table_name, token) IN (
    SELECT table_name, token FROM headrace.moved
    WHERE kept_at < now() - make_interval(secs => %s) ORDER BY kept_at LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING table_name, bytes
"""
# taken ones that are released at a time where the bound is reached
_MORE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedBounds:
    """Most rows, and bytes of their columns, that are kept of one table."""

    rows: int = 1_000_000
    bytes: int = 1 << 30


DEFAULT_MOVED = MovedBounds()


@dataclass(frozen=True, slots=True)
class _Size:
    rows: int = 0
    bytes: int = 0

    def __add__(self, more: "_Size") -> "_Size":
        return _Size(self.rows + more.rows, self.bytes + more.bytes)

    def beyond(self, bounds: MovedBounds, part: int = 1) -> bool:
        """Whether it is more than a part of the bounds."""
        return self.rows * part > bounds.rows or self.bytes * part > bounds.bytes


class Moved:
    """What the batches of one session keep, one batch after the other."""

    def __init__(self, bounds: MovedBounds) -> None:
        self._bounds = bounds
        self._added: dict[TableName, _Size] = {}

    def begin(self) -> None:
        """A batch begins, whatever became of the one before."""
        self._added = {}

    def keep(self, connection: psycopg.Connection, staged: Staged) -> None:
        """Keep columns of the staged identities' rows."""
        table = staged.write.table
        with translated("keep columns", table):
            kept = _sizes(connection.execute(keep(staged)).fetchall())
        self._added[table] = self._added.get(table, _Size()) + kept

    def settle(self, connection: psycopg.Connection) -> None:
        """Add what the batch keeps to the sizes, and make room of what was taken already; last in its transaction.

        Raises TableFault where that is not enough: whatever is left may still be needed.
        """
        for table, added in sorted(self._added.items()):
            if added.rows:
                with translated("bound kept columns"):
                    size = self._settled(connection, table, added)
                if size.beyond(self._bounds):
                    raise TableFault(_full(table, size, self._bounds), table)

    def _settled(self, connection: psycopg.Connection, table: TableName, added: _Size) -> _Size:
        size = _sizes(connection.execute(_ADD, (str(table), added.rows, added.bytes)).fetchall())
        # from half of the bound on more is released than is added, so that it is not reached while creates follow
        most, before = 2 * added.rows, None
        while size.beyond(self._bounds, 2) and size != before and (before is None or size.beyond(self._bounds)):
            before = size
            size = _sizes(connection.execute(_RELEASE, {"table": str(table), "most": most}).fetchall())
            most = max(most, _MORE)
        return size


def prune(connection: psycopg.Connection, keep_hours: float, most: int) -> int:
    """Delete what was kept longer ago, at most so many rows of it; returns how many."""
    with connection.transaction():
        gone = connection.execute(_PRUNE, (keep_hours * 3600, most)).fetchall()
        sizes: dict[str, _Size] = {}
        for table, size in gone:
            sizes[table] = sizes.get(table, _Size()) + _Size(1, size)
        for table, left in sorted(sizes.items()):
            connection.execute(_ADD, (table, -left.rows, -left.bytes))
    return len(gone)


def _sizes(rows: Sequence[tuple[int, ...]]) -> _Size:
    return _Size(*map(int, rows[0]))


def _full(table: TableName, size: _Size, bounds: MovedBounds) -> Failure:
    which = "max_moved_rows" if size.rows > bounds.rows else "max_moved_bytes"
    detail = (
        f"{size.rows} rows of {table} whose key changed ({size.bytes} bytes) would be kept for their creates, which is "
        f"more than target.{which}"
    )
    return failed(KINDS[TOO_MUCH_MOVED], "postgres", "keep", detail)
