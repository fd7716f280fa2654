"""Triggers that raise what a server in trouble would say: a matter of their table, which alone stops."""

from collections.abc import Sequence

import psycopg
import pytest

from consumer.core.records import TopicPartition
from consumer.reading.handover import Moved, Notice, Stopped
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Sinks

AT, FREE = TopicPartition("t", 0), TopicPartition("u", 0)
TRIGGER = """CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.word = 'refused' THEN RAISE EXCEPTION USING ERRCODE = '23514'; END IF;
    IF NEW.word = 'bad' THEN RAISE EXCEPTION 'sesame' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$;
{trigger} INSERT OR UPDATE ON {s}.t {when} FOR EACH ROW EXECUTE FUNCTION {s}.no()"""
AT_ONCE = ("CREATE TRIGGER no BEFORE", "")
AT_THE_END = ("CREATE CONSTRAINT TRIGGER no AFTER", "DEFERRABLE INITIALLY DEFERRED")
STATES = ["08006", "28000", "53100", "57P01", "25006", "58030"]


@pytest.fixture
def applying(session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str) -> Applying:
    """Of two tables."""
    for name in "tu":
        session.execute(f"CREATE TABLE {schema}.{name} (id bigint PRIMARY KEY, word text)")
    return Applying(sinks("triggers"), catalogs(), schema, [AT.topic, FREE.topic])


def stops(told: Sequence[Notice]) -> list[Stopped]:
    """Those of the notices."""
    return [one for one in told if isinstance(one, Stopped)]


def moved(told: Sequence[Notice], at: TopicPartition, to: int) -> bool:
    """Whether the partition has come so far."""
    return any(isinstance(one, Moved) and one.positions.get(at, 0) >= to for one in told)


@pytest.mark.provokes("table.trigger")
@pytest.mark.parametrize("when", [AT_ONCE, AT_THE_END], ids=["at once", "at the end"])
@pytest.mark.parametrize("state", STATES)
def test_a_trigger_that_speaks_as_a_server_stops_its_table(
    session: psycopg.Connection, applying: Applying, schema: str, state: str, when: tuple[str, str]
) -> None:
    """Its partition is taken again by itself; the session goes on, and what is of others is applied."""
    trigger, at = when
    session.execute(TRIGGER.format(s=schema, state=state, trigger=trigger, when=at).encode())
    applying.offer({"u": [("c", 1, "a")], "t": [("c", 1, "bad"), ("c", 2, "a")]})
    told = applying.turns(lambda told: bool(stops(told)) and moved(told, FREE, 1))

    assert moved(told, FREE, 1)
    (stop,) = stops(told)
    assert (stop.at, stop.failure.kind, stop.failure.code, bool(stop.again)) == (AT, "table.trigger", state, True)
    assert "sesame" not in str(stop.failure)
    assert not applying.applier.patience.reopened


@pytest.mark.parametrize("state", STATES)
def test_so_it_is_where_refused_rows_are_looked_for(
    session: psycopg.Connection, applying: Applying, schema: str, state: str
) -> None:
    """A table that refused rows lately is written by a function of ours, which passes on what it does not know."""
    trigger, at = AT_ONCE
    session.execute(TRIGGER.format(s=schema, state=state, trigger=trigger, when=at).encode())
    applying.offer({"t": [("c", 1, "refused"), ("c", 2, "a")]})
    assert moved(applying.turns(lambda told: moved(told, AT, 2)), AT, 2)
    applying.offer({"t": [("c", 3, "a"), ("c", 4, "bad")]})
    (stop,) = stops(applying.turns(lambda told: bool(stops(told))))

    assert (stop.at, stop.failure.kind, stop.failure.code) == (AT, "table.trigger", state)
