"""Dead letters of others: written with their bytes, in the transaction that says how far their topic was read.

A claim keeps other readers away for some seconds and no longer. What keeps letters from being written twice is that the
partition's row is compared first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.failure import Persistent, failed, located
from consumer.core.foreign import DeadRecord, Foreign, Piece, Span, Stored
from consumer.core.kinds import KINDS
from consumer.core.letters import Letter, State
from consumer.core.records import NO_TOPIC_ID, OffsetRange, RecordRef, TopicPartition
from consumer.edges.postgres.letter_bytes import write_bytes
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.imports import Due, Far

_OPEN = sql.SQL(OPEN_STATES)

# Where reading stands that never began, whose topic was made anew, or whose log has let go of what was next. A topic
# whose id is told now, or no more, is the same one. Others may do this at the same time.
_BEGIN = """
INSERT INTO headrace.imports AS i (group_name, topic, partition, topic_id, next_offset)
SELECT %(group)s, * FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(ids)s::text[], %(starts)s::bigint[])
ORDER BY 2, 3
ON CONFLICT (group_name, topic, partition) DO UPDATE
SET topic_id = excluded.topic_id, (next_offset, lost) = (
    SELECT CASE WHEN same THEN greatest(i.next_offset, excluded.next_offset) ELSE excluded.next_offset END,
        i.lost + CASE WHEN same THEN greatest(excluded.next_offset - i.next_offset, 0) ELSE 0 END
    FROM (SELECT i.topic_id = excluded.topic_id OR %(none)s IN (i.topic_id, excluded.topic_id)) AS topic (same)
)
WHERE i.topic_id <> excluded.topic_id OR i.next_offset < excluded.next_offset
"""
_CLAIM = """
WITH one AS (
    SELECT i.topic, i.partition, s.until
    FROM headrace.imports i
    JOIN unnest(%(topics)s::text[], %(partitions)s::int[], %(ids)s::text[], %(ends)s::bigint[])
        AS s(topic, partition, topic_id, until)
        ON (s.topic, s.partition, s.topic_id) = (i.topic, i.partition, i.topic_id)
    WHERE i.group_name = %(group)s AND i.next_offset < s.until
      AND (i.claimed_until IS NULL OR i.claimed_until < clock_timestamp())
    ORDER BY i.read_at NULLS FIRST, i.topic, i.partition LIMIT 1 FOR UPDATE OF i SKIP LOCKED
)
UPDATE headrace.imports i SET claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM one WHERE i.group_name = %(group)s AND (i.topic, i.partition) = (one.topic, one.partition)
RETURNING i.topic, i.partition, i.topic_id, i.next_offset, one.until
"""
_AT = """
SELECT FROM headrace.imports
WHERE group_name = %s AND topic = %s AND partition = %s AND topic_id = %s AND next_offset = %s FOR UPDATE
"""
_MOVE = """
UPDATE headrace.imports SET next_offset = %s, letters = letters + %s, known = known + %s,
    read_at = clock_timestamp(), claimed_until = NULL
WHERE group_name = %s AND topic = %s AND partition = %s
"""
# nobody publishes a copy: there is one
_WRITE = sql.SQL("""
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code,
    first_failed_at, failed_at, published_attempt, imported, imported_topic, imported_partition, imported_offset
)
SELECT %(group)s, w.topic, w.partition, w."offset", 'dead', w.kind, %(type)s, w.component, w.operation, w.detail,
    w.remedy, w.code, w.at, w.at, 1, w.family, %(found_topic)s, %(found_partition)s, w.found
