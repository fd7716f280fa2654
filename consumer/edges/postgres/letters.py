"""Letters beside the writes of a batch: looked up by their rows, superseded, written, inside its transaction.

A table's row is known by PostgreSQL's own extended hash of its identity in the target's types, twice with seeds of
the group's own: it compares keys as the target does, and says nothing of their values. Letters are locked in the
order of digest and origin.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from consumer.core.kinds import KINDS
from consumer.core.letters import OLDER, OPEN, Letter, Record, Standing, State, Verdict
from consumer.core.plan import Aside, TableName
from consumer.core.records import Header, RecordRef, TopicPartition
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.statements import typed_identity

_OPEN = sql.SQL(", ").join(sql.Literal(state.value) for state in sorted(OPEN))

_BEFORE = sql.SQL(OLDER.format(old="o", new="l"))
_BEHIND = sql.SQL(OLDER.format(old="l", new="n"))

# the limit has the index asked for the first one, whatever the statistics say
_LETTERED = sql.SQL("""
SELECT w.name FROM unnest(%(tables)s::text[]) AS w(name), LATERAL (
    SELECT FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.table_name = w.name AND l.state IN ({open}) LIMIT 1
) AS l
""").format(open=_OPEN)

_COUNT = sql.SQL("SELECT count(*) FROM headrace.letters WHERE group_name = %s AND state IN ({open})").format(open=_OPEN)

_PRUNE = """
DELETE FROM headrace.letters WHERE id IN (
    SELECT id FROM headrace.letters
    WHERE group_name = %s AND closed_at < now() - make_interval(secs => %s) ORDER BY closed_at LIMIT %s
)
"""

_UNPUBLISHED = """
SELECT count(*) FROM headrace.letters
WHERE group_name = %s AND state IN ('retrying', 'dead', 'replaying') AND published_attempt < attempt
"""
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

_SEEDS = "(SELECT seed_{} FROM headrace.groups WHERE group_name = %(group)s)"
_A, _B = (sql.SQL("hash_record_extended({identity}, " + _SEEDS.format(seed) + ")") for seed in "ab")

# places count the staged rows from 0 in their order
_DIGESTS = sql.SQL("""
WITH every AS MATERIALIZED (SELECT array_agg(ctid ORDER BY ctid) AS rows FROM {staging}),
wanted AS MATERIALIZED (
    SELECT w.place, every.rows[w.place + 1] AS at FROM every, unnest(%(places)s::bigint[]) AS w(place)
)
SELECT wanted.place, {a}, {b} FROM wanted JOIN {staging} AS s ON s.ctid = wanted.at
""")

# Most staged rows have no letter, so the second digest is worked out for those only that may have one.
_MET = sql.SQL("""
SELECT l.id, s.ctid::text, l.topic, l.partition, l."offset"
FROM {staging} AS s, headrace.letters l
WHERE l.group_name = %(group)s AND l.table_name = %(table)s AND l.state IN ({open})
  AND l.digest_a = {a} AND l.digest_b # {b} = 0
ORDER BY l.digest_a, l.digest_b, l."offset"
FOR UPDATE OF l
""")
_MET_AT = sql.SQL("""
SELECT p.at, p.place FROM (SELECT ctid::text AS at, row_number() OVER (ORDER BY ctid) - 1 AS place FROM {staging}) AS p
WHERE p.at = ANY (%s)
""")

_SUPERSEDE = """
UPDATE headrace.letters SET state = 'superseded', closed_at = clock_timestamp(), due_at = NULL,
    reason = 'a later change of the row was applied'
WHERE id = ANY (%s)
"""

_WRITE = sql.SQL("""
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code,
    table_name, digest_a, digest_b, due_at, closed_at, reason
)
SELECT %(group)s, w.topic, w.partition, w."offset", w.state, w.kind, w.error_type, w.component, w.operation, w.detail,
    w.remedy, w.code, %(table)s, w.digest_a, w.digest_b,
    CASE WHEN w.state = 'retrying' THEN clock_timestamp() + make_interval(secs => w.delay) END,
    CASE WHEN w.state = 'superseded' THEN clock_timestamp() END,
    CASE WHEN w.state = 'superseded' THEN 'a later change of the row was applied' END
