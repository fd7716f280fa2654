"""Stored positions: taking partitions, the fence, moving on.

Taking a partition raises its epoch in one statement. A batch locks its position rows in sorted order and
compares epoch and expected next offset; whoever was overtaken writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.failure import Failure
from consumer.core.key_turns import Ids
from consumer.core.plan import Plan
from consumer.core.records import LastRecord, Slice, TopicPartition, offset_in
from consumer.edges.postgres.ledger import abandon
from consumer.edges.postgres.pauses import paused
from consumer.edges.postgres.session import OF_OWNER, OWNER_LIVES, transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import Fenced
from consumer.ports.target import Known, Start, Stored, Taken

_TAKE = """
INSERT INTO headrace.positions AS p
    (group_name, topic, partition, topic_id, next_offset, wait_for, grown_at, epoch, owner, owner_pid)
SELECT %(group)s, w.topic, w.partition, w.topic_id, w.next_offset, w.wait_for,
    CASE WHEN w.wait_for IS NOT NULL THEN clock_timestamp() END, 1, %(owner)s, pg_backend_pid()
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(ids)s::text[], %(offsets)s::bigint[], %(waits)s::jsonb[])
    AS w(topic, partition, topic_id, next_offset, wait_for)
ORDER BY w.topic, w.partition
ON CONFLICT (group_name, topic, partition) DO UPDATE
SET epoch = p.epoch + 1, owner = excluded.owner, owner_pid = excluded.owner_pid, stopped = NULL, again_at = NULL,
    topic_id = coalesce(p.topic_id, excluded.topic_id), updated_at = now()
WHERE NOT %(again)s OR p.owner IS NULL OR p.owner = excluded.owner
RETURNING topic, partition, epoch, next_offset, topic_id, wait_for,
    CASE WHEN read_to = next_offset THEN last_record END, leader_epoch, CASE WHEN read_to = next_offset THEN key_ids END
"""

_LOCK = """
SELECT p.topic, p.partition, p.epoch, p.next_offset, p.furthest > p.next_offset
FROM headrace.positions p
JOIN unnest(%s::text[], %s::int[]) AS w(topic, partition) ON w.topic = p.topic AND w.partition = p.partition
WHERE p.group_name = %s
ORDER BY p.topic, p.partition
FOR UPDATE OF p
"""

_MOVE = """
UPDATE headrace.positions p
SET next_offset = w.next_offset, read_to = w.next_offset, updated_at = now(),
    -- what is known of the last record stays so when the position passes what is no record
    leader_epoch = CASE WHEN w.last_record IS NULL THEN p.leader_epoch ELSE w.leader_epoch END,
    last_record = coalesce(w.last_record, CASE WHEN p.read_to = p.next_offset THEN p.last_record END),
    source_at = coalesce(to_timestamp(w.source_ms / 1000.0), p.source_at),
    changed_at = coalesce(to_timestamp(w.changed_ms / 1000.0), p.changed_at),
    -- of a position that was set by hand nothing is known
    key_ids = coalesce(w.key_ids, CASE WHEN p.read_to = p.next_offset THEN p.key_ids END)
FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::jsonb[])
    AS w(topic, partition, next_offset, last_record, leader_epoch, source_ms, changed_ms, key_ids)
WHERE p.group_name = %s AND p.topic = w.topic AND p.partition = w.partition
"""

_STOP = """
UPDATE headrace.positions SET stopped = %s, updated_at = now()
WHERE group_name = %s AND topic = %s AND partition = %s AND epoch = %s
"""

_WAIT = """
UPDATE headrace.positions SET wait_for = %s, waits_for_rows = true, updated_at = now()
WHERE group_name = %s AND topic = %s AND partition = %s AND epoch = %s
"""

_LET_GO = """
UPDATE headrace.positions SET wait_for = wait_for - %(name)s::text, updated_at = now()
WHERE group_name = %(group)s AND topic = %(topic)s AND waits_for_rows AND wait_for ? %(name)s
"""

_KNOWN = "SELECT topic, partition FROM headrace.positions WHERE group_name = %s"

_READ = f"""
SELECT p.topic, p.partition, p.next_offset, p.epoch, p.owner,
       -- a reason stands for as long as the session that wrote it
       CASE WHEN {OWNER_LIVES} THEN p.stopped END,
       p.wait_for, CASE WHEN p.read_to = p.next_offset THEN p.key_ids END
