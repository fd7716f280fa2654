"""Open letters that point to their records, and what became of those."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.translate import translated
from consumer.ports.letters import Parting, Reach

T = TypeVar("T")

# publishing waits meanwhile
_SOON = "SET LOCAL statement_timeout = '5s'"
_OPEN = sql.SQL(OPEN_STATES)
# One look at the index for each. Whether any letter there points to its record is not asked: all would be read for it,
# as they would be by an index that begins with the group, which looks as good as long as letters are not counted.
_PARTITIONS = sql.SQL("""
WITH RECURSIVE open AS (
    SELECT %(topic)s::text AS topic, %(partition)s::int AS partition
    UNION ALL
    SELECT n.topic, n.partition FROM open CROSS JOIN LATERAL (
        SELECT l.topic, l.partition FROM headrace.letters l
        WHERE l.group_name || '' = %(group)s AND l.state IN ({open})
          AND (l.topic, l.partition) > (open.topic, open.partition)
        ORDER BY l.topic, l.partition LIMIT 1
    ) n
)
SELECT topic, partition FROM open OFFSET 1 LIMIT %(most)s
""").format(open=_OPEN)
# What another is busy with comes at the next look, what it has noted meanwhile is not noted again. OFFSET 0: letters
# are read by a range of the index, and their bytes looked for only then.
_PART = sql.SQL("""
WITH parting AS (
    SELECT l.id, l.origin_log, l."offset" < w.start AS gone, b.letter_id IS NOT NULL AS kept
    FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(starts)s::bigint[], %(leaving)s::bigint[])
        AS w(topic, partition, start, leaving)
    CROSS JOIN LATERAL (
        SELECT * FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.topic = w.topic AND l.partition = w.partition AND l.state IN ({open})
          AND l."offset" < greatest(w.start, w.leaving)
        OFFSET 0
    ) l
    LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
    WHERE (l.origin_log IS NULL OR (l.origin_log = 'leaving' AND l."offset" < w.start))
      -- without bytes, or of a table whose copies have none; what is of no known table may be of any
      AND (b.letter_id IS NULL OR l.table_name = ANY (%(pointing)s::text[])
          OR (l.table_name IS NULL AND cardinality(%(pointing)s::text[]) > 0))
    ORDER BY l.id LIMIT %(most)s
), mine AS (
    SELECT p.* FROM parting p
    JOIN headrace.letters l ON l.id = p.id AND l.state IN ({open}) AND l.origin_log IS NOT DISTINCT FROM p.origin_log
    ORDER BY l.id FOR UPDATE OF l SKIP LOCKED
)
UPDATE headrace.letters l SET origin_log = CASE WHEN p.gone THEN 'gone' ELSE 'leaving' END
FROM mine p WHERE l.id = p.id
RETURNING l.id, l.topic, l.partition, l."offset", l.table_name, p.gone, p.kept
""").format(open=_OPEN)


class PostgresPointers:
    """Implements `consumer.ports.letters.Pointers`. `pointing`: tables whose copies only point to their records."""

    def __init__(self, pool: TargetPool, group: str, pointing: Collection[str] = ()) -> None:
        self._pool = pool
        self._group = group
        self.point(pointing)

    def point(self, tables: Collection[str]) -> None:
        """From now on copies of these tables only point."""
        self._known = {"group": self._group, "pointing": sorted(tables)}

    def partitions(self, after: TopicPartition | None, most: int) -> list[TopicPartition]:
        topic, partition = after or ("", -1)
        values = {"group": self._group, "topic": topic, "partition": partition, "most": most}
        rows = self._ask(lambda connection: connection.execute(_PARTITIONS, values).fetchall())
        return [TopicPartition(*row) for row in rows]

    def part(self, reaches: Mapping[TopicPartition, Reach], most: int) -> list[Parting]:
        if not reaches:
            return []
        values = {
            **self._known,
            "topics": [at.topic for at in reaches],
            "partitions": [at.partition for at in reaches],
            "starts": [reach.start for reach in reaches.values()],
            "leaving": [reach.leaving for reach in reaches.values()],
            "most": most,
        }
        return [_parting(row) for row in self._ask(lambda connection: _rows(connection, values))]

    def _ask(self, question: Callable[[psycopg.Connection], T]) -> T:
        def asked(connection: psycopg.Connection) -> T:
            with translated("look at letters' records"), connection.transaction():
                connection.execute(_SOON)
                return question(connection)

        return self._pool.ask(asked)


def _rows(connection: psycopg.Connection, values: Mapping[str, object]) -> list[Any]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return list(cursor.execute(_PART, values))


def _parting(row: Any) -> Parting:
    origin = RecordRef(TopicPartition(row.topic, row.partition), row.offset)
    return Parting(id=row.id, origin=origin, table=row.table_name, gone=row.gone, kept=row.kept)
