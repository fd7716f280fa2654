"""A target of which every table is published, as a Debezium behind it or a blue/green deployment has it."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Pruned, Retention
from tests.pg.conftest import NUMBERS

LETTERS = """
INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component, operation,
    detail, remedy)
SELECT 'g', 't', 0, i, 'dead', 'record.check', 'persistent', 'c', 'o', 'd', 'r' FROM generate_series(1, 3) i
"""
UNMARKED = """
SELECT relname FROM pg_class c
WHERE relnamespace = 'headrace'::regnamespace AND relkind IN ('r', 'p') AND relreplident <> 'f' AND NOT EXISTS (
    SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'
)
"""


@pytest.fixture
def dsn(server: str, session: psycopg.Connection) -> Iterator[str]:
    """The connection string of a database of its own: a publication of all tables is one of a database."""
    name = f"published{next(NUMBERS)}"
    session.execute(f"CREATE DATABASE {name}")
    yield make_conninfo(server, dbname=name)
    session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def published(dsn: str) -> Iterator[psycopg.Connection]:
    """A session on it, where there is a control schema."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        migrate(connection)
        connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        yield connection


def test_each_table_of_the_control_schema_says_which_row_it_deletes(published: psycopg.Connection) -> None:
    """By its primary key, or by all of its columns: else the server refuses each deletion."""
    assert published.execute(UNMARKED).fetchall() == []


def test_what_need_not_be_kept_is_deleted(published: psycopg.Connection, dsn: str) -> None:
    """Tallies are summed up, too, though their rows have no key."""
    for statement in (LETTERS, "UPDATE headrace.letters SET state = 'discarded', closed_at = now()"):
        published.execute(statement.encode())
    assert _pruned(dsn) == Pruned()
    assert published.execute("SELECT state, letters FROM headrace.letter_tallies ORDER BY 2").fetchall() == [
        ("dead", 0),
        ("discarded", 3),
    ]


def test_what_the_target_refuses_to_delete_keeps_nothing_else(published: psycopg.Connection, dsn: str) -> None:
    """It is told with its reason, as what fails for now is, and what is pruned behind it is."""
    published.execute(LETTERS.encode())
    published.execute("ALTER TABLE headrace.letter_tallies REPLICA IDENTITY NOTHING")
    published.execute(
        "INSERT INTO headrace.moved (table_name, token, columns, kept_at) VALUES ('s.t', 'a', '{}', 'epoch')"
    )
    (failure,) = _pruned(dsn).failures
    assert (failure.operation, failure.code) == ("prune tallies", "55000")
    assert published.execute("SELECT count(*) FROM headrace.moved").fetchone() == (0,)


def _pruned(dsn: str) -> Pruned:
    """What a worker tells of it."""
    with closing(PostgresSink(SessionSettings(dsn=dsn, worker="one"), "g")) as sink:
        sink.open()
        return sink.prune(Retention(moved=1.0))
