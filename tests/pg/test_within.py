"""A batch whose writes get less time than any other's."""

from collections.abc import Iterator

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import TableBusy
from tests.pg.conftest import Sinks
from tests.pg.landing import ID, Landing, rows

SEEN = """
CREATE TABLE {s}.seen (what text, setting text);
CREATE FUNCTION {s}.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO {s}.seen VALUES (TG_TABLE_NAME, current_setting('statement_timeout')); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT ON {s}.t FOR EACH STATEMENT EXECUTE FUNCTION {s}.note();
CREATE TRIGGER note AFTER UPDATE ON headrace.positions FOR EACH STATEMENT EXECUTE FUNCTION {s}.note();
"""


@pytest.fixture
def sink(sinks: Sinks) -> PostgresSink:
    """Whose batches have ten minutes."""
    return sinks("patient", 600.0)


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """A topic of a table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY)")
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), [ID])


@pytest.fixture
def seen(session: psycopg.Connection, landing: Landing, schema: str) -> Iterator[str]:
    """Where the timeout stands under which the table was written, and then the positions."""
    session.execute(SEEN.format(s=schema).encode())
    yield f"{schema}.seen"
    session.execute("DROP TRIGGER note ON headrace.positions")


def test_a_slow_statement_is_ended_sooner(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, schema: str
) -> None:
    """As one that is too slow for any batch."""
    session.execute(f"ALTER TABLE {schema}.t ADD CHECK (pg_sleep(60) IS NOT NULL)")
    with pytest.raises(TableBusy) as caught:
        sink.apply(landing.plan(("c", {"id": 1})), within=0.2)

    assert (caught.value.failure.kind, caught.value.table) == ("target.timeout", landing.table)
    assert rows(session, landing.table) == []


def test_a_lock_is_waited_for_less_long_and_called_by_its_name(
    server: str, sink: PostgresSink, landing: Landing, schema: str
) -> None:
    """So nobody takes it for a slow row."""
    with psycopg.connect(server) as other:
        other.execute(f"LOCK TABLE {schema}.t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TableBusy) as caught:
            sink.apply(landing.plan(("c", {"id": 1})), within=0.2)

    assert caught.value.failure.kind == "target.locked"


def test_the_end_of_the_batch_has_as_long_as_any(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, seen: str
) -> None:
    """COMMIT is not to be cut short, and the next batch is one like any other."""
    sink.apply(landing.plan(("c", {"id": 1})), within=0.2)
    landing.next_offset += 1
    sink.apply(landing.plan(("c", {"id": 2})))

    found = session.execute(f"SELECT what, setting FROM {seen}").fetchall()
    assert found == [("t", "250ms"), ("positions", "750s"), ("t", "750s"), ("positions", "750s")]
