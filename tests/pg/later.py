"""A control schema of a later version that only adds, as an expand migration may: columns to every table, a table, an
index.
"""

from collections.abc import Sequence

from consumer.edges.postgres.migrate import migrations

_ADDS = """-- expand: whatever a later version may add
DO $$ DECLARE found regclass; BEGIN
    FOR found IN SELECT c.oid::regclass FROM pg_class c
        WHERE c.relnamespace = 'headrace'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migrations' LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN added_later text,'
            ' ADD COLUMN added_later_too integer NOT NULL DEFAULT 7', found);
    END LOOP;
END $$;
CREATE TABLE headrace.added_later (id bigint PRIMARY KEY, group_name text NOT NULL, state text NOT NULL);
CREATE INDEX letters_added_later ON headrace.letters (added_later);
"""


def later(known: Sequence[tuple[int, str]] | None = None) -> list[tuple[int, str]]:
    """The migrations of a program of the next version; behind this one's, if no others are given."""
    known = known or migrations()
    return [*known, (known[-1][0] + 1, _ADDS)]


def expands(text: str) -> bool:
    """Whether a migration only adds."""
    return text.startswith("-- expand")
