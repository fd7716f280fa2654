"""The ledger: one row for each batch, from its start on.

That a batch has started is written in a small transaction of its own, in the same journey that begins the batch's. It
is not waited for on disk, and no rule rests on it: the positions are the truth. `applied` is set in the transaction of
the batch. So a row that stays `started` is a batch whose worker or session died in the middle of it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from consumer.core.failure import Failure, HeadraceError
from consumer.core.plan import Plan
from consumer.edges.postgres.translate import translated
from consumer.ports.target import Taken

_BESIDE = sql.SQL("BEGIN; SET LOCAL synchronous_commit TO off; {}; COMMIT; BEGIN")
_STARTED = sql.SQL("""
INSERT INTO headrace.batches (group_name, worker, state, ranges, records, started_at, finished_at)
VALUES ({group}, {worker}, 'started', {ranges}, {records}, {started}, NULL) RETURNING id
""")
_AGAIN = sql.SQL("""
UPDATE headrace.batches SET state = 'started', attempt = attempt + 1, started_at = {started}, finished_at = NULL
WHERE id = {id} RETURNING id
""")
_APPLIED = """
UPDATE headrace.batches
SET state = 'applied', finished_at = clock_timestamp(), tables = %s, durations = %s, clocks = %s, outcomes = %s
WHERE id = %s
"""
_ENDED = """
UPDATE headrace.batches SET state = %s, finished_at = clock_timestamp(), error = %s WHERE id = %s AND state = 'started'
"""
_ABANDON = """
UPDATE headrace.batches b SET state = 'abandoned', finished_at = clock_timestamp()
WHERE b.group_name = %s AND b.state = 'started' AND EXISTS (
    SELECT FROM jsonb_array_elements(b.ranges) AS r
    JOIN unnest(%s::text[], %s::int[], %s::bigint[]) AS w(topic, partition, epoch)
      ON w.topic = r ->> 0 AND w.partition = (r ->> 1)::int AND (r ->> 4)::bigint < w.epoch
)
"""
_PRUNE = """
DELETE FROM headrace.batches WHERE id IN (
    SELECT id FROM headrace.batches
    WHERE group_name = %(group)s AND (
        finished_at < now() - make_interval(secs => %(seconds)s)
        OR (state = 'started' AND started_at < now() - make_interval(secs => %(seconds)s))
    ) ORDER BY id LIMIT %(most)s
)
"""


# what becomes of records, as a plan counts them
_RECORDS = ("upserts", "deletes", "folded", "ignored", "letters", "truncates")


@dataclass(frozen=True, slots=True)
class _Entry:
    """The row of the batch that was begun last."""

    id: int
    ranges: list[list[str | int]]


class Ledger:
    """Writes down the batches of one session, one after the other."""

    def __init__(self, group: str, worker: str) -> None:
        self._group = group
        self._worker = worker
        self._entry: _Entry | None = None

    def begin(self, connection: psycopg.Connection, plan: Plan, started: datetime) -> int | None:
        """Begin the batch's transaction, and write down that a batch that has records has started; returns its number.

        One that is tried again as it was is the same row.
        """
        before, self._entry = self._entry, None
        if not plan.counts.records:
            connection.execute("BEGIN")
            return None
        ranges = _ranges(plan)
        if before is not None and before.ranges == ranges:
            row = _AGAIN.format(id=sql.Literal(before.id), started=sql.Literal(started))
        else:
            row = _STARTED.format(
                group=sql.Literal(self._group),
                worker=sql.Literal(self._worker),
                ranges=sql.Literal(Jsonb(ranges)),
                records=sql.Literal(plan.counts.records),
                started=sql.Literal(started),
            )
        # in one journey, which the simple protocol alone can make of several statements
        cursor = connection.execute(_BESIDE.format(row), prepare=False)
        for result in cursor.results():
            if result.description is not None and (found := result.fetchone()) is not None:
                self._entry = _Entry(found[0], ranges)
        return self._entry.id if self._entry else None

    def applied(
        self, connection: psycopg.Connection, plan: Plan, durations: Mapping[str, float], closed: Mapping[str, int]
    ) -> None:
        """Write down in the batch's transaction what it did. Durations in seconds by step; `closed`: letters."""
        if self._entry is None:
            return
        tables: dict[str, dict[str, int]] = {}
        for write in plan.writes:
            counts = tables.setdefault(str(write.table), {})
            counts[write.action.value] = counts.get(write.action.value, 0) + write.rows
        for truncate in plan.truncates:
            tables.setdefault(str(truncate.table), {})["truncate"] = len(truncate.refs)
        spent = {name: round(seconds, 6) for name, seconds in durations.items()}
        outcomes = Jsonb(_outcomes(plan, closed))
        connection.execute(_APPLIED, (Jsonb(tables), Jsonb(spent), Jsonb(_clocks(plan)), outcomes, self._entry.id))

    def committed(self) -> None:
        """The batch is through; the next one is another, even over the same offsets."""
        self._entry = None

    def failed(self, connection: psycopg.Connection, failure: Failure) -> None:
        """Write down, behind the rollback, why it was not applied. What can't be written is left out."""
        self._ended(connection, "failed", failure)

    def abandoned(self, connection: psycopg.Connection) -> None:
        """Write down, behind the rollback, that another owner has its records."""
        self._ended(connection, "abandoned", None)

    def _ended(self, connection: psycopg.Connection, state: str, failure: Failure | None) -> None:
        if self._entry is None or connection.closed:
            return
        error = None if failure is None else Jsonb(_error(failure))
        # the failure that led here must not be hidden by another
        with suppress(HeadraceError), translated("note failed batch"):
            connection.execute(_ENDED, (state, error, self._entry.id))


