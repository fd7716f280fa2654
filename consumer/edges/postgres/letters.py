"""Letters of a batch, written in its transaction with their bytes; how many there are; closed ones deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.kinds import KINDS
from consumer.core.letters import Letter, State
from consumer.core.plan import Aside
from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.postgres.digests import digests, types
from consumer.edges.postgres.letter_bytes import SIZE, write_bytes
from consumer.edges.postgres.open_letters import OPEN_STATES, TO_PUBLISH
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.standing import alone
from consumer.edges.postgres.translate import translated
from consumer.ports.target import Underway

_OPEN = sql.SQL(OPEN_STATES)

_COUNT = sql.SQL("SELECT count(*) FROM headrace.letters WHERE group_name = %s AND state IN ({open})").format(open=_OPEN)

# deleted at a time: batches wait meanwhile
_MOST_BYTES = 64 << 20
# bytes and failures by name: with target.constraints = "trust-source" no foreign key deletes them
_PRUNE = f"""
WITH closed AS (
    SELECT id, closed_at FROM headrace.letters
    WHERE group_name = %(group)s AND closed_at < now() - make_interval(secs => %(secs)s)
    ORDER BY closed_at, id LIMIT %(most)s
), sized AS (
    SELECT c.id, sum({SIZE}) OVER (ORDER BY c.closed_at, c.id) - ({SIZE}) < %(size)s AS fits
    FROM closed c LEFT JOIN headrace.letter_bytes b ON b.letter_id = c.id
), old AS (
    SELECT id FROM sized WHERE fits
), bytes AS (
    DELETE FROM headrace.letter_bytes WHERE letter_id IN (SELECT id FROM old)
), failures AS (
    DELETE FROM headrace.letter_failures WHERE letter_id IN (SELECT id FROM old)
), letters AS (
    DELETE FROM headrace.letters WHERE id IN (SELECT id FROM old)
)
SELECT count(*) = %(most)s OR count(*) FILTER (WHERE NOT fits) > 0 FROM sized
"""

_UNPUBLISHED = f"SELECT count(*) FROM headrace.letters WHERE group_name = %s AND {TO_PUBLISH}"
# each kind by its own index: of dead ones there may be many
_UNDERWAY = """
SELECT l.topic, l.partition, l.kind, l.state, l.published_attempt < l.attempt AS unpublished,
    l.attempt > %(often)s AS often, count(*) AS letters
FROM (
    SELECT * FROM headrace.letters WHERE group_name = %(group)s AND state IN ('retrying', 'replaying')
    UNION ALL
    SELECT * FROM headrace.letters WHERE group_name = %(group)s AND state = 'dead' AND published_attempt < attempt
) AS l
JOIN unnest(%(topics)s::text[], %(partitions)s::int[], %(ends)s::bigint[]) AS w(topic, partition, before)
    ON w.topic = l.topic AND w.partition = l.partition AND l."offset" < w.before
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""
# with the default delays within an hour
_OFTEN = 8
_MOST_HELD = """
SELECT max(waiting) FROM (
    SELECT count(*) AS waiting FROM headrace.letters l
    WHERE l.group_name = %s AND l.state = 'held' AND (l.table_name, l.digest_a, l.digest_b) IN (
        SELECT n.table_name, n.digest_a, n.digest_b
        FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS w(topic, partition, "offset")
        JOIN headrace.letters n ON n.group_name = l.group_name AND n.topic = w.topic AND n.partition = w.partition
            AND n."offset" = w."offset" AND n.state = 'held'
    ) GROUP BY l.table_name, l.digest_a, l.digest_b
) AS queues
"""

# No more of a row's letters are read than it takes to know, and none where the group has no more in all.
_CROWDED = (
    sql.SQL("""
SELECT (
    SELECT sum(letters) FROM headrace.letter_tallies WHERE group_name = %(group)s AND state IN ({open})
) > %(most)s
""").format(open=_OPEN),
    sql.SQL("""
SELECT EXISTS (
    SELECT FROM (
        SELECT DISTINCT n.table_name, n.digest_a, n.digest_b
        FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[]) AS w(topic, partition, "offset")
        JOIN headrace.letters n ON n.group_name = %(group)s AND n.topic = w.topic AND n.partition = w.partition
            AND n."offset" = w."offset" AND n.state IN ({open})
        WHERE n.digest_a IS NOT NULL
    ) AS r
    CROSS JOIN LATERAL (
        SELECT FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.table_name = r.table_name AND l.digest_a = r.digest_a
          AND l.digest_b = r.digest_b AND l.state IN ({open})
        OFFSET %(most)s LIMIT 1
    ) AS beyond
)
""").format(open=_OPEN),
)

_WRITE = sql.SQL("""
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code,
    field, table_name, digest_a, digest_b, row_types, due_at, closed_at, reason, batch_id
)
SELECT %(group)s, w.topic, w.partition, w."offset", w.state, w.kind, w.error_type, w.component, w.operation, w.detail,
    w.remedy, w.code, w.field, %(table)s, w.digest_a, w.digest_b,
    CASE WHEN w.digest_a IS NOT NULL THEN %(types)s END,
    CASE WHEN w.state = 'retrying' THEN clock_timestamp() + make_interval(secs => w.delay) END,
    CASE WHEN w.state = 'superseded' THEN clock_timestamp() END,
    CASE WHEN w.state = 'superseded' THEN 'a later change of the row was applied' END, %(batch)s
FROM unnest(
    %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(state)s::text[], %(kind)s::text[],
    %(error_type)s::text[], %(component)s::text[], %(operation)s::text[], %(detail)s::text[], %(remedy)s::text[],
    %(code)s::text[], %(field)s::text[], %(digest_a)s::bigint[], %(digest_b)s::bigint[], %(delay)s::float8[]
) AS w(
    topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code, field,
    digest_a, digest_b, delay
)
ON CONFLICT (group_name, topic, partition, "offset") WHERE state IN ({open}) DO NOTHING
RETURNING id, topic, partition, "offset", state
""").format(open=_OPEN)

