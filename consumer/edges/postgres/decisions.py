"""What is decided about partitions: by people, on a session of their own, and of retry topics by their owner.

A position that is set by hand gets a higher epoch, as by a taking, so that a batch in flight can't write over it. Its
owner is asked by `again_at` to take the partition anew, and looks for that every two seconds.
"""

from collections.abc import Callable, Sequence

import psycopg

from consumer.core.decision import Decision, Held
from consumer.core.records import TopicPartition
from consumer.edges.postgres import positions
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.session import hold_shortly, transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from consumer.ports.target import Start

Discards = Callable[[psycopg.Connection, str, Sequence[int], str], object]
"""Gives letters up by their ids, for a reason, within the transaction that is open."""

_HOLD = """
SELECT p.next_offset, p.topic_id, p.stopped ->> 'kind', (p.stopped ->> 'offset')::bigint, (
    -- a partition that the topic got again later knows nothing of the one before
    SELECT max(o.anew_at) FROM headrace.positions o WHERE o.group_name = p.group_name AND o.topic = p.topic
)
FROM headrace.positions p WHERE p.group_name = %s AND p.topic = %s AND p.partition = %s
"""
_OPEN = f"""
FROM headrace.letters
WHERE group_name = %s AND topic = %s AND partition = %s AND "offset" >= %s AND state IN ({OPEN_STATES})
"""
# what was waited for, and what hung the decoder, were offsets of the topic that is gone
_SET = """
UPDATE headrace.positions
SET next_offset = %(next_offset)s, topic_id = %(topic_id)s, epoch = epoch + 1, stopped = NULL,
    wait_for = CASE WHEN %(anew)s THEN NULL ELSE wait_for END,
    -- what was read in front of another place says nothing of this one
    last_record = NULL,
    anew_at = CASE WHEN %(anew)s THEN clock_timestamp() ELSE anew_at END,
    changed_at = CASE WHEN %(next_offset)s >= next_offset AND NOT %(anew)s THEN changed_at END,
    again_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
RETURNING epoch
"""
# Where a log was cut, what was read behind that place were other records than will have its offsets. The position may
# be set further on, so of nothing in front of it is it known whether that was applied.
_SHORTER = """
WITH gone AS (
    DELETE FROM headrace.unapplied
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
)
UPDATE headrace.positions SET furthest = next_offset, unsure_to = next_offset
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
"""
# nobody waits for offsets that may never come again
_FREE = """
UPDATE headrace.positions
SET wait_for = nullif(wait_for - CASE WHEN topic = %(topic)s THEN %(number)s ELSE %(name)s END, '{}')
WHERE group_name = %(group)s AND wait_for ? CASE WHEN topic = %(topic)s THEN %(number)s ELSE %(name)s END
"""
_DROP = "DELETE FROM headrace.positions WHERE group_name = %s AND topic = %s AND partition = %s"
_UNMARK = "DELETE FROM headrace.decode_marks WHERE group_name = %s AND topic = %s AND partition = %s"
_RETRY = """
WITH before AS (
    SELECT p.topic, p.partition, p.next_offset, p.stopped
    FROM headrace.positions p
    JOIN unnest(%(topics)s::text[], %(partitions)s::int[]) AS w(topic, partition)
      ON w.topic = p.topic AND w.partition = p.partition
    WHERE p.group_name = %(group)s ORDER BY p.topic, p.partition FOR UPDATE OF p
), asked AS (
    UPDATE headrace.positions p SET again_at = clock_timestamp(), stopped = NULL
    FROM before b WHERE p.group_name = %(group)s AND p.topic = b.topic AND p.partition = b.partition
)
INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, details)
SELECT %(group)s, %(actor)s, 'retry', b.topic, b.partition, %(reason)s,
    jsonb_build_object('next_offset', b.next_offset, 'stopped', b.stopped)
FROM before b RETURNING topic, partition
"""
_STOPPED = """
SELECT topic, partition FROM headrace.positions
WHERE group_name = %s AND topic = ANY (%s) AND stopped ->> 'kind' = %s ORDER BY topic, partition
"""
_ASKED = """
SELECT topic, partition FROM headrace.positions
WHERE group_name = %s AND again_at IS NOT NULL ORDER BY topic, partition
"""


