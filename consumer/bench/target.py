"""The target side of a run: the state before it, the moments at which effects are seen, and the check after it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.bench import workload
from consumer.bench.failures import late
from consumer.bench.rig import Rig
from consumer.bench.scenario import Dataset
from consumer.stack.waiting import wait_until

POLL_SECONDS = 0.02
# seconds without progress after which a run is given up
STALLED = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`first`: when effects were first seen, `landed` events by then; `last`: when all were there. `time.monotonic`."""

    first: float
    landed: int
    last: float


def reset(rig: Rig, dataset: Dataset) -> None:
    """Puts the tables into the state before the first event, written out to disk."""
    with rig.target() as connection:
        workload.create_tables(connection, dataset)
        workload.preload(connection, dataset)
        if dataset.mix.preloaded:
            connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")


class Watch:
    """Looks at the target by primary keys: of many tables at the first that is not complete yet, so that a look costs
    the server no more than with a single table.
    """

    def __init__(self, connection: psycopg.Connection, dataset: Dataset, tick: Callable[[int], None]) -> None:
        self._connection = connection
        self._dataset = dataset
        self._tick = tick
        self._first = _each(dataset, "EXISTS (SELECT FROM {} WHERE id = 1 AND event > 0)", " OR ")
        last = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE id = 0)")
        self._unfinished = [last.format(workload.name(dataset, table)) for table in reversed(dataset.tables)]
        self._landed = _each(dataset, "coalesce((SELECT max(event) FROM {}), 0)", " + ")
        self._next_tick = 0.0

    def run(self, began: Callable[[], None]) -> Seen:
        """Returns when the last effect is there; `began` is called at the first.

        `tick` hears once a second how many rows were written, as far as the server's statistics know, and may raise.
        """
        self._until(lambda: self._there(self._first))
        first = time.monotonic()
        began()
        landed = self._connection.execute(self._landed).fetchone()
        self._until(self._finished)
        return Seen(first=first, landed=int(landed[0]) if landed else 0, last=time.monotonic())

    def _until(self, reached: Callable[[], bool]) -> None:
        if not wait_until(lambda: self._look(reached), _patience(self._dataset), interval=POLL_SECONDS):
            detail = f"{self._dataset.name} was not applied in {_patience(self._dataset):.0f} s"
            raise late("watch", detail, "Read the contender's log.")

    def _look(self, reached: Callable[[], bool]) -> bool:
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + 1.0
            written = self._connection.execute(_WRITTEN, [self._dataset.name]).fetchone()
            self._tick(int(written[0]) if written else 0)
        return reached()

    def _finished(self) -> bool:
        while self._unfinished and self._there(self._unfinished[-1]):
            self._unfinished.pop()
        return not self._unfinished

    def _there(self, query: sql.Composed) -> bool:
        row = self._connection.execute(query).fetchone()
        return row is not None and bool(row[0])


_WRITTEN = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables WHERE schemaname = %s
"""


def same(rig: Rig, dataset: Dataset, wanted: str = "true") -> bool:
    """Whether every table of the target holds the source's rows, or just those that `wanted` (SQL) is true of:
    their number and two sums over hashes of whole rows.
    """
    query = _each(dataset, _SUMS, " UNION ALL ")
    chosen = _each(dataset, f"{_SUMS} WHERE {wanted}", " UNION ALL ")
    with rig.source() as source, rig.target() as target:
        return source.execute(chosen).fetchall() == target.execute(query).fetchall()


_SUMS = (
    "SELECT count(*), sum(hashtextextended(t::text, 1)::numeric), sum(hashtextextended(t::text, 2)::numeric) FROM {} t"
)


def _patience(dataset: Dataset) -> float:
    """Seconds that a run may take: a thousand events a second, and the time of a start."""
    return STALLED + dataset.events / 1_000


def _each(dataset: Dataset, clause: str, between: str) -> sql.Composed:
    form = sql.SQL(clause)
    parts = [form.format(workload.name(dataset, table)) for table in dataset.tables]
    joined = sql.SQL(between).join(parts)
    return joined if clause.startswith("SELECT") else sql.SQL("SELECT {}").format(joined)
