"""A target database with test-only triggers that see every write and every move of a position."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from consumer.edges.postgres.migrate import migrate

TEMPLATE = "engine_template"

_TABLES = """
CREATE TABLE {table} (id bigint PRIMARY KEY, label text, amount integer NOT NULL);
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION witness.note_write();
"""

_WITNESSES = """
CREATE SCHEMA witness;
CREATE TABLE witness.writes (
    n bigint GENERATED ALWAYS AS IDENTITY, name text, op text, id bigint, pid integer, application text,
    at timestamptz DEFAULT statement_timestamp());
CREATE TABLE witness.moves (
    n bigint GENERATED ALWAYS AS IDENTITY, grp text, topic text, part integer, epoch bigint,
    old_offset bigint, new_offset bigint, pid integer);
CREATE FUNCTION witness.note_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.writes (name, op, id, pid, application)
    VALUES (TG_TABLE_NAME, TG_OP, coalesce(NEW.id, OLD.id), pg_backend_pid(), current_setting('application_name'));
    RETURN NULL; END $$;
CREATE FUNCTION witness.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.moves (grp, topic, part, epoch, old_offset, new_offset, pid)
    VALUES (NEW.group_name, NEW.topic, NEW.partition, NEW.epoch, OLD.next_offset, NEW.next_offset, pg_backend_pid());
    RETURN NULL; END $$;
CREATE TRIGGER witness AFTER UPDATE OF next_offset ON headrace.positions
    FOR EACH ROW EXECUTE FUNCTION witness.note_move();
"""

_OPEN = "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"


class Truth(Protocol):
    """What a table must hold and where its topic ends."""

    table: str

    def rows(self) -> dict[int, tuple[str | None, int]]: ...
    def ends(self) -> dict[tuple[str, int], int]: ...


def make_template(dsn: str) -> None:
    """The database that every target is copied from: control schema, witnesses, two tables."""
    create_database(dsn, TEMPLATE)
    with psycopg.connect(make_conninfo(dsn, dbname=TEMPLATE), autocommit=True) as connection:
        migrate(connection)
        connection.execute(_WITNESSES)
        for name in ("once", "churn"):
            connection.execute(sql.SQL(_TABLES).format(table=sql.Identifier("public", name)))


def create_database(dsn: str, name: str, template: str = "template1") -> str:
    """A new database beside the one of `dsn`; returns its address."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return make_conninfo(dsn, dbname=name)


def differences(found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> list[str]:
    """The first rows that are missing, surplus or other than they should be."""
    keys = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
    return [f"{key}: {found.get(key)} instead of {wanted.get(key)}" for key in keys[:10]]


class Target:
    """One target database: what it holds and what its witnesses saw."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    @contextmanager
    def connected(self) -> Iterator[psycopg.Connection]:
        """A session of the test's own."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield connection

    def ask(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """The rows of one query."""
        with self.connected() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def do(self, statement: str) -> None:
        """One statement without rows."""
        with self.connected() as connection:
            connection.execute(statement.encode())

    def blocked(self) -> bool:
        """Whether a session waits for a lock."""
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(self.ask(query))

    def rows(self, table: str) -> dict[object, tuple[object, ...]]:
        """A table of the feed's columns by key."""
        return {row[0]: row[1:] for row in self.ask(f"SELECT id, label, amount FROM {table}")}

    def positions(self, group: str) -> dict[tuple[object, object], object]:
        """Stored positions by topic and partition."""
        query = "SELECT topic, partition, next_offset FROM headrace.positions WHERE group_name = %s"
        return {(row[0], row[1]): row[2] for row in self.ask(query, group)}

    def stopped(self, group: str) -> dict[tuple[object, object], dict[str, str]]:
        """Why partitions are stopped, by topic and partition."""
        query = "SELECT topic, partition, stopped FROM headrace.positions WHERE group_name = %s AND stopped IS NOT NULL"
        return {(row[0], row[1]): row[2] for row in self.ask(query, group)}

    def reached(self, group: str, *feeds: Truth) -> bool:
        """Whether every partition's position is at the end of what was fed."""
        stored = self.positions(group)
        return all(stored.get(at) == end for feed in feeds for at, end in feed.ends().items())

    def writes(self, table: str = "once") -> Counter[object]:
        """How often each key was written, rolled back writes left out.

        A row that goes and comes in one statement is written once: so are rows that swap what is unique.
        """
        query = """
            SELECT id, CASE WHEN array_agg(op ORDER BY n) = '{DELETE,INSERT}' THEN 1 ELSE count(*) END
            FROM witness.writes WHERE name = %s GROUP BY id, at
        """
        found: Counter[object] = Counter()
        for key, times in self.ask(query, table):
            found[key] += int(str(times))
        return found

    def double_writes(self) -> list[object]:
        """Keys of the once-table that were written more than once."""
        return [key for key, times in self.writes().items() if times != 1]

    def bad_ranges(self, group: str) -> list[str]:
        """Batches' offset ranges that overlap, leave a gap, go back, or come from an older owner than the last."""
        query = "SELECT topic, part, old_offset, new_offset, epoch FROM witness.moves WHERE grp = %s ORDER BY n"
        last: dict[tuple[object, object], tuple[int, int]] = {}
        wrong = []
        for topic, part, *numbers in self.ask(query, group):
            old, new, epoch = (int(str(number)) for number in numbers)
            end, owner = last.get((topic, part), (old, epoch))
            if old != end or new < old or epoch < owner:
                wrong.append(f"{topic}-{part}: {old}-{new} of epoch {epoch} after {end} of epoch {owner}")
            last[topic, part] = max(new, end), max(epoch, owner)
        return wrong

    def ledger_overlaps(self, group: str) -> list[tuple[object, ...]]:
        """Ranges of the ledger that share an offset."""
        return self.ask(
            """
            WITH r AS (SELECT b.id, x->>0 AS topic, (x->>1)::int AS part,
                              int8range((x->>2)::bigint, (x->>3)::bigint) AS span
                       FROM headrace.batches b, jsonb_array_elements(b.ranges) x
                       WHERE b.group_name = %s AND b.state = 'applied')
            SELECT l.topic, l.part, l.span::text, o.span::text FROM r l
            JOIN r o ON o.id > l.id AND o.topic = l.topic AND o.part = l.part AND o.span && l.span
            """,
            group,
        )

    def must_equal(self, group: str, *feeds: Truth) -> None:
        """The oracle: tables equal the model, once means once, and no two batches share an offset."""
        for feed in feeds:
            assert differences(self.rows(f"public.{feed.table}"), feed.rows()) == []
        for feed in feeds:
            if feed.table == "once":
                assert self.writes() == Counter(feed.rows().keys())
        assert self.reached(group, *feeds)
        assert self.bad_ranges(group) == []
        assert self.ledger_overlaps(group) == []
        assert (
            self.ask("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%%'")
            == []
        )