FROM headrace.positions p
WHERE p.group_name = %s ORDER BY p.topic, p.partition
"""

# of rows that nobody has locked the owners hold nobody up
_BLOCKERS = f"""
WITH wanted AS (SELECT %s::text AS group_name, * FROM unnest(%s::text[], %s::int[]) AS w(topic, partition)),
free AS MATERIALIZED (
    SELECT group_name, topic, partition FROM headrace.positions p JOIN wanted USING (group_name, topic, partition)
    FOR UPDATE OF p SKIP LOCKED)
SELECT pg_terminate_backend(a.pid)
FROM headrace.positions p
JOIN wanted w USING (group_name, topic, partition)
LEFT JOIN free f USING (group_name, topic, partition)
JOIN pg_stat_activity a ON {OF_OWNER} AND a.usename = current_user AND a.pid <> pg_backend_pid()
WHERE f.topic IS NULL
"""


def known(connection: psycopg.Connection, group: str) -> Known:
    """Whether the group has ever started, and the partitions that have a position."""
    with translated("read positions"):
        started = connection.execute("SELECT 1 FROM headrace.groups WHERE group_name = %s", (group,)).fetchone()
        rows = connection.execute(_KNOWN, (group,)).fetchall()
    return Known(started=started is not None, partitions=frozenset(TopicPartition(*row) for row in rows))


def seed(connection: psycopg.Connection, group: str, starts: Mapping[TopicPartition, Start]) -> None:
    """Note a group's first start and the positions it begins at; does nothing if another worker was first."""
    with transaction(connection, "seed positions"):
        done = connection.execute(
            "INSERT INTO headrace.groups (group_name) VALUES (%s) ON CONFLICT DO NOTHING", (group,)
        )
        if done.rowcount:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO headrace.positions (group_name, topic, partition, topic_id, next_offset, epoch) "
                    "VALUES (%s, %s, %s, %s, %s, 0) ON CONFLICT DO NOTHING",
                    [(group, at.topic, at.partition, s.topic_id, s.offset) for at, s in sorted(starts.items())],
                )


def take(
    connection: psycopg.Connection, group: str, owner: str, starts: Mapping[TopicPartition, Start], *, again: bool
) -> list[Taken]:
    """Raise the epochs of partitions and become their owner. `starts` counts only where there is no position yet.

    `again`: they were the owner's before; one that another has taken since is left alone, and not returned.

    Batches that were started under older epochs are abandoned; their records are read again from the positions.
    Raises Transient with SQLSTATE 55P03 when another session holds the rows longer than the lock timeout.
    """
    wanted = sorted(starts)
    parameters = {
        "group": group,
        "owner": owner,
        "again": again,
        "topics": [at.topic for at in wanted],
        "partitions": [at.partition for at in wanted],
        "ids": [starts[at].topic_id for at in wanted],
        "offsets": [starts[at].offset for at in wanted],
        "waits": [Jsonb(starts[at].wait_for) if starts[at].wait_for else None for at in wanted],
    }
    with transaction(connection, "take partitions"):
        rows = connection.execute(_TAKE, parameters).fetchall()
        taken = [
            Taken(
                at=TopicPartition(r[0], r[1]),
                epoch=r[2],
                next_offset=r[3],
                topic_id=r[4],
                wait_for=r[5],
                last_record=None if r[6] is None else LastRecord(r[6], r[7]),
                key_ids=_ids(r[8]),
            )
            for r in rows
        ]
        abandon(connection, group, taken)
        # whoever pauses something raises the epochs of its partitions, so what is seen here is what holds
        pauses = paused(connection, group, wanted)
    return [replace(part, paused=pauses.get(part.at)) for part in taken]


def end_blockers(connection: psycopg.Connection, group: str, partitions: Sequence[TopicPartition]) -> int:
    """Terminate the sessions of the recorded owners of these partitions, if they are ours; returns how many.

    No timeout of the server ends a session that is stalled in the middle of COPY.
    """
    with translated("end blocking sessions"):
        topics, numbers = _columns(sorted(partitions))
        return len(connection.execute(_BLOCKERS, (group, topics, numbers)).fetchall())


