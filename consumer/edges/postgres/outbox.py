"""Letters whose copies are still to be published, and what became of the copies.

No row stays locked while Kafka is asked: a worker claims letters for some seconds, and what it did not confirm by
then is anyone's again. A copy that is published twice does no harm, because its row says at which attempt it counts.

Batches and people lock letters table by table and in the order of their rows, which is none of what is published
together. So nothing here waits for a letter while it has locked another one: there can be no deadlock.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.rows import namedtuple_row

from consumer.core.failure_kind import ErrorType
from consumer.core.framing import told_id
from consumer.core.letterhead import Letterhead
from consumer.core.letters import State
from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.postgres.letter_bytes import SIZE, kept_headers
from consumer.edges.postgres.open_letters import TO_PUBLISH
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.translate import translated
from consumer.ports.letters import MOST_BYTES, Posted, Unposted

T = TypeVar("T")

_CLAIM = f"""
WITH due AS (
    SELECT id, claimed_until FROM headrace.letters
    WHERE group_name = %(group)s AND {TO_PUBLISH}
      AND state <> ALL (%(but)s)
      AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
    ORDER BY claimed_until NULLS FIRST, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
), sized AS (
    SELECT d.id, sum({SIZE}) OVER (ORDER BY d.claimed_until NULLS FIRST, d.id) - ({SIZE}) AS before
    FROM due d LEFT JOIN headrace.letter_bytes b ON b.letter_id = d.id
), claimed AS (
    UPDATE headrace.letters l SET claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s)
    WHERE l.id = ANY (ARRAY(SELECT id FROM sized WHERE before < %(size)s)) RETURNING l.*
)
SELECT c.*, b.key, coalesce(b.edited, b.value) AS value, b.headers, b.letter_id IS NULL AS pointer,
    (SELECT i.job_id FROM headrace.job_items i WHERE i.letter_id = c.id AND i.state = 'sent') AS job_id
FROM claimed c LEFT JOIN headrace.letter_bytes b ON b.letter_id = c.id ORDER BY c.id
"""
_CONFIRM = """
WITH mine AS (
    SELECT l.id, w.attempt, w.topic, w.partition, w."offset"
    FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::int[], %s::bigint[])
        AS w(id, attempt, topic, partition, "offset")
    JOIN headrace.letters l ON l.id = w.id
    WHERE l.published_attempt < w.attempt AND l.claimed_until IS NOT NULL FOR UPDATE OF l {}
)
UPDATE headrace.letters l
SET published_attempt = m.attempt, published_at = clock_timestamp(), claimed_until = NULL,
    lane_topic = m.topic, lane_partition = m.partition, lane_offset = m."offset"
FROM mine m WHERE l.id = m.id RETURNING l.id
"""
_CONFIRM_FREE = _CONFIRM.format("SKIP LOCKED")
_CONFIRM_ONE = _CONFIRM.format("")
_UNCONFIRMED = """
SELECT l.id FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::int[], %s::bigint[])
    AS w(id, attempt, topic, partition, "offset")