FROM (
    SELECT *, CASE WHEN ms BETWEEN 1 AND extract(epoch FROM now()) * 1000 THEN to_timestamp(ms / 1000.0)
        ELSE clock_timestamp() END AS at
    FROM unnest(
        %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(kind)s::text[], %(component)s::text[],
        %(operation)s::text[], %(detail)s::text[], %(remedy)s::text[], %(code)s::text[], %(family)s::text[],
        %(found)s::bigint[], %(ms)s::bigint[]
    ) AS u(topic, partition, "offset", kind, component, operation, detail, remedy, code, family, found, ms)
) w
ORDER BY w.topic, w.partition, w."offset", w.found
ON CONFLICT (group_name, topic, partition, "offset") WHERE state IN ({open}) DO NOTHING
RETURNING id, imported_offset
""").format(open=_OPEN)
# The open letter of a record, if it holds the same. A record without a body says where it was, and perhaps its key; of
# two that are too large to be kept, nothing else is known than that both were there.
_SAME = sql.SQL("""
SELECT w.found FROM unnest(
    %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(found)s::bigint[], %(key)s::bytea[],
    %(value)s::bytea[], %(bare)s::bool[], %(large)s::bool[]
) AS w(topic, partition, "offset", found, key, value, bare, large)
JOIN headrace.letters l ON l.group_name = %(group)s AND l.topic = w.topic AND l.partition = w.partition
    AND l."offset" = w."offset" AND l.state IN ({open})
LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE (w.bare AND (w.key IS NULL OR b.letter_id IS NULL OR b.key IS NOT DISTINCT FROM w.key))
   OR (b.letter_id IS NULL AND w.large)
   OR (b.letter_id IS NOT NULL AND b.key IS NOT DISTINCT FROM w.key AND b.value IS NOT DISTINCT FROM w.value)
""").format(open=_OPEN)
_FAR = """
SELECT topic, partition, next_offset, letters, known, lost FROM headrace.imports
WHERE group_name = %s ORDER BY topic, partition
"""
_TAKEN = sql.SQL("""
SELECT id FROM headrace.letters
WHERE group_name = %s AND topic = %s AND partition = %s AND "offset" = %s AND state IN ({open})
""").format(open=_OPEN)
_IMPORTED = KINDS["record.imported"]
_OTHER = "; the record that its headers name has an open letter with other bytes"

_Read = tuple[DeadRecord, Foreign]


class PostgresImports:
    """Implements `consumer.ports.imports.Imports`. `inline_bytes`: most of a record that is kept with its letter."""

    def __init__(self, pool: TargetPool, group: str, inline_bytes: int) -> None:
        self._pool = pool
        self._group = group
        self._inline = inline_bytes

    def claim(self, spans: Mapping[TopicPartition, Span], seconds: float) -> Due | None:
        if not spans:
            return None
        values = {
            "group": self._group,
            "seconds": seconds,
            "none": NO_TOPIC_ID,
            "topics": [at.topic for at in spans],
            "partitions": [at.partition for at in spans],
            "ids": [span.topic_id for span in spans.values()],
            "starts": [span.start for span in spans.values()],
            "ends": [span.end for span in spans.values()],
        }

        def claimed(connection: psycopg.Connection) -> Any:
            with translated("claim imports"), connection.cursor(row_factory=namedtuple_row) as cursor:
                cursor.execute(_BEGIN, values)
                return cursor.execute(_CLAIM, values).fetchone()

        row = self._pool.ask(claimed)
        if row is None:
            return None
        at = TopicPartition(row.topic, row.partition)
        return Due(wanted=OffsetRange(at, row.next_offset, row.until), topic_id=row.topic_id)

    def store(self, piece: Piece) -> Stored | None:
        return self._pool.ask(lambda connection: self._stored(connection, piece))

    def far(self) -> list[Far]:
        def asked(connection: psycopg.Connection) -> list[Any]:
            with translated("read imports"):
                return connection.execute(_FAR, (self._group,)).fetchall()

        return [
            Far(at=TopicPartition(topic, partition), next_offset=offset, letters=letters, known=known, lost=lost)
            for topic, partition, offset, letters, known, lost in self._pool.ask(asked)
        ]

    def _stored(self, connection: psycopg.Connection, piece: Piece) -> Stored | None:
        with transaction(connection, "import letters"):
            here = (self._group, *piece.at, piece.topic_id, piece.start)
            if connection.execute(_AT, here).fetchone() is None:
                return None
            letters = self._written(connection, piece.at, piece.records) if piece.records else 0
            known = len(piece.records) - letters
            connection.execute(_MOVE, (piece.end, letters, known, self._group, *piece.at))
        return Stored(at=piece.at, letters=letters, known=known)

    def _written(self, connection: psycopg.Connection, at: TopicPartition, records: Sequence[_Read]) -> int:
        """Write letters; returns how many. A record whose letter is open already, with the same bytes, is no new one.

        One with other bytes is taken for another record: its headers may lie, or its topic was made anew. Raises
        Persistent where another's letter has its own place as well.
        """
        written = self._insert(connection, at, records)
        left = [read for read in records if _place(read) not in written]
        same = self._same(connection, left) if left else set()
        others = [read for read in left if _place(read) not in same]
        for read in others:
            if read[1].origin is None:
                raise self._taken(connection, read[0].record.ref)
        apart = self._written(connection, at, [_apart(read) for read in others]) if others else 0
        return len(written) + apart

    def _taken(self, connection: psycopg.Connection, place: RecordRef) -> Persistent:
        """Why a record of a dead-letter topic can't be a letter now."""
        row = connection.execute(_TAKEN, (self._group, *place.at, place.offset)).fetchone()
        letter = f"letter {row[0]}" if row else "the letter of that place"
        detail = "an open letter of another record has its place: its topic was made anew, or headers led there"
        remedy = (
            f"Discard {letter} (headrace dlq show says what it holds): the rest of the partition is read when it is "
            "closed."
        )
        return Persistent(located(failed(_IMPORTED, "postgres", "import letters", detail, remedy=remedy), *place))

    def _insert(self, connection: psycopg.Connection, at: TopicPartition, records: Sequence[_Read]) -> set[int]:
        """Returns the places of those that were written."""
        if not records:
            return set()
        values = _columns(records) | {
            "group": self._group,
            "type": KINDS[records[0][1].failure.kind].type.value,
            "found_topic": at.topic,
            "found_partition": at.partition,
        }
        ids = {found: number for number, found in connection.execute(_WRITE, values)}
        written = {_origin(read): read for read in records if _place(read) in ids}
        write_bytes(
            connection,
            [_letter(read) for read in written.values() if not _is_bare(read)],
            {origin: ids[_place(read)] for origin, read in written.items()},
            self._inline,
        )
        return set(ids)

    def _same(self, connection: psycopg.Connection, records: Sequence[_Read]) -> set[int]:
        values = {
            **_columns(records),
            "group": self._group,
            "key": [dead.record.key for dead, _ in records],
            "value": [dead.record.value for dead, _ in records],
            "bare": [_is_bare(read) for read in records],
            "large": [dead.record.size > self._inline for dead, _ in records],
        }
        return {row[0] for row in connection.execute(_SAME, values)}


