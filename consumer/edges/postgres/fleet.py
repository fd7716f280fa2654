"""Workers and tables of a group, read for people."""

from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from consumer.control import TableState, Worker
from consumer.edges.postgres.pauses import paused_by
from consumer.edges.postgres.translate import translated

_WORKERS = """
SELECT name, host, pid, version, state, started_at, seen_at,
    extract(epoch FROM clock_timestamp() - seen_at)::float8 AS quiet, every,
    partitions, batch, queue_batches, queue_bytes, rss_bytes, breakers
FROM headrace.workers WHERE group_name = %s ORDER BY name
"""
# the ledger is not searched for tables that nothing was written to for long
_TABLES = """
WITH newest AS (
    SELECT tables, id, finished_at FROM headrace.batches
    WHERE group_name = %(group)s AND state = 'applied' ORDER BY id DESC LIMIT 2000
), written AS (
    SELECT name, max(id) AS batch, max(finished_at) AS applied_at
    FROM newest, jsonb_object_keys(tables) AS name GROUP BY name
), waiting AS (
    SELECT topic, table_name, count(*) AS letters, count(*) FILTER (WHERE state = 'dead') AS dead
    FROM headrace.letters
    WHERE group_name = %(group)s AND state IN ('retrying', 'held', 'dead', 'replaying') GROUP BY topic, table_name
), topics AS (
    SELECT p.topic, count(*) AS partitions, sum(p.next_offset)::bigint AS positions, max(p.updated_at) AS moved_at,
        count(p.wait_for) AS waiting,
        coalesce(
            jsonb_agg(p.stopped || jsonb_build_object('partition', p.partition) ORDER BY p.partition)
            FILTER (WHERE p.stopped IS NOT NULL), '[]'
        ) AS stopped,
        coalesce(
            (SELECT jsonb_agg(DISTINCT to_jsonb(s)) FROM headrace.positions o
             CROSS JOIN LATERAL headrace.pauses_of(o.group_name, o.topic, o.partition) AS s
             WHERE o.group_name = %(group)s AND o.topic = p.topic), '[]'
        ) AS pauses
    FROM headrace.positions p WHERE p.group_name = %(group)s GROUP BY p.topic
)
SELECT t.table_name AS table, p.*, w.batch, w.applied_at,
    coalesce(l.letters, 0) AS letters, coalesce(l.dead, 0) AS dead
FROM topics p
LEFT JOIN headrace.target_tables t ON t.group_name = %(group)s AND t.topic = p.topic
LEFT JOIN written w ON w.name = t.table_name
LEFT JOIN LATERAL (
    -- a letter of no known table is its topic's
    SELECT sum(l.letters)::bigint AS letters, sum(l.dead)::bigint AS dead FROM waiting l
    WHERE l.topic = p.topic AND (l.table_name = t.table_name OR l.table_name IS NULL OR t.table_name IS NULL)
) AS l ON true
ORDER BY t.table_name NULLS LAST, p.topic
"""


def workers(connection: psycopg.Connection, group: str) -> list[Worker]:
    """All that have a row."""
    with translated("read workers"), connection.cursor(row_factory=class_row(Worker)) as cursor:
        return cursor.execute(_WORKERS, (group,)).fetchall()


def tables(connection: psycopg.Connection, group: str) -> list[TableState]:
    """The topics that have positions, with their tables."""
    with translated("read tables"), connection.cursor(row_factory=dict_row) as cursor:
        return [_state(row) for row in cursor.execute(_TABLES, {"group": group})]


def _state(row: dict[str, Any]) -> TableState:
    return TableState(**{**row, "pauses": [paused_by(pause) for pause in row["pauses"]]})
