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
