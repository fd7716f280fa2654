"""Tables that do not take their rows in time: what that costs, and whom."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest

from consumer.core.records import TopicPartition
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.reading.handover import Moved, Notice, Stopped
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Pools, Sinks

DEADLINE = 1.0
AT, FREE, LANE = TopicPartition("t", 0), TopicPartition("u", 0), TopicPartition("retry", 0)
LETTERS = 'SELECT "offset", state, kind FROM headrace.letters WHERE group_name = %s ORDER BY id'
TRIES = "SELECT count(*) FROM headrace.batches WHERE group_name = %s AND error ->> 'kind' = 'target.locked'"
FOR_ONE = """CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.word = 'bad' THEN {what}; END IF; RETURN NEW; END $$;
{trigger} INSERT OR UPDATE ON {s}.t {when} FOR EACH ROW EXECUTE FUNCTION {s}.no()"""
AT_ONCE = {"trigger": "CREATE TRIGGER no BEFORE", "when": ""}
AT_THE_END = {"trigger": "CREATE CONSTRAINT TRIGGER no AFTER", "when": "DEFERRABLE INITIALLY DEFERRED"}
SLOW = "PERFORM pg_sleep(60)"


@pytest.fixture
def applying(session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str) -> Applying:
    """Of two tables, and a retry topic."""
    for name in "tu":
        session.execute(f"CREATE TABLE {schema}.{name} (id bigint PRIMARY KEY, word text)")
    return Applying(sinks("busy", DEADLINE), catalogs(), schema, [AT.topic, FREE.topic, LANE.topic])


@contextmanager
def locked(server: str, schema: str) -> Iterator[None]:
    """As by a migration."""
    with psycopg.connect(server) as other:
        other.execute(f"LOCK TABLE {schema}.t IN ACCESS EXCLUSIVE MODE")
        yield


def count(session: psycopg.Connection, schema: str, table: str) -> int:
    """The rows of a table."""
    ((found,),) = session.execute(f"SELECT count(*) FROM {schema}.{table}").fetchall()
    return int(found)


def eventually(done: Callable[[], bool], seconds: float = 60.0) -> Iterator[None]:
    """Turns of a loop until that is so."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        yield


def moved(at: TopicPartition, to: int) -> Callable[[list[Notice]], bool]:
    """Whether a partition has come so far."""
    return lambda told: any(isinstance(one, Moved) and one.positions.get(at, 0) >= to for one in told)


@pytest.mark.provokes("table.busy")
def test_a_locked_table_holds_up_itself_alone(
    server: str, session: psycopg.Connection, applying: Applying, schema: str, group: str
) -> None:
    """Its partition stops without a letter, and goes on by itself; what is of others is applied."""
    with locked(server, schema):
        applying.offer({"t": [("c", 1, "a"), ("c", 2, "a")], "u": [("c", 1, "a")]})
        for number in range(2, 5):
            applying.offer({"u": [("c", number, "a")]})
        told = applying.turns(moved(FREE, 4))
        assert count(session, schema, "u") == 4
        (stop,) = [one for one in told if isinstance(one, Stopped)]
        assert (stop.at, stop.failure.kind, stop.failure.code, bool(stop.again)) == (AT, "table.busy", "55P03", True)
        # taken again too soon it is not even tried
        tries = session.execute(TRIES, (group,)).fetchone()
        applying.take()
        applying.offer({"t": [("c", 1, "a"), ("c", 2, "a")], "u": [("c", 5, "a")]})
        told = applying.turns(lambda told: moved(FREE, 5)(told) and any(isinstance(one, Stopped) for one in told))
        assert count(session, schema, "u") == 5
        assert session.execute(TRIES, (group,)).fetchone() == tries
    for _ in eventually(lambda: count(session, schema, "t") == 2):
        applying.take()
        applying.offer({"t": [("c", 1, "a"), ("c", 2, "a")]})
        applying.turns(lambda told: moved(AT, 2)(told) or any(isinstance(one, Stopped) for one in told))

    assert count(session, schema, "t") == 2
    assert session.execute(LETTERS, (group,)).fetchall() == []


@pytest.mark.provokes("record.timeout")
@pytest.mark.parametrize("when", [AT_ONCE, AT_THE_END], ids=["at once", "at the end"])
@pytest.mark.parametrize("what", [SLOW, "RAISE EXCEPTION 'no' USING ERRCODE = '40001'"])
def test_a_row_that_is_never_taken_in_time_costs_its_record(
    session: psycopg.Connection, applying: Applying, schema: str, group: str, what: str, when: Mapping[str, str]
) -> None:
    """It is found in a few stops of its partition; all around it are applied."""
    session.execute(FOR_ONE.format(s=schema, what=what, **when).encode())
    changes = [("c", number, "bad" if number == 700 else "a") for number in range(1000)]
    for _ in eventually(lambda: count(session, schema, "t") == len(changes) - 1):
        done = applying.take()[AT]
        applying.offer({"t": changes[done:]})
        told = applying.turns(lambda told: moved(AT, len(changes))(told) or any(isinstance(o, Stopped) for o in told))
        assert {one.failure.kind for one in told if isinstance(one, Stopped)} <= {"table.busy"}
    query = "SELECT count(*) FROM headrace.batches WHERE group_name = %s AND state = 'failed'"
    ((tries,),) = session.execute(query, (group,)).fetchall()
    assert tries < 20

    assert count(session, schema, "t") == len(changes) - 1
    assert session.execute(LETTERS, (group,)).fetchall() == [(700, "retrying", "record.timeout")]


@pytest.mark.parametrize("what", [SLOW, "RAISE EXCEPTION 'no' USING ERRCODE = '40001'"])
def test_what_is_slow_at_the_end_of_a_batch_holds_up_its_own_table_alone(
    session: psycopg.Connection, applying: Applying, schema: str, what: str
) -> None:
    """The server does not say whose trigger it is, so the tables of the batch are tried one by one."""
    session.execute(FOR_ONE.format(s=schema, what=what, **AT_THE_END).encode())
    applying.offer({"u": [("c", 1, "a")], "t": [("c", 1, "bad"), ("c", 2, "a")]})
    told = applying.turns(lambda told: moved(FREE, 1)(told) and any(isinstance(one, Stopped) for one in told))

    assert count(session, schema, "u") == 1
    (stop,) = [one for one in told if isinstance(one, Stopped)]
    assert (stop.at, stop.failure.kind, stop.failure.operation) == (AT, "table.busy", "check what is deferred")


def test_letters_of_a_locked_table_hold_up_no_others(
    server: str, session: psycopg.Connection, applying: Applying, pools: Pools, schema: str, group: str
) -> None:
    """One is tried; the others of its topic wait as it does, and use no attempt up."""
    outbox = PostgresOutbox(pools(), group)
    session.execute(FOR_ONE.format(s=schema, what="RAISE EXCEPTION USING ERRCODE = '23503'", **AT_ONCE).encode())
    applying.offer({"t": [("c", number, "bad") for number in range(4)]})
    applying.turns(moved(AT, 4))
    session.execute(f"DROP TRIGGER no ON {schema}.t")
    with locked(server, schema):
        assert applying.come_back(outbox, LANE.topic) == 4
        applying.turns(moved(LANE, 4), 4 * DEADLINE)
        assert session.execute(LETTERS, (group,)).fetchall() == [(n, "retrying", "table.busy") for n in range(4)]
