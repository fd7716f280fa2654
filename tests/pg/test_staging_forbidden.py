"""A target on which something forbids temporary tables, as a freeze of its tables does: no record is at fault."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from consumer.core.failure import Transient
from consumer.core.records import TopicPartition
from consumer.edges.postgres.staging import Staging
from consumer.ports.facts import Fact, Failed, Route
from consumer.reading.handover import Moved, Notice, Stopped
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Sinks
from tests.pg.test_staging import mine, updates

AT = TopicPartition("t", 0)
LETTERS = "SELECT count(*) FROM headrace.letters WHERE group_name = %s"
# waits in a row, after which the tables are free again
WAITS = 6


@pytest.fixture
def applying(session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str) -> Applying:
    """Of one table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    return Applying(sinks("forbidden"), catalogs(), schema, [AT.topic])


@contextmanager
def frozen(session: psycopg.Connection, schema: str, command: str, raised: str) -> Iterator[Callable[[], None]]:
    """Until the end, or what it gives is called, code of the target raises this at each such command."""
    session.execute(
        f"""
        CREATE FUNCTION {schema}.freeze() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'tables are frozen' USING ERRCODE = '{raised}';
        END $$;
        CREATE EVENT TRIGGER {schema}_freeze ON ddl_command_start WHEN TAG IN ('{command}')
            EXECUTE FUNCTION {schema}.freeze()
        """.encode()
    )

    def thaw() -> None:
        session.execute(f"DROP EVENT TRIGGER IF EXISTS {schema}_freeze".encode())

    try:
        yield thaw
    finally:
        thaw()


def over(told: list[Notice]) -> bool:
    """Whether the batch was applied, or its partition stopped."""
    return any(isinstance(one, Moved | Stopped) for one in told)


@pytest.mark.provokes("target.staging")
@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ("P0001", "target.staging"),
        # as of a role that may not, or of a server in trouble
        ("42501", "target.staging"),
        ("08006", "target.staging"),
        # what is waited for anyway is, and the table does not stop for it
        ("55P03", "target.locked"),
    ],
)
def test_what_forbids_staging_tables_is_waited_for(
    session: psycopg.Connection, applying: Applying, schema: str, group: str, raised: str, kind: str
) -> None:
    """Without a letter and without a stop; it goes on by itself when they are allowed again."""
    waits: list[str] = []
    with frozen(session, schema, "CREATE TABLE", raised) as thaw:

        def heard(fact: Fact) -> None:
            if isinstance(fact, Failed) and fact.route is Route.WAITED:
                waits.append(fact.failure.kind)
                if len(waits) == WAITS:
                    thaw()

        applying.applier.patience.tell = heard
        applying.offer({AT.topic: [("c", number, "a") for number in range(1, 3)]})
        told = applying.turns(over, seconds=20.0)

    assert waits == [kind] * WAITS
    assert not any(isinstance(one, Stopped) for one in told)
    assert session.execute(f"SELECT count(*) FROM {schema}.t".encode()).fetchone() == (2,)
    assert session.execute(LETTERS, (group,)).fetchone() == (0,)


def test_staging_tables_that_may_not_be_dropped_are_dropped_later(session: psycopg.Connection, schema: str) -> None:
    """Whoever needs the room waits for it."""
    staging = Staging(session)
    staging.prepare(updates(3))
    with (
        frozen(session, schema, "DROP TABLE", "P0001"),
        pytest.raises(Transient) as refused,
    ):
        staging.drop()
    assert (refused.value.failure.kind, mine(session)) == ("target.staging", 3)

    staging.drop()
    assert mine(session) == 0
