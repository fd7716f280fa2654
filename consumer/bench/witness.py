"""Triggers in the target that see every write of a row and every move of a position, and what they say in the end.

They share nothing with the program: what a batch writes twice, or leaves out, stands in their tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

_SCHEMA = "bench_witness"

_WITNESSES = f"""
CREATE SCHEMA {_SCHEMA};
CREATE TABLE {_SCHEMA}.writes (id bigint, op text);
CREATE TABLE {_SCHEMA}.moves (
    n bigint GENERATED ALWAYS AS IDENTITY, topic text, part integer, epoch bigint,
    old_offset bigint, new_offset bigint);
CREATE FUNCTION {_SCHEMA}.note_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO {_SCHEMA}.writes VALUES (coalesce(NEW.id, OLD.id), TG_OP);
    RETURN NULL; END $$;
CREATE FUNCTION {_SCHEMA}.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO {_SCHEMA}.moves (topic, part, epoch, old_offset, new_offset)
    VALUES (NEW.topic, NEW.partition, NEW.epoch, OLD.next_offset, NEW.next_offset);
    RETURN NULL; END $$;
"""

_TWICE = f"SELECT count(*) FROM (SELECT FROM {_SCHEMA}.writes GROUP BY id HAVING count(*) > 1) AS again"
_TORN = f"""
SELECT count(*) FROM (
    SELECT old_offset, new_offset, epoch,
        coalesce(lag(new_offset) OVER part, 0) AS reached, coalesce(lag(epoch) OVER part, 0) AS owner
    FROM {_SCHEMA}.moves WHERE topic = %s WINDOW part AS (PARTITION BY part ORDER BY n)) AS moves
WHERE old_offset <> reached OR new_offset < old_offset OR epoch < owner
"""


@contextmanager
def watching(connection: psycopg.Connection, table: sql.Composable) -> Iterator[None]:
    """Have writes of a table and moves of positions noted; the control schema must be there."""
    dismiss(connection)
    connection.execute(_WITNESSES)
    trigger = sql.SQL("CREATE TRIGGER bench_witness AFTER {} ON {} FOR EACH ROW EXECUTE FUNCTION {}")
    every, moves = sql.SQL("INSERT OR UPDATE OR DELETE"), sql.SQL("UPDATE OF next_offset")
    positions = sql.Identifier("headrace", "positions")
    connection.execute(trigger.format(every, table, sql.SQL(f"{_SCHEMA}.note_write()")))
    connection.execute(trigger.format(moves, positions, sql.SQL(f"{_SCHEMA}.note_move()")))
    try:
        yield
    finally:
        dismiss(connection)


def dismiss(connection: psycopg.Connection) -> None:
    """Take the witnesses away; also those that a killed run has left."""
    connection.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")


def twice(connection: psycopg.Connection) -> int:
    """Rows that were written more than once."""
    return _counted(connection, _TWICE)


def torn(connection: psycopg.Connection, topic: str) -> int:
    """Moves of the topic's positions that do not begin where the last one ended, go back, or are of an older owner."""
    return _counted(connection, _TORN, topic)


def _counted(connection: psycopg.Connection, query: str, *parameters: str) -> int:
    row = connection.execute(query.encode(), parameters).fetchone()
    return int(row[0]) if row else 0