FROM unnest(
    %(topic)s::text[], %(partition)s::int[], %(offset)s::bigint[], %(state)s::text[], %(kind)s::text[],
    %(error_type)s::text[], %(component)s::text[], %(operation)s::text[], %(detail)s::text[], %(remedy)s::text[],
    %(code)s::text[], %(digest_a)s::bigint[], %(digest_b)s::bigint[], %(delay)s::float8[]
) AS w(
    topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, code,
    digest_a, digest_b, delay
)
ON CONFLICT (group_name, topic, partition, "offset") WHERE state IN ({open}) DO NOTHING
RETURNING id, topic, partition, "offset", state
""").format(open=_OPEN)

_BYTES = "INSERT INTO headrace.letter_bytes (letter_id, key, value, headers) VALUES (%s, %s, %s, %s)"

# Whoever is about to close one of them is waited for, so that what the next statement sees stays so.
_LOCK_OLDER = sql.SQL("""
SELECT o.id FROM headrace.letters l
JOIN headrace.letters o ON o.group_name = l.group_name AND o.table_name = l.table_name
    AND o.digest_a = l.digest_a AND o.digest_b = l.digest_b
WHERE l.id = ANY (%(ids)s) AND o.id <> l.id AND {before} AND o.state IN ({open})
ORDER BY o.digest_a, o.digest_b, o."offset" FOR UPDATE OF o
""").format(open=_OPEN, before=_BEFORE)

_UNFOLLOWED = sql.SQL("""
SELECT l.topic, l.partition, l."offset" FROM headrace.letters l
WHERE l.id = ANY (%(ids)s) AND NOT EXISTS (
    SELECT FROM headrace.letters o
    WHERE o.group_name = l.group_name AND o.table_name = l.table_name
      AND o.digest_a = l.digest_a AND o.digest_b = l.digest_b AND o.id <> l.id AND {before} AND o.state IN ({open})
)
""").format(open=_OPEN, before=_BEFORE)


def lettered(connection: psycopg.Connection, group: str, tables: Collection[TableName]) -> set[TableName]:
    """Those of the tables that have open letters."""
    names = {str(table): table for table in tables}
    rows = connection.execute(_LETTERED, {"tables": sorted(names), "group": group}).fetchall()
    return {names[row[0]] for row in rows}


_STANDING = """
SELECT l.id, l.topic, l.partition, l."offset", l.state, l.attempt, l.digest_a IS NOT NULL AS placed,
    coalesce(l.searched < l.search_until, false) AS searching,
    coalesce(extract(epoch FROM l.due_at - clock_timestamp()), 0)::float8 AS due,
    extract(epoch FROM clock_timestamp() - l.first_failed_at)::float8 AS age,
    NOT EXISTS (
        SELECT FROM headrace.letters o
        WHERE o.group_name = l.group_name AND o.table_name = l.table_name AND o.digest_a = l.digest_a
          AND o.digest_b = l.digest_b AND o.id <> l.id AND {before} AND o.state IN ({open})
    ) AS oldest,
    b.letter_id IS NULL AS pointer, b.key, coalesce(b.edited, b.value) AS value, b.headers
"""
_READ = sql.SQL(
    _STANDING
    + """
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE l.group_name = %s AND l.topic = %s AND l.partition = %s AND l."offset" = %s AND l.state IN ({open})
"""
).format(open=_OPEN, before=_BEFORE)
# of its own partition: only there offsets tell the order
_FOLLOWERS = sql.SQL(
    _STANDING
    + """
FROM headrace.letters f
JOIN headrace.letters l ON l.group_name = f.group_name AND l.table_name = f.table_name
    AND l.digest_a = f.digest_a AND l.digest_b = f.digest_b
LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE f.id = %s AND l.topic = f.topic AND l.partition = f.partition AND l."offset" > f."offset" AND l.state IN ({open})
ORDER BY l."offset" LIMIT %s
"""
).format(open=_OPEN, before=_BEFORE)

_SETTLE = """
UPDATE headrace.letters SET state = %(state)s, reason = %(reason)s, claimed_until = NULL,
    closed_at = CASE WHEN %(closed)s THEN clock_timestamp() END,
    due_at = CASE WHEN %(state)s = 'retrying' THEN clock_timestamp() + make_interval(secs => %(delay)s) END