def held(connection: psycopg.Connection, group: str, at: TopicPartition, *, lock: bool) -> Held | None:
    """A position; None when there is none. `lock`: it stays so within the transaction."""
    query = _HOLD + ("FOR UPDATE OF p" if lock else "")
    with translated("read position"):
        if lock:
            hold_shortly(connection)
        row = connection.execute(query.encode(), (group, at.topic, at.partition)).fetchone()
    if row is None:
        return None
    return Held(next_offset=row[0], topic_id=row[1], kind=row[2], offset=row[3], anew_at=row[4])


def open_letters(connection: psycopg.Connection, group: str, at: TopicPartition, first: int) -> int:
    """How many letters of a partition are open from an offset on."""
    with translated("count letters"):
        ((letters,),) = connection.execute(f"SELECT count(*) {_OPEN}".encode(), (group, *at, first)).fetchall()
    return int(letters)


def given_up(connection: psycopg.Connection, group: str, at: TopicPartition, decision: Decision) -> list[int]:
    """The letters that go with a decision."""
    first = decision.discarded_from
    if first is None:
        return []
    with translated("read letters"):
        rows = connection.execute(f"SELECT id {_OPEN} ORDER BY id".encode(), (group, *at, first)).fetchall()
    return [row[0] for row in rows]


def carry_out(connection: psycopg.Connection, group: str, at: TopicPartition, decision: Decision) -> int:
    """Set a position, inside a transaction that holds its lock; returns its new epoch."""
    values = {
        "group": group,
        "topic": at.topic,
        "partition": at.partition,
        "next_offset": decision.next_offset,
        "topic_id": decision.topic_id,
        "anew": decision.anew,
    }
    with translated("set position"):
        if decision.anew:
            connection.execute(_UNMARK, (group, at.topic, at.partition))
            names = {"number": str(at.partition), "name": f"{at.topic}:{at.partition}"}
            connection.execute(_FREE, {"group": group, "topic": at.topic, **names})
        ((epoch,),) = connection.execute(_SET, values).fetchall()
        if decision.discarded_from is not None and not decision.anew:
            connection.execute(_SHORTER, values)
    return int(epoch)


def carry_out_whole(
    connection: psycopg.Connection,
    of: tuple[str, TopicPartition],
    decision: Decision,
    discard: Discards,
    note: Note,
) -> tuple[int, list[int]]:
    """Set a position of a group, and give up the letters that go with it; returns its new epoch, and these letters.

    Inside a transaction that holds its lock.
    """
    # first: of a topic that was made anew nothing stays noted, as if its own records had been given up
    if letters := given_up(connection, *of, decision):
        with translated("discard letters"):
            discard(connection, of[0], letters, note.reason)
    return carry_out(connection, *of, decision), letters


def drop(connection: psycopg.Connection, group: str, at: TopicPartition) -> None:
    """Keep no position: should there be such a partition again, it begins at its log's start.

    Inside a transaction that holds its lock, behind what is decided of its letters.
    """
    with translated("drop position"):
        connection.execute(_DROP, (group, *at))


def begin_anew(connection: psycopg.Connection, group: str, at: TopicPartition, epoch: int, start: Start) -> None:
    """Set a position to the start of another log; nothing of it when it has another epoch by now."""
    decision = Decision(next_offset=start.offset, topic_id=start.topic_id, anew=True)
    with transaction(connection, "begin anew"):
        found = positions.lock(connection, group, [at])
        if at in found and found[at][0] == epoch:
            carry_out(connection, group, at, decision)


def retry(
    connection: psycopg.Connection, group: str, partitions: Sequence[TopicPartition], note: Note
) -> list[TopicPartition]:
    """Have partitions taken anew by their owner, whatever stopped them; returns those that have a position."""
    wanted = sorted(partitions)
    values = {
        "group": group,
        "topics": [at.topic for at in wanted],
        "partitions": [at.partition for at in wanted],
        "actor": note.actor,
        "reason": note.reason,
    }
    with translated("ask for partitions"):
        return [TopicPartition(*row) for row in connection.execute(_RETRY, values)]


def stopped(connection: psycopg.Connection, group: str, topics: Sequence[str], kind: str) -> list[TopicPartition]:
    """The partitions of topics that are stopped for a reason of this kind."""
    with translated("look for stopped partitions"):
        return [TopicPartition(*row) for row in connection.execute(_STOPPED, (group, list(topics), kind))]


def asked(connection: psycopg.Connection, group: str) -> list[TopicPartition]:
    """Partitions that somebody wants to be taken anew."""
    with translated("look for decisions"):
        return [TopicPartition(*row) for row in connection.execute(_ASKED, (group,))]