def _place(read: _Read) -> int:
    """Its offset in the dead-letter topic."""
    return read[0].record.ref.offset


def _origin(read: _Read) -> RecordRef:
    dead, foreign = read
    return foreign.origin or dead.record.ref


def _is_bare(read: _Read) -> bool:
    """Whether it has no body, as of share groups and copies of Headrace: then its letter points to its origin."""
    dead, foreign = read
    return foreign.origin is not None and dead.record.value is None and (foreign.pointer or dead.record.key is None)


def _apart(read: _Read) -> _Read:
    dead, foreign = read
    failure = replace(foreign.failure, detail=foreign.failure.detail + _OTHER)
    return dead, replace(foreign, origin=None, failure=failure)


def _letter(read: _Read) -> Letter:
    dead, foreign = read
    return Letter(record=replace(dead.record, ref=_origin(read)), state=State.DEAD, failure=foreign.failure)


def _columns(records: Sequence[_Read]) -> dict[str, Any]:
    origins = [_origin(read) for read in records]
    failures = [foreign.failure for _, foreign in records]
    said = {name: [getattr(one, name) for one in failures] for name in _SAID}
    return {
        **said,
        "topic": [origin.at.topic for origin in origins],
        "partition": [origin.at.partition for origin in origins],
        "offset": [origin.offset for origin in origins],
        "family": [foreign.family for _, foreign in records],
        "found": [_place(read) for read in records],
        "ms": [dead.appended_ms for dead, _ in records],
    }


_SAID = ("kind", "component", "operation", "detail", "remedy", "code")
