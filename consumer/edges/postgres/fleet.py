"""Workers and tables of a group, read for people."""

from collections import defaultdict
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row, namedtuple_row

from consumer.core.lag import Lag, Log, Place, lags
from consumer.core.records import TopicPartition
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.pauses import paused_by
from consumer.edges.postgres.session import OWNER_LIVES
from consumer.edges.postgres.translate import translated
from consumer.ports.control import TableState, Worker

_WORKERS = """
SELECT name, host, pid, version, state, started_at, seen_at,
    extract(epoch FROM clock_timestamp() - seen_at)::float8 AS quiet, every,
    partitions, batch, queue_batches, queue_bytes, rss_bytes, breakers, metrics_port, flags_off, held_back
FROM headrace.workers WHERE group_name = %s ORDER BY name
"""
# the ledger is not searched for tables that nothing was written to for long
_TABLES = f"""
WITH newest AS (
    SELECT tables, id, finished_at FROM headrace.batches
    WHERE group_name = %(group)s AND state = 'applied' ORDER BY id DESC LIMIT 2000
), written AS (
    SELECT name, max(id) AS batch, max(finished_at) AS applied_at
    FROM newest, jsonb_object_keys(tables) AS name GROUP BY name
), open AS (
    SELECT g.topic, sum(n.letters) AS letters, sum(n.letters) FILTER (WHERE n.state = 'dead') AS dead
    FROM headrace.letter_groups g
    JOIN headrace.letter_tallies n ON n.group_name = g.group_name AND n.fingerprint = g.fingerprint
    WHERE g.group_name = %(group)s AND n.state IN ({OPEN_STATES}) GROUP BY g.topic
)
SELECT t.table_name AS table, p.topic, w.batch, w.applied_at,
    coalesce(o.letters, 0)::bigint AS letters, coalesce(o.dead, 0)::bigint AS dead
FROM (SELECT DISTINCT topic FROM headrace.positions WHERE group_name = %(group)s) p
LEFT JOIN headrace.target_tables t ON t.group_name = %(group)s AND t.topic = p.topic
LEFT JOIN written w ON w.name = t.table_name
LEFT JOIN open o ON o.topic = p.topic
ORDER BY t.table_name NULLS LAST, p.topic
"""
_PLACES = f"""
SELECT p.topic, p.partition, p.next_offset, p.stopped, p.wait_for,
    {OWNER_LIVES} AS held,
    coalesce((
        SELECT array_agg(t.table_name ORDER BY t.table_name) FROM headrace.target_tables t
        WHERE t.group_name = p.group_name AND t.topic = p.topic
    ), '{{}}') AS tables,
    (SELECT to_jsonb(s) FROM headrace.pauses_of(p.group_name, p.topic, p.partition) AS s LIMIT 1) AS paused
FROM headrace.positions p WHERE p.group_name = %s ORDER BY p.topic, p.partition
"""


def workers(connection: psycopg.Connection, group: str) -> list[Worker]:
    """All that have a row."""
    with translated("read workers"), connection.cursor(row_factory=class_row(Worker)) as cursor:
        return cursor.execute(_WORKERS, (group,)).fetchall()


def tables(connection: psycopg.Connection, group: str) -> list[TableState]:
    """The topics that have positions, with their tables."""
    with translated("read tables"), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_TABLES, {"group": group}).fetchall()
    parts: dict[str, list[Lag]] = defaultdict(list)
    for one in lags(places(connection, group), Log(), (), 0.0):
        parts[one.at.topic].append(one)
    return [TableState(**row, parts=parts[row["topic"]]) for row in rows]


def places(connection: psycopg.Connection, group: str) -> list[Place]:
    """All partitions of a group."""
    with translated("read positions"), connection.cursor(row_factory=namedtuple_row) as cursor:
        return [_place(row) for row in cursor.execute(_PLACES, (group,))]


def _place(row: Any) -> Place:
    return Place(
        at=TopicPartition(row.topic, row.partition),
        position=row.next_offset,
        held=row.held,
        tables=row.tables,
        stopped=row.stopped,
        wait_for=row.wait_for,
        paused=row.paused and paused_by(row.paused),
    )