# What another consumer could not take is this group's own failure now, with the row that it knows. One that is placed
# stands in its row's order already.
_TAKE_OVER = sql.SQL("""
UPDATE headrace.letters l SET state = 'superseded', closed_at = clock_timestamp(), due_at = NULL,
    reason = 'this group could not apply the record either, and has a letter of its own'
FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS w(topic, partition, "offset")
WHERE l.group_name = %s AND l.topic = w.topic AND l.partition = w.partition AND l."offset" = w."offset"
  AND l.imported IS NOT NULL AND l.state IN ({open}) AND l.digest_a IS NULL
""").format(open=_OPEN)


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> bool:
    """Delete letters closed longer ago with their bytes, so many of either at most; returns whether there are more."""
    values = {"group": group, "secs": keep_hours * 3600, "most": most, "size": _MOST_BYTES}
    ((more,),) = connection.execute(_PRUNE.encode(), values).fetchall()
    return bool(more)


def count_open(connection: psycopg.Connection, group: str) -> int:
    """How many letters are open."""
    row = connection.execute(_COUNT, (group,)).fetchone()
    return int(row[0]) if row else 0


def count_unpublished(connection: psycopg.Connection, group: str) -> int:
    """How many letters have a copy that is not published yet."""
    row = connection.execute(_UNPUBLISHED, (group,)).fetchone()
    return int(row[0]) if row else 0


def underway(connection: psycopg.Connection, group: str, ends: Mapping[TopicPartition, int]) -> list[Underway]:
    """The letters of records in front of these ends that are not at rest."""
    values = {
        "group": group,
        "topics": [at.topic for at in ends],
        "partitions": [at.partition for at in ends],
        "ends": list(ends.values()),
        "often": _OFTEN,
    }
    with translated("look for letters under way"), connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(_UNDERWAY, values).fetchall()
    return [
        Underway(
            at=TopicPartition(row.topic, row.partition),
            kind=row.kind,
            state=State(row.state),
            unpublished=row.unpublished,
            letters=row.letters,
            often=row.often,
        )
        for row in rows
    ]


def most_held(connection: psycopg.Connection, group: str, aside: Aside) -> int:
    """How many letters wait in the longest of the queues that new ones have joined."""
    held = [letter.record.ref for letter in aside.letters if letter.state is State.HELD]
    if not held:
        return 0
    row = connection.execute(_MOST_HELD, (group, *_arrays(held))).fetchone()
    return int(row[0] or 0) if row else 0


def crowded(connection: psycopg.Connection, group: str, aside: Aside, most: int) -> bool:
    """Whether a row that new letters are of has more than so many open ones."""
    topics, partitions, offsets = _arrays([letter.record.ref for letter in aside.letters])
    values = {"group": group, "topics": topics, "partitions": partitions, "offsets": offsets, "most": most}
    return all(connection.execute(query, values).fetchone() == (True,) for query in _CROWDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Whose letters are written. `batch`: its number in the ledger; `inline_bytes`: most of a record that is kept."""

    group: str
    batch: int | None
    inline_bytes: int


def write(connection: psycopg.Connection, pen: Pen, aside: Aside, identities: Staged | None) -> list[RecordRef]:
    """Write letters and their bytes; returns those that wait for an earlier batch's letter which is open no more.

    A record that has an open letter already keeps that one.
    """
    places = [letter.place for letter in aside.letters if letter.place is not None]
    group = pen.group
    found = digests(connection, group, identities, places) if identities else {}
    values: dict[str, object] = {**_columns(aside.letters, found)}
    table = str(aside.table) if aside.table else None
    made_of = types(identities.write) if identities else None
    connection.execute(_TAKE_OVER, (*_arrays([letter.record.ref for letter in aside.letters]), group))
    values |= {"group": group, "table": table, "types": made_of, "batch": pen.batch}
    rows = connection.execute(_WRITE, values).fetchall()
    ids = {RecordRef(TopicPartition(row[1], row[2]), row[3]): row[0] for row in rows}
    write_bytes(connection, aside.letters, ids, pen.inline_bytes)
    return alone(connection, [ids[one.record.ref] for one in aside.letters if one.follows and one.record.ref in ids])


def _arrays(refs: Sequence[RecordRef]) -> tuple[list[str], list[int], list[int]]:
    return [ref.at.topic for ref in refs], [ref.at.partition for ref in refs], [ref.offset for ref in refs]


def _columns(letters: Sequence[Letter], known: Mapping[int, tuple[int, int]]) -> dict[str, list[object]]:
    found: list[tuple[int | None, int | None]] = [
        (None, None) if letter.place is None else known[letter.place] for letter in letters
    ]
    return {
        "topic": [letter.record.ref.at.topic for letter in letters],
        "partition": [letter.record.ref.at.partition for letter in letters],
        "offset": [letter.record.ref.offset for letter in letters],
        "state": [letter.state.value for letter in letters],
        "kind": [letter.failure.kind for letter in letters],
        "error_type": [KINDS[letter.failure.kind].type.value for letter in letters],
        "component": [letter.failure.component for letter in letters],
        "operation": [letter.failure.operation for letter in letters],
        "detail": [letter.failure.detail for letter in letters],
        "remedy": [letter.failure.remedy for letter in letters],
        "code": [letter.failure.code for letter in letters],
        "field": [letter.failure.field for letter in letters],
        "digest_a": [a for a, _ in found],
        "digest_b": [b for _, b in found],
        "delay": [letter.delay for letter in letters],
    }
