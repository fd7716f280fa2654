"""How long a session keeps its staging tables: they are used again, not for ever, and not while nobody wants them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest

from consumer.core.failure import Transient
from consumer.core.writes import TableWrite
from consumer.edges.postgres.staging import MOST_AT_ONCE, MOST_DROPPED, MOST_KEPT, UNUSED, Staging
from tests.pg.test_staging import mine, updates


class Clock:
    """Stands until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def use(session: psycopg.Connection, staging: Staging, writes: Sequence[TableWrite]) -> None:
    """As a batch of these writes does, which have no rows."""
    ((*staged,),) = staging.prepare([writes])
    with session.transaction():
        staging.clear(staged)


def oids(session: psycopg.Connection) -> set[int]:
    """The staging tables of a session, as the server tells them apart."""
    query = "SELECT oid FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    return {int(oid) for (oid,) in session.execute(query)}


@contextmanager
def drops(session: psycopg.Connection, schema: str) -> Iterator[Callable[[], list[int]]]:
    """How many tables each statement drops meanwhile."""
    session.execute(
        """
        CREATE TABLE {s}.drops (tables bigint);
        CREATE FUNCTION {s}.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO {s}.drops
            SELECT count(*) FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table';
        END $$;
        CREATE EVENT TRIGGER {s}_note ON sql_drop EXECUTE FUNCTION {s}.note()
        """.replace("{s}", schema).encode()
    )
    try:
        yield lambda: [tables for (tables,) in session.execute(f"SELECT tables FROM {schema}.drops").fetchall()]
    finally:
        session.execute(f"DROP EVENT TRIGGER {schema}_note")


@contextmanager
def frozen(session: psycopg.Connection, schema: str) -> Iterator[None]:
    """No table may be made or dropped meanwhile."""
    session.execute(
        f"CREATE FUNCTION {schema}.freeze() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'frozen'; END $$;"
        f"CREATE EVENT TRIGGER {schema}_freeze ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'DROP TABLE')"
        f" EXECUTE FUNCTION {schema}.freeze()".encode()
    )
    try:
        yield
    finally:
        session.execute(f"DROP EVENT TRIGGER {schema}_freeze".encode())


def test_many_staging_tables_in_turns_are_made_once(session: psycopg.Connection) -> None:
    """Each costs the server's catalogs a dozen rows and more."""
    staging = Staging(session)
    turns = [[write] for write in updates(100)[0]]
    for writes in turns:
        use(session, staging, writes)
    first = oids(session)
    for writes in turns:
        use(session, staging, writes)

    assert len(first) == len(turns)
    assert oids(session) == first


def test_a_staging_table_that_was_emptied_often_is_made_anew(session: psycopg.Connection) -> None:
    """The server keeps a version of what it knows of it for each time, while something old may still look at them."""
    staging = Staging(session, most_uses=3)
    writes = updates(1)[0]
    seen = []
    for _ in range(7):
        use(session, staging, writes)
        seen.append(oids(session))

    assert seen == [seen[0]] * 3 + [seen[3]] * 3 + [seen[6]]
    assert all(len(each) == 1 for each in seen)
    assert len({*seen[0], *seen[3], *seen[6]}) == 3


def test_a_staging_table_that_nobody_wants_is_dropped(session: psycopg.Connection) -> None:
    """By the next batch of any: the server can't freeze what lies in it, nor forget transactions since."""
    clock = Clock()
    staging = Staging(session, clock=clock)
    one, other = updates(2)[0]
    use(session, staging, [other])
    kept = oids(session)
    clock.now += UNUSED / 2
    use(session, staging, [one])
    clock.now += UNUSED / 2
    use(session, staging, [one])
    assert len(oids(session)) == 2
    clock.now += 1
    use(session, staging, [one])
    left = oids(session)
    assert len(left) == 1
    assert not left & kept

    clock.now += 2 * UNUSED
    use(session, staging, [one])
    assert oids(session) == left


def test_no_more_than_some_stay_from_batch_to_batch(session: psycopg.Connection) -> None:
    """Those that were used last."""
    staging = Staging(session)
    (writes,) = updates(MOST_KEPT + 10)
    first, others = writes[:MOST_KEPT], writes[MOST_KEPT:]
    use(session, staging, first[:1])
    before = oids(session)
    use(session, staging, first[1:])
    use(session, staging, first[:1])
    use(session, staging, others)

    assert mine(session) == MOST_KEPT
    assert before < oids(session)


def test_worn_ones_and_unused_ones_stay_where_none_may_be_dropped(session: psycopg.Connection, schema: str) -> None:
    """Or made: a batch that has what it needs goes on."""
    clock = Clock()
    staging = Staging(session, most_uses=2, clock=clock)
    (one, other), (_, _, third) = updates(2)[0], updates(3)[0]
    use(session, staging, [one, other])
    before = oids(session)
    with frozen(session, schema):
        for _ in range(5):
            use(session, staging, [one])
        clock.now += UNUSED + 1
        use(session, staging, [one])
        assert oids(session) == before
        with pytest.raises(Transient):
            use(session, staging, [third])
    clock.now += UNUSED + 1
    for _ in range(2):
        use(session, staging, [one])
    assert len(oids(session)) == 1


def test_what_nobody_wants_any_more_is_dropped_in_parts(session: psycopg.Connection, schema: str) -> None:
    """A server may not have room for the locks of all at once, and then a session could never be rid of them."""
    clock = Clock()
    staging = Staging(session, clock=clock)
    staging.prepare(updates(MOST_AT_ONCE))
    clock.now += UNUSED + 1
    with drops(session, schema) as dropped:
        staging.prepare(updates(1))

    assert mine(session) == 1
    assert max(dropped()) <= MOST_DROPPED
