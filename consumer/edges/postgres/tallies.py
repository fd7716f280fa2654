"""How many letters each group has in each state: summed up, and groups forgotten that have none any more.

Letters that change only ever add rows (`0017_letter_pages.sql`), so that no two transactions wait for one another.
"""

import psycopg

# of what has no letters any more a row stays for a while, so that it is known when it was seen last
_SUM_UP = """
WITH mine AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('headrace.letter_tallies.' || %(group)s, 0)) AS locked
), taken AS (
    DELETE FROM headrace.letter_tallies t USING mine WHERE mine.locked AND t.group_name = %(group)s RETURNING t.*
)
INSERT INTO headrace.letter_tallies (group_name, fingerprint, state, table_name, letters, seen_at)
SELECT group_name, fingerprint, state, table_name, sum(letters), max(seen_at) FROM taken
GROUP BY 1, 2, 3, 4
HAVING sum(letters) <> 0 OR max(seen_at) > now() - make_interval(secs => %(keep)s)
"""
_FORGET = """
DELETE FROM headrace.letter_groups g
WHERE group_name = %(group)s AND first_seen_at < now() - make_interval(secs => %(keep)s) AND NOT EXISTS (
    SELECT FROM headrace.letter_tallies t WHERE t.group_name = g.group_name AND t.fingerprint = g.fingerprint
)
"""
# a letter may have come while its group was forgotten
_RESTORE = """
INSERT INTO headrace.letter_groups
SELECT DISTINCT ON (l.fingerprint) l.group_name, l.fingerprint, l.component, l.operation, l.kind, l.code, l.topic,
    l.field, l.remedy, l.first_failed_at
FROM (
    SELECT fingerprint, state FROM headrace.letter_tallies t
    WHERE group_name = %(group)s AND letters > 0 AND NOT EXISTS (
        SELECT FROM headrace.letter_groups g WHERE g.group_name = t.group_name AND g.fingerprint = t.fingerprint
    )
) AS lost
CROSS JOIN LATERAL (
    SELECT * FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.fingerprint = lost.fingerprint AND l.state = lost.state
    ORDER BY l.failed_at, l.id LIMIT 1
) AS l
ORDER BY l.fingerprint
ON CONFLICT DO NOTHING
"""


def sum_up(connection: psycopg.Connection, group: str, keep_hours: float) -> None:
    """Make one row of all rows that count the same; forget groups that have had no letters for so many hours.

    Whoever comes second leaves the rows to the first.
    """
    values = {"group": group, "keep": keep_hours * 3600}
    for statement in (_SUM_UP, _FORGET, _RESTORE):
        connection.execute(statement, values)
