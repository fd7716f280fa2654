"""Letters of tables whose keys get other types: none loses its row without a word."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from consumer.binding.evolver import Following
from consumer.core.checks import Rules
from consumer.core.evolution import Follow
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard, replay
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.following import EVERYTHING, columns_of
from tests.pg.landing import ID
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.semantic import decimal

NUMBER = {"name": "n", "type": "int"}
WIDE = {"name": "id", "type": decimal(20, 0)}
Engines = Callable[..., Engine]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes a worker whose table has a row and a dead letter of it, by the key's type."""
    sink.seed({})
    name = TableName(schema, "t")

    def made(kind: str = "int8", **options: Any) -> Engine:
        session.execute(f"CREATE TABLE {name} (id {kind} PRIMARY KEY, n int CHECK (n <> 13))".encode())
        engine = Engine(sink, pools(), group, name, [ID, NUMBER], **options)
        engine.change("c", {"id": 5, "n": 1})
        engine.change("u", {"id": 5, "n": 13})
        engine.run()
        assert engine.letters(session) == [(0, 1, "dead", "record.check")]
        return engine

    return made


COUNTED = """
CREATE SEQUENCE {s}.looks;
CREATE FUNCTION {s}.look(numeric) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('{s}.looks'); RETURN true; END $$;
ALTER TABLE {s}.t ADD CONSTRAINT looks CHECK ({s}.look(id))
"""
FOLLOWING = {"following": Following(others=Follow(answers=EVERYTHING))}


def newer(engine: Engine, number: int, field: dict[str, Any] = WIDE) -> None:
    """A change of the row by a schema whose key has another type."""
    keys, values = Writer(key([field])), Writer(envelope([field, NUMBER]))
    registry = engine._applier._binder._schemas._registry
    registry.known |= {3: keys.text, 4: values.text}  # type: ignore[attr-defined]
    engine.lsn += 1
    row = {"id": Decimal(5) if field is WIDE else 5, "n": number}
    engine.raw(keys.framed(3, {"id": row["id"]}), values.framed(4, event("u", None, row, lsn=engine.lsn)))


def stopped(engine: Engine) -> list[str]:
    """Why its partitions stand."""
    return [failure.kind for failure in engine.stopped.values()]


def numbers(session: psycopg.Connection, group: str) -> list[int]:
    """The group's letters."""
    return [row[0] for row in session.execute("SELECT id FROM headrace.letters WHERE group_name = %s", (group,))]


def again(engine: Engine) -> None:
    """What stands is taken again."""
    engine.stopped.clear()
    engine._handover.ask(engine.at)
    engine.run()


@pytest.mark.provokes("table.letters")
def test_a_key_does_not_become_another_type_past_open_letters(
    session: psycopg.Connection, engines: Engines, group: str
) -> None:
    """Neither the change nor the row that needs it is made; when the letter is closed both are."""
    engine = engines(**FOLLOWING)
    session.execute(COUNTED.replace("{s}", engine.table.schema).encode())
    newer(engine, 7)
    engine.run()
    assert stopped(engine) == ["table.letters"]
    # the table's rows were looked at when the constraint was made, and not again
    assert session.execute(f"SELECT last_value FROM {engine.table.schema}.looks".encode()).fetchone() == (1,)
    assert columns_of(session, engine.table)["id"] == "bigint NOT NULL"
    assert engine.rows(session) == [(5, 1)]

    discard(session, group, numbers(session, group), "known nonsense")
    again(engine)
    assert columns_of(session, engine.table)["id"] == "numeric(20,0) NOT NULL"
    assert engine.rows(session) == [(5, 7)]


@pytest.mark.parametrize("number", [7, 8], ids=["a row", "a letter"])
def test_a_key_that_is_changed_by_hand_stops_the_table(
    session: psycopg.Connection, engines: Engines, schema: str, number: int
) -> None:
    """Nothing of it is applied, and no new letter is placed that would not see the old one."""
    engine = engines(checks={f"{schema}.t": {"n": Rules(allowed=(1, 7, 13))}})
    session.execute(f"ALTER TABLE {engine.table} ALTER id TYPE numeric".encode())
    engine.start()
    engine.change("u", {"id": 5, "n": number})
    engine.run()
    assert stopped(engine) == ["table.letters"]
    assert engine.rows(session) == [(5, 1)]
    assert engine.letters(session) == [(0, 1, "dead", "record.check")]


def test_a_letter_that_is_sent_again_comes_before_what_waited(
    session: psycopg.Connection, engines: Engines, group: str
) -> None:
    """Nothing newer of its row was applied meanwhile, so it is applied as it is, and the table goes on."""
    engine = engines()
    session.execute(f"ALTER TABLE {engine.table} ALTER id TYPE numeric, DROP CONSTRAINT t_n_check".encode())
    engine.start()
    engine.change("u", {"id": 5, "n": 7})
    engine.run()
    assert stopped(engine) == ["table.letters"]
    replay(session, group, numbers(session, group))
    engine.come_back()
    assert engine.letters(session) == [(0, 1, "applied", "record.check")]
    again(engine)
    assert engine.rows(session) == [(5, 7)]


@pytest.mark.parametrize(("old", "new"), [("int4", "int8"), ("numeric(9,2)", "numeric"), ("int2", "int4")])
def test_types_that_hash_alike_stop_nothing(session: psycopg.Connection, engines: Engines, old: str, new: str) -> None:
    """The letter is met and superseded."""
    engine = engines(old)
    session.execute(f"ALTER TABLE {engine.table} ALTER id TYPE {new}".encode())
    engine.start()
    engine.change("u", {"id": 5, "n": 7})
    engine.run()
    assert engine.stopped == {}
    assert engine.letters(session) == [(0, 1, "superseded", "record.check")]
