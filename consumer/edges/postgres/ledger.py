"""The ledger: one row for each applied batch, written in its transaction."""

from collections.abc import Mapping
from datetime import datetime

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.plan import Plan

_APPLIED = """
INSERT INTO headrace.batches (group_name, worker, state, ranges, tables, records, started_at, durations, clocks)
VALUES (%s, %s, 'applied', %s, %s, %s, %s, %s, %s)
"""
# bounded, so that it ends within its timeout; the next one goes on
_PRUNE = """
DELETE FROM headrace.batches WHERE id IN (
    SELECT id FROM headrace.batches
    WHERE group_name = %s AND finished_at < now() - make_interval(secs => %s) ORDER BY id LIMIT 50000
)
"""


def applied(
    connection: psycopg.Connection,
    names: tuple[str, str],
    plan: Plan,
    started: datetime,
    durations: Mapping[str, float],
) -> None:
    """Write down a batch that has records. `names`: group and worker; durations in seconds by step."""
    if not plan.counts.records:
        return
    ranges = [[piece.at.topic, piece.at.partition, piece.start, piece.end] for piece in plan.slices]
    tables: dict[str, dict[str, int]] = {}
    for write in plan.writes:
        counts = tables.setdefault(str(write.table), {})
        counts[write.action.value] = counts.get(write.action.value, 0) + write.rows
    spent = {name: round(seconds, 6) for name, seconds in durations.items()}
    values = (Jsonb(ranges), Jsonb(tables), plan.counts.records, started, Jsonb(spent), Jsonb(_clocks(plan)))
    connection.execute(_APPLIED, (*names, *values))


def prune(connection: psycopg.Connection, group: str, keep_hours: float) -> int:
    """Delete rows older than that, bounded; returns how many."""
    return connection.execute(_PRUNE, (group, keep_hours * 3600)).rowcount


def _clocks(plan: Plan) -> dict[str, int]:
    appended = [piece.appended_ms for piece in plan.slices if piece.appended_ms]
    clocks = {"appended": min(appended)} if appended else {}
    if plan.source_ms:
        clocks |= {"source_oldest": plan.source_ms[0], "source_newest": plan.source_ms[1]}
    return clocks
