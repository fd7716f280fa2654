"""What is remembered beside positions.

Schemas for when the registry is away, the source's names of a topic for tombstones that come before any
value, ranges that hang the native decoder.
"""

from collections.abc import Mapping, Sequence

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.key_schemas import BoundKey, KeySchema
from consumer.core.records import OffsetRange, TopicPartition
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.translate import translated

_REMEMBER = """
INSERT INTO headrace.schemas (registry, id, schema)
SELECT %s, w.id, w.schema FROM unnest(%s::int[], %s::text[]) AS w(id, schema) ORDER BY w.id
ON CONFLICT (registry, id) DO UPDATE SET schema = excluded.schema WHERE schemas.schema <> excluded.schema
"""
_RECALL = """
SELECT id, schema FROM headrace.schemas WHERE registry = %(registry)s AND (%(all)s OR id = ANY (%(ids)s))
"""
# what is there already is not written again; other names stay known, up to a number that is never met
_REMEMBER_SOURCE = """
INSERT INTO headrace.topic_sources AS s (group_name, topic, key_schema, names, key_name, key_columns)
SELECT w.* FROM (VALUES (%s, %s, %s::int, %s::jsonb, %s, %s::text[]))
    AS w(group_name, topic, key_schema, names, key_name, key_columns)
WHERE NOT EXISTS (
    SELECT FROM headrace.topic_sources t
    WHERE (t.group_name, t.topic, t.key_schema, t.names, t.key_name, t.key_columns)
        = (w.group_name, w.topic, w.key_schema, w.names, w.key_name, w.key_columns)
)
ON CONFLICT (group_name, topic, key_schema) DO UPDATE
SET names = excluded.names, key_name = excluded.key_name, key_columns = excluded.key_columns,
    former = CASE WHEN s.names = excluded.names OR s.former @> jsonb_build_array(s.names)
        OR jsonb_array_length(s.former) >= 1000 THEN s.former ELSE s.former || jsonb_build_array(s.names) END
"""
_RECALL_SOURCE = """
SELECT names FROM headrace.topic_sources WHERE group_name = %s AND topic = %s AND key_schema = %s
"""
_KNOWN_KEYS = """
SELECT names, key_name, key_columns FROM headrace.topic_sources
WHERE group_name = %s AND topic = %s AND key_name IS NOT NULL
"""
_MARK = """
INSERT INTO headrace.decode_marks (group_name, topic, partition, start_offset, end_offset)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_MARKS = "SELECT topic, partition, start_offset, end_offset FROM headrace.decode_marks WHERE group_name = %s"
# A range that lies behind its position has served, unless a letter of it comes back, or one in front of it is searched
# for later changes.
_FORGET = f"""
DELETE FROM headrace.decode_marks m USING headrace.positions p
WHERE m.group_name = %s AND p.group_name = m.group_name AND p.topic = m.topic AND p.partition = m.partition
  AND m.end_offset <= p.next_offset AND NOT EXISTS (
      SELECT FROM headrace.letters l
      WHERE l.group_name = m.group_name AND l.topic = m.topic AND l.partition = m.partition
        AND l."offset" < m.end_offset AND l.state IN ({OPEN_STATES})
  )
"""


def remember_schemas(connection: psycopg.Connection, registry: str, schemas: Mapping[int, str]) -> None:
    """Keep schemas by id."""
    with translated("remember schemas"):
        connection.execute(_REMEMBER, (registry, list(schemas), list(schemas.values())))


def recall_schemas(connection: psycopg.Connection, registry: str, ids: Sequence[int] | None) -> dict[int, str]:
    """Those of the schemas that were kept before; without ids all of that name."""
    values = {"registry": registry, "all": ids is None, "ids": list(ids or ())}
    with translated("recall schemas"):
        rows = connection.execute(_RECALL, values).fetchall()
    return {row[0]: row[1] for row in rows}


def remember_source(connection: psycopg.Connection, group: str, topic: str, schema_id: int, bound: BoundKey) -> None:
    """Keep what the source calls the table of a topic and key schema, and what that schema says."""
    key = bound.key
    values = (group, topic, schema_id, Jsonb(dict(bound.names)), key.name, sorted(key.columns))
    with translated("remember source"):
        connection.execute(_REMEMBER_SOURCE, values)


def known_keys(connection: psycopg.Connection, group: str, topic: str) -> list[BoundKey]:
    """The keys that the topic's records were bound with."""
    with translated("recall keys"):
        rows = connection.execute(_KNOWN_KEYS, (group, topic)).fetchall()
    return [
        BoundKey(names=names, key=KeySchema(name=name, columns=frozenset(columns))) for names, name, columns in rows
    ]


def recall_source(
    connection: psycopg.Connection, group: str, topic: str, key_schema: int
) -> Mapping[str, str | None] | None:
    """The names kept, or None when the group has never bound that topic and key schema."""
    with translated("recall source"):
        row = connection.execute(_RECALL_SOURCE, (group, topic, key_schema)).fetchone()
    return row[0] if row else None


def mark(connection: psycopg.Connection, group: str, ranges: Sequence[OffsetRange]) -> None:
    """Note ranges whose native decoding did not end."""
    with translated("mark ranges"), connection.cursor() as cursor:
        cursor.executemany(_MARK, [(group, r.at.topic, r.at.partition, r.start, r.end) for r in ranges])


def marks(connection: psycopg.Connection, group: str) -> list[OffsetRange]:
    """The ranges that are marked, of whatever partition: letters come back by others. What has served is forgotten."""
    with translated("read marks"):
        connection.execute(_FORGET.encode(), (group,))
        rows = connection.execute(_MARKS, (group,)).fetchall()
    return [OffsetRange(TopicPartition(row[0], row[1]), row[2], row[3]) for row in rows]
