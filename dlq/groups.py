"""Groups of letters: what failed in the same way, how often, since when."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from dlq.selection import Selection, groups_meant, parameters

_GROUPS = sql.SQL("""
SELECT g.fingerprint, g.component, g.operation, g.kind, g.code, g.topic, g.field, g.remedy, g.first_seen_at,
    max(t.seen_at) AS last_seen_at, jsonb_object_agg(t.state, t.letters) AS states
FROM headrace.letter_groups g
JOIN (
    SELECT fingerprint, state, sum(letters)::bigint AS letters, max(seen_at) AS seen_at
    FROM headrace.letter_tallies WHERE group_name = %(group)s
    GROUP BY fingerprint, state HAVING sum(letters) > 0
) t USING (fingerprint)
WHERE g.group_name = %(group)s AND {meant} AND (cardinality(%(states)s::text[]) = 0 OR t.state = ANY (%(states)s))
GROUP BY g.group_name, g.fingerprint ORDER BY last_seen_at DESC, g.fingerprint LIMIT %(most)s
""")
_SUM_UP = """
WITH mine AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('headrace.letter_tallies.' || %(group)s, 0)) AS locked
), taken AS (
    DELETE FROM headrace.letter_tallies t USING mine WHERE mine.locked AND t.group_name = %(group)s RETURNING t.*
)
INSERT INTO headrace.letter_tallies
SELECT group_name, fingerprint, state, sum(letters), max(seen_at) FROM taken
GROUP BY 1, 2, 3 HAVING sum(letters) <> 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Letters that failed in the same way. `states`: how many letters it has in each state that it has letters in."""

    fingerprint: str
    component: str
    operation: str
    kind: str
    code: str
    topic: str
    field: str
    remedy: str
    first_seen_at: datetime
    last_seen_at: datetime
    states: dict[str, int]


def groups(connection: psycopg.Connection, group: str, selection: Selection, most: int) -> list[Group]:
    """The groups with letters, the last seen first. Of a selection ids, tables and times are not looked at.

    Raises psycopg.Error.
    """
    query = _GROUPS.format(meant=groups_meant(selection))
    with connection.cursor(row_factory=class_row(Group)) as cursor:
        return cursor.execute(query, {**parameters(group, selection), "most": most}).fetchall()


def sum_up(connection: psycopg.Connection, group: str) -> None:
    """Make one row of all rows that count the same; whoever comes second leaves it to the first."""
    connection.execute(_SUM_UP, {"group": group})
