"""Letters that come back and wait for other rows, which may come hours later."""

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from consumer.core.policy import Budget
from consumer.edges.postgres.outbox import PostgresOutbox
from tests.pg.applying import POLICY, Applying, Bounds
from tests.pg.conftest import Catalogs, Pools, Sinks

LANE = "retry"
LETTER = "SELECT state, kind, attempt FROM headrace.letters WHERE group_name = %s"
# their type has two tries more
TRIES = 5
RAISE = """CREATE OR REPLACE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = '{what}'; END $$"""
Again = Callable[[str], tuple[str, str, int]]


@pytest.fixture
def again(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, pools: Pools, schema: str, group: str
) -> Again:
    """A child without its parent is a letter; it is tried again while the table raises a state, and what it is then."""

    def raises(what: str) -> None:
        session.execute(RAISE.format(s=schema, what=what).encode())

    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)".encode())
    raises("foreign_key_violation")
    trigger = f"CREATE TRIGGER no BEFORE INSERT ON {schema}.t FOR EACH ROW EXECUTE FUNCTION {schema}.no()"
    session.execute(trigger.encode())
    policy = replace(POLICY, dependent=Budget(attempts=TRIES, waited=3600.0))
    applying = Applying(sinks(), catalogs(), schema, ["t", LANE], Bounds(policy=policy))
    outbox = PostgresOutbox(pools(), group)
    applying.offer({"t": [("c", 1, "word")]})
    applying.turns(lambda _: bool(session.execute(LETTER, (group,)).fetchall()))

    def tried(what: str) -> tuple[str, str, int]:
        before = session.execute(LETTER, (group,)).fetchone()
        raises(what)
        applying.come_back(outbox, LANE)
        applying.turns(lambda _: session.execute(LETTER, (group,)).fetchone() != before)
        ((state, kind, attempt),) = session.execute(LETTER, (group,)).fetchall()
        return state, kind, attempt

    return tried


def test_it_is_tried_as_often_as_that_is_set(again: Again) -> None:
    """Whatever its type has."""
    for attempt in range(2, TRIES + 1):
        assert again("foreign_key_violation") == ("retrying", "record.reference", attempt)
    assert again("foreign_key_violation") == ("dead", "record.reference", TRIES + 1)


def test_it_does_not_die_of_one_conflict(again: Again) -> None:
    """After more tries than its type has; of a second one in a row it does."""
    for attempt in range(2, TRIES):
        assert again("foreign_key_violation") == ("retrying", "record.reference", attempt)
    assert again("deadlock_detected") == ("retrying", "record.timeout", TRIES)
    assert again("deadlock_detected") == ("dead", "record.timeout", TRIES + 1)
