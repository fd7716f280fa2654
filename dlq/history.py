"""One letter in full: its row, what became of it, and the other letters of its table row.

No row value is in it: of edits it says which columns they name, not what they put there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, namedtuple_row

from consumer.core.tracing import trace_of
from consumer.edges.postgres.letter_bytes import kept_headers
from consumer.edges.postgres.open_letters import OLDER, OPEN_STATES
from dlq.letters import COLUMNS, Letter, page
from dlq.patching import column
from dlq.selection import Selection

MOST = 100
"""Most decisions, edits and other letters that are shown."""

_OPEN = sql.SQL(OPEN_STATES)
_MORE = """
SELECT l.searched, l.search_until, l.search_doubt, l.origin_log, l.published_at, l.lane_topic, l.lane_partition,
    l.lane_offset, l.imported_topic, l.imported_partition, l.imported_offset,
    l.digest_a IS NOT NULL AS placed, b.letter_id IS NOT NULL AS kept, octet_length(b.key) AS key_size,
    octet_length(b.value) AS value_size, octet_length(b.edited) AS edited_size, b.edit,
    b.headers
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE l.group_name = %s AND l.id = %s
"""
_FAILURES = """
SELECT f.kind, f.code, f.field, f.detail, f.times, f.first_at, f.last_at
FROM headrace.letter_failures f WHERE f.letter_id = %s ORDER BY f.first_at
"""
_DECISIONS = """
SELECT happened_at, actor, action, reason FROM headrace.audit
WHERE group_name = %s AND letters @> ARRAY[%s::bigint] ORDER BY id DESC LIMIT %s
"""
_OF_ROW = sql.SQL("""
SELECT {columns} FROM headrace.letters f
JOIN headrace.letters l ON l.group_name = f.group_name AND l.table_name = f.table_name
    AND l.digest_a = f.digest_a AND l.digest_b = f.digest_b
WHERE f.group_name = %s AND f.id = %s AND l.id <> f.id AND l.state IN ({open}) AND {which}
ORDER BY l.topic, l.partition, l."offset" LIMIT %s
""")
_OLDER = _OF_ROW.format(columns=COLUMNS, open=_OPEN, which=sql.SQL(OLDER.format(old="l", new="f")))
_FOLLOWING = sql.SQL("l.state = 'held' AND {}").format(sql.SQL(OLDER.format(old="f", new="l")))
_FOLLOWERS = _OF_ROW.format(columns=COLUMNS, open=_OPEN, which=_FOLLOWING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A way in which a letter failed before, how often, and when for the first and the last time."""

    kind: str
    code: str
    field: str
    detail: str
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """An edit of a letter's row, by the columns that its patch names."""

    at: datetime
    who: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a person did with a letter, and why."""

    happened_at: datetime
    actor: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of a letter's record, in bytes. `edited`: of the record after its last edit."""

    key: int | None
    value: int | None
    edited: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A letter in full.

    `kept` is None where it only points to its record. `placed`: its table row is known. `older`: open letters in front
    of it, of its row; `followers`: those that wait behind it. `copy`: where its last copy lies, as topic, partition and
    offset; `found`: where it was found, if it is another consumer's. `searched` and `search_until`: how far its origin
    is searched for later changes, if it is. `trace`: the id of its record's trace, where the record's header says one.
    """

    letter: Letter
    placed: bool
    kept: Kept | None
    copy: tuple[str, int, int] | None
    found: tuple[str, int, int] | None
    published_at: datetime | None
    searched: int | None
    search_until: int | None
    search_doubt: str | None
    origin_log: str | None
    trace: str | None
    failures: tuple[Failed, ...]
    edits: tuple[Edited, ...]
    decisions: tuple[Decided, ...]
    older: tuple[Letter, ...]
    followers: tuple[Letter, ...]


def whole(connection: psycopg.Connection, group: str, number: int) -> Whole | None:
    """A letter of the group in full; None when there is none. Raises psycopg.Error."""
    found = page(connection, group, Selection(ids=(number,)), most=1)
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        more: Any = cursor.execute(_MORE, (group, number)).fetchone()
    if not found or more is None:
        return None
    return Whole(
        letter=found[0],
        placed=more.placed,
        kept=Kept(key=more.key_size, value=more.value_size, edited=more.edited_size) if more.kept else None,
        copy=(more.lane_topic, more.lane_partition, more.lane_offset) if more.lane_topic else None,
        found=(more.imported_topic, more.imported_partition, more.imported_offset) if more.imported_topic else None,
        published_at=more.published_at,
        searched=more.searched,
        search_until=more.search_until,
        search_doubt=more.search_doubt,
        origin_log=more.origin_log,
        trace=trace_of(kept_headers(more.headers)),
        failures=tuple(_rows(connection, Failed, _FAILURES, (number,))),
        edits=tuple(_edited(each) for each in (more.edit or ())[-MOST:]),
        decisions=tuple(_rows(connection, Decided, _DECISIONS, (group, number, MOST))),
        older=tuple(_letters(connection, _OLDER, group, number)),
        followers=tuple(_letters(connection, _FOLLOWERS, group, number)),
    )


def _rows(connection: psycopg.Connection, kind: type[Any], query: str, values: Sequence[object]) -> list[Any]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), values).fetchall()


def _letters(connection: psycopg.Connection, query: sql.Composed, group: str, number: int) -> list[Letter]:
    with connection.cursor(row_factory=class_row(Letter)) as cursor:
        return cursor.execute(query, (group, number, MOST)).fetchall()


def _edited(said: dict[str, Any]) -> Edited:
    columns = sorted({column(operation["path"]) for operation in said["patch"]})
    return Edited(at=datetime.fromisoformat(said["at"]), who=said["who"], columns=tuple(columns))
