"""Tables that somebody alters while workers are bound to them: no value goes in that the columns do not keep."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import cycle
from typing import Any

import psycopg
import pytest

from consumer.core.modes import Mode
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.facts import Fact, Numbered
from consumer.stack.waiting import wait_until
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Pools, Sinks
from tests.pg.engine import Engine
from tests.pg.evolving_cases import MICROSECONDS
from tests.pg.landing import ID
from tests.unit.semantic import decimal

AMOUNT, MANY_DIGITS = decimal(20, 6), Decimal("1.234567")
WIDE, NARROW = "numeric(20,6)", "numeric(12,2)"
Engines = Callable[..., Engine]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine that is bound to a table of a column `v` and of others."""

    def made(old: str = WIDE, kind: Any = AMOUNT, more: str = "", **options: Any) -> Engine:
        session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY, v {old} {more})".encode())
        fields = [ID, {"name": "v", "type": ["null", kind]}]
        engine = Engine(sink, pools(), group, TableName(schema, "t"), fields, **options)
        engine.change("c", {"id": 1, "v": None})
        engine.run()
        return engine

    return made


def altered(session: psycopg.Connection, engine: Engine, kind: str = NARROW) -> None:
    """By hand."""
    session.execute(f"ALTER TABLE {engine.table} ALTER v TYPE {kind}".encode())


def tries(facts: list[Fact]) -> list[str]:
    """What became of batches."""
    return [type(fact).__name__ for fact in facts if not isinstance(fact, Numbered)]


@pytest.mark.parametrize(
    ("old", "kind", "new", "value"),
    [
        (WIDE, AMOUNT, NARROW, MANY_DIGITS),
        ("numeric", AMOUNT, "int4", Decimal("1.500000")),
        ("timestamp", MICROSECONDS, "date", 1),
        ("timestamp", MICROSECONDS, "timestamp(0)", 1),
        ("varchar(9)", "string", "varchar(3)", "abc  "),
        ("float8", "double", "float4", 0.1),
    ],
)
def test_what_an_altered_column_would_round_or_cut_is_a_letter(
    session: psycopg.Connection, engines: Engines, old: str, kind: Any, new: str, value: Any
) -> None:
    """As it is for a worker that is started afterwards; what fits goes in at once."""
    engine = engines(old, kind)
    engine.change("c", {"id": 2, "v": value})
    engine.run()
    assert len(engine.rows(session)) == 2, "it fitted before"

    session.execute(f"DELETE FROM {engine.table}".encode())
    altered(session, engine, new)
    engine.change("c", {"id": 3, "v": value})
    engine.change("c", {"id": 4, "v": None})
    engine.run()
    assert engine.rows(session) == [(4, None)]
    assert engine.letters(session) == [(0, 2, "dead", "record.value")]
    assert engine.stopped == {}


def test_a_table_that_is_altered_while_a_batch_waits_for_it_is_found_too(
    server: str, session: psycopg.Connection, engines: Engines
) -> None:
    """What was looked at in front of the write says nothing."""
    engine = engines()
    engine.change("c", {"id": 2, "v": MANY_DIGITS})
    with psycopg.connect(server) as person, ThreadPoolExecutor(1) as thread:
        person.execute(f"ALTER TABLE {engine.table} ALTER v TYPE {NARROW}".encode())
        ran = thread.submit(engine.run)
        waits = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        pid = person.info.backend_pid
        assert wait_until(lambda: ran.done() or session.execute(waits, (pid,)).rowcount == 1, 20)
        assert not ran.done()
        person.commit()
        ran.result(20)
    assert engine.rows(session) == [(1, None)]
    assert engine.letters(session) == [(0, 1, "dead", "record.value")]


def test_a_history_is_looked_at_as_well(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """It has no key, and columns of ours."""
    engine = engines(more=", _op text, _source_time timestamptz", modes={f"{schema}.t": Mode.HISTORY})
    altered(session, engine)
    session.execute(f"ALTER TABLE {engine.table} ALTER _source_time TYPE timestamp".encode())
    engine.change("c", {"id": 2, "v": MANY_DIGITS})
    engine.change("c", {"id": 3, "v": None})
    engine.run()
    assert [row[:3] for row in engine.rows(session)] == [(1, None, "c"), (3, None, "c")]


def test_a_letter_that_comes_back_is_not_rounded_either(session: psycopg.Connection, engines: Engines) -> None:
    """It is bound anew like any refused one."""
    engine = engines(more=", UNIQUE (v)")
    engine.change("c", {"id": 2, "v": MANY_DIGITS})
    engine.change("c", {"id": 3, "v": MANY_DIGITS})
    engine.run()
    assert [state for _, _, state, _ in engine.letters(session)] == ["retrying"]
    session.execute(f"DELETE FROM {engine.table} WHERE id = 2".encode())
    altered(session, engine)
    engine.come_back()
    assert engine.rows(session) == [(1, None)]
    assert engine.letters(session) == [(0, 2, "dead", "record.value")]


def test_many_tables_that_are_altered_at_once_cost_one_more_try(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str, group: str
) -> None:
    """As a migration does it. What does not concern the columns that are written costs none."""
    topics = [f"t{number}" for number in range(6)]
    for topic in topics:
        session.execute(f"CREATE TABLE {schema}.{topic} (id bigint PRIMARY KEY, word text, own int4)")
    facts: list[Fact] = []
    sink = sinks()
    sink.tell = facts.append
    applying = Applying(sink, catalogs(), schema, topics)

    def apply(number: int) -> list[str]:
        facts.clear()
        applying.offer({topic: [("c", number, "good")] for topic in topics})
        count = f"SELECT count(*) FROM {schema}.t5"
        applying.turns(lambda _: session.execute(count.encode()).fetchone() == (number,))
        return tries(facts)

    assert apply(1) == ["Committed"]
    for topic in topics:
        session.execute(f"ALTER TABLE {schema}.{topic} ALTER word TYPE varchar(9)")
    assert apply(2) == ["Undone", "Committed"]
    for topic in topics:
        session.execute(f"ALTER TABLE {schema}.{topic} ALTER own TYPE int8, ADD more text DEFAULT 'x'")
    assert apply(3) == ["Committed"]


def test_a_table_that_is_altered_at_each_try_is_left_alone(
    session: psycopg.Connection, sink: PostgresSink, engines: Engines
) -> None:
    """Its partitions stop, and are taken again later: a batch comes to an end."""
    engine = engines()
    facts: list[Fact] = []
    kinds = cycle([NARROW, "numeric(13,3)"])

    def tell(fact: Fact) -> None:
        facts.append(fact)
        # its transaction has begun, and has not touched the table yet
        if isinstance(fact, Numbered):
            altered(session, engine, next(kinds))

    sink.tell = tell
    engine.change("c", {"id": 2, "v": None})
    engine.run()
    (failure,) = engine.stopped.values()
    assert failure.kind == "table.shape"
    assert f"columns of {engine.table} have other types" in failure.detail
    assert tries(facts) == ["Undone"] * 3
