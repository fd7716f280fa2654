"""Groups of letters: what failed in the same way, how often, since when."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from dlq.selection import Selection, groups_meant, parameters

_GROUPS = sql.SQL("""
SELECT found.*, newest.id AS sample FROM (
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
) AS found
LEFT JOIN LATERAL (
    SELECT l.id FROM jsonb_object_keys(found.states) AS shown (state) CROSS JOIN LATERAL (
        SELECT l.id, l.failed_at FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.fingerprint = found.fingerprint AND l.state = shown.state
        ORDER BY l.failed_at DESC, l.id DESC LIMIT 1
    ) AS l
    ORDER BY l.failed_at DESC, l.id DESC LIMIT 1
) AS newest ON true
ORDER BY found.last_seen_at DESC, found.fingerprint
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Letters that failed in the same way. `states`: how many letters it has in each state that it has letters in.

    `sample`: the letter of these that failed last.
    """

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
    sample: int | None = None


def groups(connection: psycopg.Connection, group: str, selection: Selection, most: int) -> list[Group]:
    """The groups with letters, the last seen first. Of a selection ids, tables and times are not looked at.

    Raises psycopg.Error.
    """
    query = _GROUPS.format(meant=groups_meant(selection))
    with connection.cursor(row_factory=class_row(Group)) as cursor:
        return cursor.execute(query, {**parameters(group, selection), "most": most}).fetchall()