def abandon(connection: psycopg.Connection, group: str, taken: Sequence[Taken]) -> int:
    """Mark batches that were started under older epochs of partitions just taken; returns how many."""
    columns = [[part.at.topic for part in taken], [part.at.partition for part in taken], [p.epoch for p in taken]]
    return connection.execute(_ABANDON, (group, *columns)).rowcount


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> int:
    """Delete rows older than that, at most so many; returns how many."""
    values = {"group": group, "seconds": keep_hours * 3600, "most": most}
    return connection.execute(_PRUNE, values).rowcount


def _ranges(plan: Plan) -> list[list[str | int]]:
    return [[piece.at.topic, piece.at.partition, piece.start, piece.end, piece.epoch] for piece in plan.slices]


def _error(failure: Failure) -> dict[str, str]:
    return {"kind": failure.kind, "detail": failure.detail, "remedy": failure.remedy, "code": failure.code}


def _outcomes(plan: Plan, closed: Mapping[str, int]) -> dict[str, object]:
    """What became of the parts of a batch, without what is nothing."""
    counts = plan.counts
    records = {name: getattr(counts, name) for name in _RECORDS if getattr(counts, name)}
    letters: dict[str, Counter[str]] = defaultdict(Counter)
    for stage in plan.stages:
        for aside in stage.letters:
            states = Counter(letter.state.value for letter in aside.letters)
            letters[str(aside.table) if aside.table else ""] += states
    parts = {
        "records": records,
        "letters": letters,
        "closed": {state: count for state, count in closed.items() if count},
        "returned": Counter(verdict.state.value for verdict in plan.verdicts),
        "left_out": [[*at, kind] for at, kind in sorted(plan.left_out.items())],
    }
    return {name: part for name, part in parts.items() if part}


def _clocks(plan: Plan) -> dict[str, int]:
    appended = [at for piece in plan.slices if (at := piece.appended_ms) is not None]
    clocks = {"appended": min(appended)} if appended else {}
    if plan.source_ms:
        clocks |= {"source_oldest": plan.source_ms[0], "source_newest": plan.source_ms[1]}
    return clocks
