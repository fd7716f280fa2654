"""Which topics' rows the rows of a topic depend on, by the foreign keys of the target."""

from collections.abc import Collection

import psycopg
from psycopg import sql

from consumer.edges.postgres.translate import translated

# A referenced table that no topic has been bound to yet may be any topic's of which nothing is bound.
_RELIED_ON = """
WITH mine AS (
    SELECT topic, table_name FROM headrace.target_tables WHERE group_name = %(group)s
), bound AS (
    SELECT m.topic, c.oid AS relid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN mine m ON m.table_name = n.nspname || '.' || c.relname
), referenced AS (
    SELECT b.topic, k.{other} AS relid
    FROM bound b JOIN pg_constraint k ON k.contype = 'f' AND k.{own} = b.relid
    WHERE b.topic = ANY (%(topics)s)
)
SELECT r.topic, b.topic FROM referenced r JOIN bound b ON b.relid = r.relid
UNION
SELECT r.topic, p.topic FROM referenced r, headrace.positions p
WHERE p.group_name = %(group)s AND r.relid NOT IN (SELECT relid FROM bound)
  AND p.topic NOT IN (SELECT topic FROM mine)
"""
_OWN, _OTHER = sql.Identifier("conrelid"), sql.Identifier("confrelid")
_COMING = sql.SQL(_RELIED_ON).format(own=_OWN, other=_OTHER)
_LEAVING = sql.SQL(_RELIED_ON).format(own=_OTHER, other=_OWN)


def relied_on(
    connection: psycopg.Connection, group: str, topics: Collection[str], *, leaving: bool = False
) -> dict[str, set[str]]:
    """For each topic itself, whose other partitions may free a unique value, and those of the tables it refers to.

    `leaving`: of rows that are to go, those of the tables that refer to it instead.
    """
    found = {topic: {topic} for topic in topics}
    with translated("read references"):
        rows = connection.execute(_LEAVING if leaving else _COMING, {"group": group, "topics": list(topics)}).fetchall()
    for topic, other in rows:
        found[topic].add(other)
    return found
