"""What is kept of rows whose key changed, deleted after its time."""

import psycopg

_PRUNE = """
DELETE FROM headrace.moved WHERE (table_name, token) IN (
    SELECT table_name, token FROM headrace.moved
    WHERE kept_at < now() - make_interval(secs => %s) ORDER BY kept_at LIMIT %s
)
"""


def prune(connection: psycopg.Connection, keep_hours: float, most: int) -> int:
    """Delete what was kept longer ago, at most so many rows of it; returns how many."""
    return connection.execute(_PRUNE, (keep_hours * 3600, most)).rowcount
