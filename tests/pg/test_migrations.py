"""The control schema's versions."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from consumer.core.failure import Refused
from consumer.edges.postgres.migrate import migrate, migrations, schema_version
from tests.pg.conftest import NUMBERS


@pytest.fixture
def empty(server: str, session: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A session on a database without any control schema."""
    name = f"empty{next(NUMBERS)}"
    session.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(make_conninfo(server, dbname=name), autocommit=True) as connection:
        yield connection
    session.execute(f"DROP DATABASE {name}")


def test_migrating_twice_changes_nothing(empty: psycopg.Connection) -> None:
    """Every worker migrates at its start; only the first does anything."""
    assert schema_version(empty) == 0
    newest = migrations()[-1][0]
    assert [migrate(empty), migrate(empty)] == [newest, newest]

    applied = empty.execute("SELECT array_agg(version ORDER BY version) FROM headrace.migrations").fetchone()
    assert applied == ([version for version, _ in migrations()],)
    assert schema_version(empty) == newest


def test_versions_are_numbered_without_gaps() -> None:
    """A gap or a doubled number would be a migration that never runs."""
    assert [version for version, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_schema_of_each_older_version_is_brought_up_to_date(empty: psycopg.Connection) -> None:
    """What stood in it stays; a later version ends as one that was made in one go."""
    position = (
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES ('g', 't', 0, 7, 1)"
    )
    whole = _columns_after(empty, migrations())
    for place in range(1, len(migrations())):
        assert _columns_after(empty, migrations()[:place], position) == whole
        assert empty.execute("SELECT next_offset FROM headrace.positions").fetchall() == [(7,)]


def _columns_after(empty: psycopg.Connection, older: list[tuple[int, str]], then: str = "SELECT") -> object:
    """Every column of the schema when it was made by these migrations, used, and migrated to the end."""
    empty.execute("DROP SCHEMA IF EXISTS headrace CASCADE")
    empty.execute("CREATE SCHEMA headrace")
    empty.execute(
        "CREATE TABLE headrace.migrations (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now())"
    )
    for version, text in older:
        empty.execute(text.encode())
        empty.execute("INSERT INTO headrace.migrations (version) VALUES (%s)", (version,))
    empty.execute(then.encode())
    migrate(empty)
    return empty.execute(
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'headrace' ORDER BY table_name, ordinal_position"
    ).fetchall()


@pytest.mark.provokes("target.newer")
def test_a_newer_schema_is_refused(empty: psycopg.Connection) -> None:
    """An older program must not write into what it does not know."""
    newest = migrate(empty)
    empty.execute("INSERT INTO headrace.migrations (version) VALUES (%s)", (newest + 1,))
    with pytest.raises(Refused) as caught:
        migrate(empty)

    assert caught.value.failure.kind == "target.newer"
    assert "newer" in caught.value.failure.remedy
    assert schema_version(empty) == newest + 1