def lock(
    connection: psycopg.Connection, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """Lock position rows in sorted order, inside a transaction; returns epoch and next offset by partition."""
    return {at: (epoch, next_offset) for at, (epoch, next_offset, _) in _locked(connection, group, partitions).items()}


def fence(connection: psycopg.Connection, group: str, slices: Sequence[Slice]) -> list[Slice]:
    """Lock the positions of slices as `lock` does; returns those slices whose positions have been further before.

    Raises Fenced where a slice does not begin at its position, under its epoch.
    """
    found = _locked(connection, group, [piece.at for piece in slices])
    lost = [piece.at for piece in slices if piece.at not in found or found[piece.at][:2] != (piece.epoch, piece.start)]
    if lost:
        raise Fenced(tuple(lost))
    return [piece for piece in slices if found[piece.at][2]]


def _locked(
    connection: psycopg.Connection, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int, bool]]:
    """Epoch, next offset, and whether it has been further."""
    topics, numbers = _columns(sorted(partitions))
    rows = connection.execute(_LOCK, (topics, numbers, group)).fetchall()
    return {TopicPartition(row[0], row[1]): (row[2], row[3], bool(row[4])) for row in rows}


def move(connection: psycopg.Connection, group: str, plan: Plan) -> None:
    """Set the positions to where the plan's slices end, inside a transaction that holds their locks."""
    times = plan.source_times
    ordered = sorted(plan.slices, key=lambda piece: piece.at)
    topics, numbers = _columns([piece.at for piece in ordered])
    ends = [piece.end for piece in ordered]
    last = [piece.last_record for piece in ordered]
    records = [record and record.offset for record in last]
    epochs = [record and record.leader_epoch for record in last]
    said = [times.get(piece.at) for piece in ordered]
    newest = [one and one.newest for one in said]
    changed = [one and one.changed for one in said]
    keys = [_stored(plan.key_ids[piece.at]) if piece.at in plan.key_ids else None for piece in ordered]
    connection.execute(_MOVE, (topics, numbers, ends, records, epochs, newest, changed, keys, group))


def stop(connection: psycopg.Connection, group: str, at: TopicPartition, epoch: int, failure: Failure) -> None:
    """Note why a partition does not go on; cleared by the next taking."""
    reason = {
        "kind": failure.kind,
        "detail": failure.detail,
        "remedy": failure.remedy,
        "offset": offset_in(failure.correlation_id, at),
    }
    with translated("stop partition"):
        connection.execute(_STOP, (Jsonb(reason), group, at.topic, at.partition, epoch))


def wait(
    connection: psycopg.Connection, group: str, at: TopicPartition, epoch: int, wait_for: Mapping[str, int]
) -> None:
    """Note what a partition waits for; whoever takes it next sees it."""
    with translated("let partition wait"):
        connection.execute(_WAIT, (Jsonb(wait_for), group, at.topic, at.partition, epoch))


def let_go(connection: psycopg.Connection, group: str, at: TopicPartition) -> None:
    """Have no partition of the topic wait for rows of this one any longer."""
    with translated("let partitions go on"):
        connection.execute(_LET_GO, {"group": group, "topic": at.topic, "name": str(at.partition)})


def read(connection: psycopg.Connection, group: str) -> list[Stored]:
    """All positions of a group."""
    with translated("read positions"):
        rows = connection.execute(_READ, (group,)).fetchall()
    return [
        Stored(
            at=TopicPartition(r[0], r[1]),
            next_offset=r[2],
            epoch=r[3],
            owner=r[4],
            stopped=r[5],
            wait_for=r[6],
            key_ids=_ids(r[7]),
        )
        for r in rows
    ]


def _stored(ids: Ids) -> Jsonb:
    return Jsonb({table: sorted(some) for table, some in ids.items()})


def _ids(stored: Mapping[str, Sequence[int]] | None) -> Ids:
    return {table: frozenset(some) for table, some in (stored or {}).items()}


def _columns(partitions: Sequence[TopicPartition]) -> tuple[list[str], list[int]]:
    return [at.topic for at in partitions], [at.partition for at in partitions]
