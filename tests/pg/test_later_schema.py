"""Programs that are older than the control schema go on behind migrations that add.

There is no release yet, so no older program can be run. What stands in for one: the statements of the program as it was
when `tests/fixtures/statements.json` was recorded, held against the newest schema; and the program of today on a schema
to which a later version has added (`make upgrade-tests` runs all of `tests/pg` on one).
"""

import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.edges.postgres.migrate import migrate, migrations
from tests.pg.conftest import NUMBERS
from tests.pg.later import expands, later
from tests.pg.statements import FILE, numbered, refused

RECORDED = json.loads(FILE.read_text())


@pytest.fixture
def empty(server: str, session: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A session on a database without any control schema."""
    name = f"later{next(NUMBERS)}"
    session.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(make_conninfo(server, dbname=name), autocommit=True) as connection:
        yield connection
    session.execute(f"DROP DATABASE {name}")


@pytest.fixture
def known() -> list[tuple[int, str]]:
    """The migrations that the recorded program goes on behind: up to the next break."""
    found = migrations()
    breaks = [version for version, text in found if version > RECORDED["version"] and not expands(text)]
    return [each for each in found if not breaks or each[0] < breaks[0]]


def test_statements_of_an_older_program_are_taken_by_every_schema_up_to_the_next_break(
    empty: psycopg.Connection, known: list[tuple[int, str]]
) -> None:
    """Names and types are what is held, not what comes of them."""
    assert len(RECORDED["statements"]) > 100
    for schema in (known, later(known)):
        migrate(empty, schema)
        assert refused(empty, RECORDED["statements"]) == {}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE headrace.positions RENAME COLUMN epoch TO fence",
        "ALTER TABLE headrace.batches DROP COLUMN durations",
        "ALTER TABLE headrace.jobs RENAME TO work",
        "ALTER TABLE headrace.positions DROP COLUMN updated_at, ADD COLUMN updated_at integer",
    ],
)
def test_what_an_older_program_needs_is_missed(
    empty: psycopg.Connection, known: list[tuple[int, str]], change: str
) -> None:
    """A migration that renames, drops or changes what is asked for is no expand migration."""
    migrate(empty, known)
    empty.execute("DROP VIEW headrace.freshness")
    before = refused(empty, RECORDED["statements"])
    empty.execute(change.encode())
    assert len(refused(empty, RECORDED["statements"])) > len(before)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT %s, %s", "SELECT $1, $2"),
        ("SELECT %(a)s, %(b)s, %(a)s", "SELECT $1, $2, $1"),
        ("SELECT x LIKE 'a%%' AND y = %s", "SELECT x LIKE 'a%' AND y = $1"),
    ],
)
def test_places_of_parameters_are_numbered(text: str, wanted: str) -> None:
    """As the server counts them."""
    assert numbered(text) == wanted