WHERE id = %(id)s AND attempt = %(attempt)s AND state IN ('retrying', 'replaying')
"""
_FAIL = """
UPDATE headrace.letters SET attempt = attempt + 1, failed_at = clock_timestamp(), kind = %(kind)s,
    error_type = %(type)s, component = %(component)s, operation = %(operation)s, detail = %(detail)s,
    remedy = %(remedy)s, code = %(code)s
WHERE id = %(id)s
"""
_NEXT = sql.SQL("""
SELECT n.id FROM headrace.letters l
JOIN headrace.letters n ON n.group_name = l.group_name AND n.table_name = l.table_name
    AND n.digest_a = l.digest_a AND n.digest_b = l.digest_b
WHERE l.id = %s AND n.id <> l.id AND {behind} AND n.state IN ({open})
ORDER BY (n.topic, n.partition) = (l.topic, l.partition) DESC, n."offset" LIMIT 1 FOR UPDATE OF n
""").format(open=_OPEN, behind=_BEHIND)
# if it waits: it comes back through the lane like any other
_RELEASE = """
UPDATE headrace.letters SET state = 'retrying', due_at = clock_timestamp(), published_attempt = attempt - 1
WHERE id = %s AND state = 'held'
"""


def read(connection: psycopg.Connection, group: str, origin: RecordRef) -> Standing | None:
    """The open letter of a record."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row = cursor.execute(_READ, (group, *origin.at, origin.offset)).fetchone()
    return None if row is None else _standing(row)


def followers(connection: psycopg.Connection, number: int, most: int) -> list[Standing]:
    """The letters that wait for this one and for no other, in their order, as far as their bytes are here."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows = cursor.execute(_FOLLOWERS, (number, most)).fetchall()
    return list(takewhile(lambda one: one.state is State.HELD and not one.pointer, map(_standing, rows)))


def _standing(row: Any) -> Standing:
    ref = RecordRef(TopicPartition(row.topic, row.partition), row.offset)
    return Standing(
        id=row.id,
        state=State(row.state),
        attempt=row.attempt,
        due=row.due,
        age=row.age,
        oldest=row.oldest,
        placed=row.placed,
        record=Record(ref=ref, key=row.key, value=row.value, headers=kept_headers(row.headers)),
        pointer=row.pointer,
        searching=row.searching,
    )


def settle(connection: psycopg.Connection, verdict: Verdict) -> bool:
    """Bring a letter further, and with one that is closed the next of its row.

    False when it is not as it was, and when an older one of its row stands in front of what is to be applied: one
    whose row became known meanwhile.
    """
    values = {
        "id": verdict.id,
        "attempt": verdict.attempt,
        "state": verdict.state.value,
        "closed": verdict.state not in OPEN,
        "reason": verdict.reason,
        "delay": verdict.delay,
    }
    if not connection.execute(_SETTLE, values).rowcount:
        return False
    if verdict.failure is not None:
        failure = verdict.failure
        said = {name: getattr(failure, name) for name in ("kind", "component", "operation", "detail", "remedy", "code")}
        connection.execute(_FAIL, {"id": verdict.id, "type": KINDS[failure.kind].type.value, **said})
    if verdict.state is State.HELD:
        return not _alone(connection, [verdict.id])
    if verdict.state is State.APPLIED and not _alone(connection, [verdict.id]):
        return False
    if verdict.state not in OPEN:
        release_next(connection, verdict.id)
    return True


def release_next(connection: psycopg.Connection, number: int) -> None:
    """Have the next letter of the row come back, if it waits."""
    if row := connection.execute(_NEXT, (number,)).fetchone():
        connection.execute(_RELEASE, (row[0],))


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> int:
    """Delete letters that were closed longer ago, with their bytes, at most so many; returns how many."""
    return connection.execute(_PRUNE, (group, keep_hours * 3600, most)).rowcount


def count_open(connection: psycopg.Connection, group: str) -> int:
    """How many letters are open."""
    row = connection.execute(_COUNT, (group,)).fetchone()
    return int(row[0]) if row else 0


def count_unpublished(connection: psycopg.Connection, group: str) -> int:
    """How many letters have a copy that is not published yet."""
    row = connection.execute(_UNPUBLISHED, (group,)).fetchone()
    return int(row[0]) if row else 0


def most_held(connection: psycopg.Connection, group: str, aside: Aside) -> int:
    """How many letters wait in the longest of the queues that new ones have joined."""
    held = [letter.record.ref for letter in aside.letters if letter.state is State.HELD]
    if not held:
        return 0
    row = connection.execute(_MOST_HELD, (group, *_arrays(held))).fetchone()
    return int(row[0] or 0) if row else 0


@dataclass(frozen=True, slots=True)
class Met:
    """An open letter of a staged row, which is counted from 0."""

    id: int
    place: int
    origin: RecordRef


def met(connection: psycopg.Connection, group: str, staged: Staged) -> list[Met]:
    """The open letters of the staged rows, locked."""
    query = _MET.format(staging=staged.staging, open=_OPEN, **_hashes(staged))
    rows = connection.execute(query, {"group": group, "table": str(staged.write.table)}).fetchall()
    if not rows:
        return []
    where = list({row[1] for row in rows})
    places: dict[str, int] = dict(connection.execute(_MET_AT.format(staging=staged.staging), (where,)).fetchall())
    return [Met(row[0], places[row[1]], RecordRef(TopicPartition(row[2], row[3]), row[4])) for row in rows]


def supersede(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Close letters that are locked, whose rows are written as a whole now."""
    if ids:
        connection.execute(_SUPERSEDE, (list(ids),))


