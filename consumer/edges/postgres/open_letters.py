"""What is open of rows, in SQL: which letters, which of two is the older, and which one is in the way of others."""

from consumer.core.letters import BEHIND, KEEPING, OPEN

OPEN_STATES = ", ".join(f"'{state}'" for state in sorted(OPEN))
"""The open states as a list."""

TO_PUBLISH = "state IN ('retrying', 'dead', 'replaying') AND published_attempt < attempt"
"""Whether a copy of a letter is to be published, as a condition."""

_FIRST = f"""least({{one}}.id, (
    SELECT min(first.id) FROM headrace.letters first
    WHERE first.group_name = {{one}}.group_name AND first.table_name = {{one}}.table_name
      AND first.digest_a = {{one}}.digest_a AND first.digest_b = {{one}}.digest_b
      AND first.topic = {{one}}.topic AND first.partition = {{one}}.partition AND first.state IN ({OPEN_STATES})
))"""

OLDER = f"""CASE WHEN ({{old}}.topic, {{old}}.partition) = ({{new}}.topic, {{new}}.partition)
    THEN {{old}}."offset" < {{new}}."offset"
    ELSE {_FIRST.format(one="{old}")} < {_FIRST.format(one="{new}")} END"""
"""Which of two letters of one row is the older, as a condition in SQL on `old` and `new`.

Within a partition the log's order. Keys that moved to another one, as when a topic grew, by what failed first of their
row in each partition and is open: by that no three letters wait for one another in a circle.
"""


ORDERED = f"""ordered AS (
    SELECT l.*, row_number() OVER (
        PARTITION BY l.table_name, l.digest_a, l.digest_b ORDER BY l.first, l."offset"
    ) AS place
    FROM (
        SELECT l.*, {{goes}} AS goes,
            min(l.id) OVER (PARTITION BY l.table_name, l.digest_a, l.digest_b, l.topic, l.partition) AS first
        FROM rows r CROSS JOIN LATERAL (
            SELECT l.id, l.topic, l.partition, l."offset", l.state, l.table_name, l.digest_a, l.digest_b, l.kind,
                l.operation
            FROM headrace.letters l
            WHERE l.group_name = r.group_name AND l.table_name = r.table_name AND l.digest_a = r.digest_a
              AND l.digest_b = r.digest_b AND l.state IN ({OPEN_STATES})
            OFFSET 0
        ) AS l
    ) AS l
)"""
"""The same for all open letters of some rows at once, as a common table expression behind one that names the `rows`.

`ordered` has these letters, each with its `place` among those of its row, and whether it `goes`, by a condition on `l`.
"""

FOLLOWING = f"""{ORDERED}, following AS MATERIALIZED (
    SELECT *, coalesce(NOT goes AND waits AND given_up >= coalesce(applied, 0), false) AS follows
    FROM (
        SELECT *, state = 'held' AND NOT keeps AS waits, max(place) FILTER (WHERE goes) OVER before AS given_up,
            max(place) FILTER (WHERE state <> 'held' OR keeps) OVER before AS applied
        FROM (SELECT *, (kind, operation) = ('{BEHIND}', '{KEEPING}') AS keeps FROM ordered) AS o
        WINDOW before AS (
            PARTITION BY table_name, digest_a, digest_b ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS o
)"""
"""With these letters, each with whether it `follows` those that go: it waits for one of them, and for none between them
that may still be applied. A delete that keeps what its row has for its next key may.
"""

QUEUED = f"""{ORDERED}, queued AS MATERIALIZED (
    SELECT o.id, o.topic, o.partition, o."offset", o.goes, CASE WHEN o.place > o.front THEN o.blocking END AS by
    FROM (
        SELECT *, min(place) FILTER (WHERE state <> 'held' AND NOT goes) OVER row AS front,
            first_value(id) OVER (row ORDER BY state = 'held' OR goes, place) AS blocking
        FROM ordered WINDOW row AS (PARTITION BY table_name, digest_a, digest_b)
    ) AS o
)"""
"""With these letters, each with the oldest one in front of it that does not go, and does not wait itself."""