JOIN headrace.letters l ON l.id = w.id WHERE l.published_attempt < w.attempt AND l.claimed_until IS NOT NULL
"""
# Behind what nobody has tried yet: one topic that takes nothing holds up no other. A claim that stays runs out.
_GIVE_BACK = """
UPDATE headrace.letters SET claimed_until = clock_timestamp()
WHERE id IN (SELECT id FROM headrace.letters WHERE id = ANY (%s) FOR UPDATE SKIP LOCKED)
"""
# A copy that does not come back may be lost: its topic's retention, or a topic made anew. Or others are in front of it,
# so each time is twice as late as the last.
_OVERDUE = """
UPDATE headrace.letters SET published_attempt = attempt - 1 WHERE id IN (
    SELECT id FROM headrace.letters
    WHERE group_name = %s AND state IN ('retrying', 'replaying') AND published_attempt >= attempt
      AND coalesce(searched >= search_until, true)
      AND due_at + interval '30 s' < clock_timestamp()
      AND published_at + greatest(published_at - due_at, interval '30 s') < clock_timestamp()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
"""
# at a time: more would take longer than a statement may, and the next look finds the others
_MOST_OVERDUE = 5_000


class PostgresOutbox:
    """Implements `consumer.ports.letters.Outbox`. `pointing`: tables whose copies only point to their records."""

    def __init__(self, pool: TargetPool, group: str, pointing: Collection[str] = ()) -> None:
        self._pool = pool
        self._group = group
        self._pointing = frozenset(pointing)

    def point(self, tables: Collection[str]) -> None:
        """From now on copies of these tables only point."""
        self._pointing = frozenset(tables)

    def claim(self, most: int, seconds: float, but: Collection[State] = (), size: int = MOST_BYTES) -> list[Unposted]:
        values = {
            "group": self._group,
            "most": most,
            "seconds": seconds,
            "but": [state.value for state in but],
            "size": size,
        }
        return self._ask(lambda connection: self._claimed(connection, values))

    def confirm(self, posted: Sequence[Posted]) -> None:
        done = [one for one in posted if one.failure is None]
        back = [one.id for one in posted if one.failure is not None]
        while done:
            free = self._confirmed(_CONFIRM_FREE, done)
            # others may have come back already, and mean nothing any more
            left = self._confirmed(_UNCONFIRMED, done) - free
            done = [one for one in done if one.id in left]
            # whoever has locked this one is waited for; that may be who has locked the others
            self._confirmed(_CONFIRM_ONE, done[:1])
            done = done[1:]
        if back:
            self._ask(lambda connection: connection.execute(_GIVE_BACK, (back,)))

    def republish(self) -> int:
        return self._ask(lambda connection: connection.execute(_OVERDUE, (self._group, _MOST_OVERDUE)).rowcount)

    def _confirmed(self, query: str, done: Sequence[Posted]) -> set[int]:
        if not done:
            return set()
        columns = zip(*((p.id, p.attempt, p.topic, p.partition, p.offset) for p in done), strict=True)
        values = [list(column) for column in columns]
        return self._ask(lambda connection: {row[0] for row in connection.execute(query, values)})

    def _claimed(self, connection: psycopg.Connection, values: Mapping[str, Any]) -> list[Unposted]:
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            rows: list[Any] = list(cursor.execute(_CLAIM, values))
        return [_unposted(row, pointer=row.pointer or self._points(row.table_name)) for row in rows]

    def _points(self, table: str | None) -> bool:
        """What is of no known table may be of any."""
        return bool(self._pointing) if table is None else table in self._pointing

    def _ask(self, question: Callable[[psycopg.Connection], T]) -> T:
        return self._pool.ask(lambda connection: _translated(question, connection))


def _translated(question: Callable[[psycopg.Connection], T], connection: psycopg.Connection) -> T:
    with translated("publish letters"):
        return question(connection)


def _unposted(row: Any, *, pointer: bool) -> Unposted:
    headers = kept_headers(row.headers)
    head = Letterhead(
        group=row.group_name,
        origin=RecordRef(TopicPartition(row.topic, row.partition), row.offset),
        attempt=row.attempt,
        kind=row.kind,
        error_type=ErrorType(row.error_type),
        component=row.component,
        operation=row.operation,
        detail=row.detail,
        field=row.field,
        first_failed=row.first_failed_at,
        failed=row.failed_at,
        due=row.due_at,
        batch=row.batch_id,
        replay=None if row.job_id is None else str(row.job_id),
        schema_id=told_id(row.value, headers) if row.value else None,
        pointer=pointer,
        keyless=row.pointer,
    )
    return Unposted(
        id=row.id,
        state=State(row.state),
        head=head,
        key=row.key,
        value=None if pointer else row.value,
        headers=headers,
    )