def write(
    connection: psycopg.Connection, group: str, aside: Aside, identities: Staged | None, inline_bytes: int
) -> list[RecordRef]:
    """Write letters and their bytes; returns those that wait for an earlier batch's letter which is open no more.

    A record that has an open letter already keeps that one.
    """
    places = [letter.place for letter in aside.letters if letter.place is not None]
    found = digests(connection, group, identities, places) if identities else {}
    values = _columns(aside.letters, found)
    table = str(aside.table) if aside.table else None
    rows = connection.execute(_WRITE, {"group": group, "table": table, **values}).fetchall()
    ids = {RecordRef(TopicPartition(row[1], row[2]), row[3]): row[0] for row in rows}
    _write_bytes(connection, aside.letters, ids, inline_bytes)
    return _alone(connection, [ids[one.record.ref] for one in aside.letters if one.follows and one.record.ref in ids])


def _alone(connection: psycopg.Connection, ids: Sequence[int]) -> list[RecordRef]:
    """Those of the letters that have no older open one in front of them, and won't get one."""
    if not ids:
        return []
    connection.execute(_LOCK_OLDER, {"ids": list(ids)})
    rows = connection.execute(_UNFOLLOWED, {"ids": list(ids)}).fetchall()
    return [RecordRef(TopicPartition(row[0], row[1]), row[2]) for row in rows]


def _arrays(refs: Sequence[RecordRef]) -> tuple[list[str], list[int], list[int]]:
    return [ref.at.topic for ref in refs], [ref.at.partition for ref in refs], [ref.offset for ref in refs]


def _write_bytes(
    connection: psycopg.Connection, letters: Sequence[Letter], ids: Mapping[RecordRef, int], inline_bytes: int
) -> None:
    """A letter that is closed at once, or too large, has none: the record stays where it was."""
    rows = [
        (ids[letter.record.ref], letter.record.key, letter.record.value, _headers(letter.record.headers))
        for letter in letters
        if letter.record.ref in ids and letter.state is not State.SUPERSEDED and letter.record.size <= inline_bytes
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_BYTES, rows)


def _headers(headers: Sequence[Header]) -> Jsonb | None:
    if not headers:
        return None
    return Jsonb([[name, None if value is None else b64encode(value).decode()] for name, value in headers])


def kept_headers(headers: Sequence[tuple[str, str | None]] | None) -> tuple[Header, ...]:
    """A record's headers, as they are kept beside its letter."""
    return tuple((name, None if value is None else b64decode(value)) for name, value in headers or ())


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
        "digest_a": [a for a, _ in found],
        "digest_b": [b for _, b in found],
        "delay": [letter.delay for letter in letters],
    }


def digests(
    connection: psycopg.Connection, group: str, staged: Staged, places: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """The digests that staged rows are known by, by their places."""
    query = _DIGESTS.format(staging=staged.staging, **_hashes(staged))
    rows = connection.execute(query, {"group": group, "places": list(places)})
    return {row[0]: (row[1], row[2]) for row in rows}


def _hashes(staged: Staged) -> dict[str, sql.Composed]:
    """Both digests of a staged row `s`, in SQL."""
    identity = typed_identity(staged)
    return {"a": _A.format(identity=identity), "b": _B.format(identity=identity)}
