"""Letters of a selection: pages of them, the last that failed first; how many; what they have in common.

A page costs no more than it holds, however many letters there are: which groups have letters in which states is known
from the tallies, and of each the newest are read from an index.
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from consumer.core.letters import State
from dlq.selection import Selection, counts_meant, letters_meant, parameters, times_meant

FACETS = ("kind", "topic", "state", "table")
"""What letters are told apart by in `facets`."""
MOST_VALUES = 200
"""Most values of a facet."""

COLUMNS = sql.SQL("""
    l.id, l.fingerprint, l.state, l.kind, l.code, l.field, l.error_type, l.component, l.operation, l.detail, l.remedy,
    l.topic, l.partition, l."offset", l.table_name AS table, l.attempt, l.replays, l.first_failed_at, l.failed_at,
    l.due_at, l.closed_at, l.reason, l.imported
""")
_NEWEST = sql.SQL("ORDER BY failed_at DESC, id DESC LIMIT %(most)s")
_BEHIND = sql.SQL("(l.failed_at, l.id) < (%(after_time)s, %(after_id)s)")
_ALL = sql.SQL("SELECT {columns} FROM headrace.letters l WHERE {meant} AND {behind} {newest}")
_COUNTED = sql.SQL("""
SELECT {what} FROM headrace.letter_tallies t
JOIN headrace.letter_groups g ON g.group_name = t.group_name AND g.fingerprint = t.fingerprint
WHERE t.group_name = %(group)s AND {meant}
""")
# of each state of a group, and of each table if tables are given, the newest
_OF_GROUPS = sql.SQL("""
WITH found AS (
    SELECT newest.* FROM ({tallied} GROUP BY {what} HAVING sum(t.letters) > 0) AS p
    CROSS JOIN LATERAL (
        SELECT l.id, l.failed_at FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.fingerprint = p.fingerprint AND l.state = p.state AND {table}
          AND {times} AND {behind}
        {newest}
    ) AS newest
    {newest}
)
SELECT {columns} FROM found JOIN headrace.letters l USING (id) ORDER BY l.failed_at DESC, l.id DESC
""")
_COUNT = sql.SQL("SELECT count(*) FROM headrace.letters l WHERE {meant}")
_PAIR = sql.SQL("t.fingerprint, t.state")
_TRIPLE = sql.SQL("t.fingerprint, t.state, t.table_name")
_FACETS = sql.SQL("""
SELECT CASE WHEN GROUPING(kind) = 0 THEN 'kind' WHEN GROUPING(topic) = 0 THEN 'topic'
    WHEN GROUPING(state) = 0 THEN 'state' ELSE 'table' END AS facet,
    coalesce(kind, topic, state, table_name) AS value, sum(letters)::bigint AS number
FROM ({tallied}) AS counted
GROUP BY GROUPING SETS ((kind), (topic), (state), (table_name)) HAVING sum(letters) > 0
ORDER BY number DESC, value
""")
_FACETTED = sql.SQL("g.kind, g.topic, t.state, t.table_name, t.letters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter's row. `table` is None where its row is not known, `reason` what became of it.

    `imported`: whose dead letter it was, None for our own.
    """

    id: int
    fingerprint: str
    state: str
    kind: str
    code: str
    field: str
    error_type: str
    component: str
    operation: str
    detail: str
    remedy: str
    topic: str
    partition: int
    offset: int
    table: str | None
    attempt: int
    replays: int
    first_failed_at: datetime
    failed_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    reason: str | None
    imported: str | None

    @property
    def tries(self) -> int:
        """How often it was tried: `attempt` numbers its copies, and counts each sending by people beside."""
        return self.attempt - self.replays

    @property
    def left_alone(self) -> bool:
        """Whether it was sent again and not tried, for its `reason`: it is dead as before."""
        return self.state == State.DEAD and bool(self.reason)

    @property
    def place(self) -> "Place":
        """Where it stands among the letters of a selection."""
        return Place(self.failed_at, self.id)


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which letter a page begins: one that failed then. As text it goes from one page to the next."""

    failed_at: datetime
    id: int

    def __str__(self) -> str:
        return f"{self.failed_at.isoformat()}/{self.id}"

    @staticmethod
    def of(text: str) -> "Place":
        """What a page said of its last letter. Raises ValueError."""
        time, _, number = text.rpartition("/")
        place = Place(datetime.fromisoformat(time), int(number))
        if place.failed_at.tzinfo is None:
            raise ValueError("a time without its zone")
        return place


def page(
    connection: psycopg.Connection, group: str, selection: Selection, *, most: int, after: Place | None = None
) -> list[Letter]:
    """The letters behind a place, the last that failed first. Raises psycopg.Error."""
    behind = sql.SQL("true") if after is None else _BEHIND
    if selection.is_single or not (selection.states or selection.tables or _of_groups(selection)):
        query = _ALL.format(columns=COLUMNS, meant=letters_meant(selection), behind=behind, newest=_NEWEST)
    else:
        what = _TRIPLE if selection.tables else _PAIR
        query = _OF_GROUPS.format(
            tallied=_COUNTED.format(what=what, meant=counts_meant(selection)),
            what=what,
            table=sql.SQL("l.table_name = p.table_name" if selection.tables else "true"),
            times=times_meant(selection),
            behind=behind,
            newest=_NEWEST,
            columns=COLUMNS,
        )
    values = {**parameters(group, selection), "most": most}
    if after is not None:
        values |= {"after_time": after.failed_at, "after_id": after.id}
    with connection.cursor(row_factory=class_row(Letter)) as cursor:
        return cursor.execute(query, values).fetchall()


def count(connection: psycopg.Connection, group: str, selection: Selection) -> int:
    """How many letters are meant. Raises psycopg.Error."""
    if selection.is_single or selection.failed_since or selection.failed_before:
        query = _COUNT.format(meant=letters_meant(selection))
    else:
        query = _COUNTED.format(what=sql.SQL("sum(t.letters)"), meant=counts_meant(selection))
    row = connection.execute(query, parameters(group, selection)).fetchone()
    return int(row[0] or 0) if row else 0


def facets(connection: psycopg.Connection, group: str, selection: Selection) -> dict[str, dict[str, int]]:
    """By facet its values with the number of letters, most first. Of a selection ids and times are not looked at.

    Letters whose table is not known count in no table. Raises psycopg.Error.
    """
    query = _FACETS.format(tallied=_COUNTED.format(what=_FACETTED, meant=counts_meant(selection)))
    found: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
    for facet, value, number in connection.execute(query, parameters(group, selection)):
        if value is not None and len(found[facet]) < MOST_VALUES:
            found[facet][value] = number
    return found


def _of_groups(selection: Selection) -> bool:
    return bool(selection.fingerprints or selection.kinds or selection.topics or selection.text)
