"""A table that the source truncates: everything in front goes, everything behind stays, wherever batches end."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.modes import OnTruncate
from consumer.core.plan import Truncate
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.truncating import truncate
from consumer.stack.waiting import wait_until
from dlq.actions import replay
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID
from tests.pg.test_actions import write
from tests.unit.avro import event

FIELDS = [ID, {"name": "n", "type": "int"}]
Engines = Callable[..., Engine]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t, whose rows are guarded by v where that is wanted."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, v bigint)".encode())
    name = TableName(schema, "t")

    def made(policy: OnTruncate = OnTruncate.APPLY, *, version: bool = False, **options: Any) -> Engine:
        versions = {str(name): "v"} if version else {}
        truncates = {str(name): policy}
        return Engine(sink, pools(), group, name, FIELDS, truncates=truncates, versions=versions, **options)

    return made


def row(number: int, n: int = 0) -> dict[str, int]:
    """A row."""
    return {"id": number, "n": n}


def story(engine: Engine) -> list[tuple[int, int, None]]:
    """Truncates among changes, two of them side by side; returns what is left."""
    for number in range(6):
        engine.change("c", row(number))
    engine.truncate()
    engine.change("c", row(1, 1))
    engine.change("c", row(2, 1))
    engine.tombstone(row(9))
    engine.truncate()
    engine.truncate()
    engine.change("c", row(8, 3))
    # what stands between rows of one run
    engine.truncate(key={"id": 7})
    engine.change("c", row(2, 2))
    engine.change("c", row(3, 2))
    engine.change("d", row(2, 2))
    return [(3, 2, None)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 50])
def test_a_truncate_empties_the_table_in_its_place(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """Of one partition, in batches of any size; nothing becomes a letter."""
    engine = engines()
    left = story(engine)
    engine.run(size)

    assert engine.rows(session) == left
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.provokes("table.truncate")
def test_without_a_decision_it_stops_its_partition(session: psycopg.Connection, engines: Engines) -> None:
    """In front of it everything is applied, and nothing behind it."""
    engine = engines(OnTruncate.STOP)
    story(engine)
    engine.run()

    assert [found[0] for found in engine.rows(session)] == list(range(6))
    assert [why.kind for why in engine.stopped.values()] == ["table.truncate"]
    assert engine.letters(session) == []


def test_it_may_be_ignored(session: psycopg.Connection, engines: Engines) -> None:
    """The rows stay, and what is behind is applied."""
    engine = engines(OnTruncate.IGNORE)
    story(engine)
    engine.run()

    assert engine.rows(session) == [(0, 0, None), (1, 1, None), (3, 2, None), (4, 0, None), (5, 0, None), (8, 3, None)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


def test_it_may_be_the_first_thing_that_is_read(session: psycopg.Connection, engines: Engines) -> None:
    """Nothing is known of the table then but its name."""
    engine = engines()
    engine.truncate()
    engine.run()
    engine.change("c", row(1))
    engine.truncate()
    engine.change("c", row(2))
    engine.run()

    assert engine.rows(session) == [(2, 0, None)]
    assert engine.stopped == {}


def test_a_table_that_is_not_there_is_empty(session: psycopg.Connection, engines: Engines) -> None:
    """It is made by the first row."""
    engine = engines()
    session.execute(f"DROP TABLE {engine.table}".encode())
    engine.truncate()
    engine.run()
    engine.change("c", row(1))
    engine.truncate()
    engine.change("c", row(2))
    engine.run()

    assert engine.rows(session) == [(2, 0)]
    assert engine.stopped == {}


def test_several_partitions_need_an_order(engines: Engines) -> None:
    """Nothing else says what is older than the truncate, so not even rows are applied."""
    engine = engines(partitions=2)
    engine.change("c", row(1))
    engine.run()

    assert [why.kind for why in engine.stopped.values()] == ["table.shape"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_by_its_version_a_row_is_older_or_newer(
    session: psycopg.Connection, engines: Engines, order: tuple[int, int], size: int
) -> None:
    """The truncate is in one partition; older and newer changes are in both, whichever is applied first."""
    engine = engines(version=True, partitions=2)
    for number in (1, 2, 3, 4):
        engine.change("c", row(number), partition=number % 2)
    engine.truncate(partition=1)
    engine.change("c", row(3, 1), partition=1)
    engine.change("c", row(4, 1), partition=0)
    engine.change("c", row(6, 1), partition=0)
    engine.change("d", row(6), partition=0)
    engine.run(size, order)

    assert engine.rows(session) == [(3, 1, 6), (4, 1, 7)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


def test_what_is_older_and_comes_late_is_kept_out(session: psycopg.Connection, engines: Engines) -> None:
    """Also by a worker that did not see the truncate, also where columns are missing; a delete harms nothing newer."""
    engine = engines(version=True, partitions=2)
    engine.change("c", row(2), partition=0)
    engine.change("u", row(2, 5), partition=0)
    engine.change("d", row(4), partition=0)
    engine.truncate(partition=1)
    engine.run(order=(1,))
    engine.start()
    session.execute(f"INSERT INTO {engine.table} VALUES (4, 4, NULL)".encode())
    engine.run(1, order=(0,))

    assert engine.rows(session) == [(4, 4, None)]
    assert engine.letters(session) == []


@pytest.mark.parametrize("size", [1, 2, 100])
def test_an_initial_snapshots_reads_are_older_or_newer_too(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """Where they come late. They leave no version all the same, and stand in no change's way."""
    engine = engines(version=True, partitions=2)
    engine.change("r", row(2), partition=0)
    engine.change("r", row(4), partition=0)
    engine.change("u", row(4, 1), partition=0)
    engine.truncate(partition=1)
    engine.change("r", row(6), partition=0)
    engine.change("r", row(8), partition=0)
    engine.lsn = 5
    engine.change("u", row(8, 1), partition=0)
    engine.run(order=(1,))
    engine.run(size, order=(0,))

    assert engine.rows(session) == [(6, 0, None), (8, 1, 6)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


def test_a_read_that_comes_back_as_a_letter_is_not_taken_for_an_older_change(
    session: psycopg.Connection, engines: Engines
) -> None:
    """Its place is no version, so no row's version keeps it out."""
    engine = engines(version=True, partitions=2)
    engine.change("c", row(2))
    engine.run()
    session.execute(f"ALTER TABLE {engine.table} ADD UNIQUE (n)".encode())
    session.execute(f"INSERT INTO {engine.table} VALUES (3, 9, NULL)".encode())
    engine.change("r", row(2, 9))
    engine.run()
    session.execute(f"DELETE FROM {engine.table} WHERE id = 3".encode())
    engine.come_back()

    assert engine.rows(session) == [(2, 9, 1)]
    assert [state for _, _, state, _ in engine.letters(session)] == ["applied"]


def test_an_incremental_snapshots_reads_say_nothing(session: psycopg.Connection, engines: Engines) -> None:
    """They have no place in the source's log, so they are not kept out."""
    engine = engines(version=True, partitions=2)
    engine.read_later(row(2), partition=0)
    engine.truncate(partition=1)
    engine.run(order=(1,))
    engine.run(order=(0,))

    assert engine.rows(session) == [(2, 0, None)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


def test_letters_in_front_of_it_are_superseded(session: psycopg.Connection, engines: Engines) -> None:
    """Whether their rows are known or not; those behind it stay."""
    engine = engines()
    session.execute(f"ALTER TABLE {engine.table} ADD CHECK (n < 90)".encode())
    engine.change("c", row(1, 99))
    engine.raw(b"no key", engine.values.framed(2, {"before": None} | _event(row(2)))[:-1])
    engine.change("c", row(3))
    engine.truncate()
    engine.change("c", row(4, 99))
    engine.change("c", row(5))
    engine.run()

    assert engine.rows(session) == [(5, 0, None)]
    assert [(offset, state) for _, offset, state, _ in engine.letters(session)] == [
        (0, "superseded"),
        (1, "superseded"),
        (4, "dead"),
    ]


def _event(row: dict[str, int]) -> dict[str, Any]:
    source = {"version": "3", "ts_ms": 1, "db": "s", "schema": "public", "table": "t", "lsn": 1}
    return {"after": row, "source": source, "transaction": None, "op": "c", "ts_ms": None}


@pytest.mark.parametrize("when", ["NOT DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
def test_a_row_that_can_not_go_stops_the_table(session: psycopg.Connection, engines: Engines, when: str) -> None:
    """A child that still refers to it may be truncated yet; nothing behind the truncate is applied before."""
    engine = engines()
    session.execute(f"CREATE TABLE {engine.table.schema}.child (id bigint REFERENCES {engine.table} {when})".encode())
    engine.change("c", row(1))
    engine.run()
    session.execute(f"INSERT INTO {engine.table.schema}.child VALUES (1)".encode())
    engine.truncate()
    engine.change("c", row(2))
    engine.run()

    assert engine.rows(session) == [(1, 0, None)]
    assert [why.kind for why in engine.stopped.values()] == ["table.reference"]
    assert engine.letters(session) == []

    session.execute(f"DELETE FROM {engine.table.schema}.child".encode())
    engine.start()
    engine.run()
    assert engine.rows(session) == [(2, 0, None)]


@pytest.mark.parametrize("version", [True, False])
def test_a_truncate_that_comes_back_takes_nothing(
    session: psycopg.Connection, engines: Engines, group: str, version: bool
) -> None:
    """It was a letter because its schema could not be read; what was applied behind it stays, and a person looks."""
    others = {7: "no schema"}
    engine = engines(version=version, others=others)
    engine.change("c", row(1))
    engine.raw(None, engine.values.framed(7, event("t", lsn=2)))
    engine.change("c", row(2))
    engine.run()
    assert [(offset, state) for _, offset, state, _ in engine.letters(session)] == [(1, "dead")]
    others[7] = engine.values.text
    engine.start()
    (letter,) = session.execute("SELECT id FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert replay(session, group, letter, most=3).changed
    engine.come_back()

    assert [found[:2] for found in engine.rows(session)] == [(1, 0), (2, 0)]
    assert [(state, kind) for _, _, state, kind in engine.letters(session)] == [("dead", "record.unplaced")]


def test_what_waits_in_another_partition_for_a_letter_in_front_of_it_comes_back(
    session: psycopg.Connection, group: str
) -> None:
    """A key moves when its topic grows, so the truncate of one partition closes what is waited for in another."""
    ids = write(session, group, [("front", 0, 3, "dead"), ("behind", 1, 7, "held"), ("later", 0, 9, "dead")])
    at = RecordRef(TopicPartition("grown", 0), 8)
    truncate(session, group, Truncate(table=TableName("s", "t"), refs=(at,)))
    query = "SELECT id, state FROM headrace.letters WHERE group_name = %s"
    states = dict(session.execute(query, (group,)).fetchall())
    assert {name: states[number] for name, number in ids.items()} == {
        "front": "superseded",
        "behind": "retrying",
        "later": "dead",
    }


def test_a_letter_that_is_applied_meanwhile_goes_with_the_table(
    session: psycopg.Connection, server: str, group: str, schema: str
) -> None:
    """Who truncates waits for who applies it, before it looks for rows: else that row would stay."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY)".encode())
    (letter,) = write(session, group, [("front", 0, 3, "retrying")]).values()
    session.execute("UPDATE headrace.letters SET table_name = %s WHERE id = %s", (f"{schema}.t", letter))
    what = Truncate(table=TableName(schema, "t"), refs=(RecordRef(TopicPartition("grown", 0), 8),))
    with psycopg.connect(server) as lane, psycopg.connect(server) as batch:
        lane.execute("UPDATE headrace.letters SET state = 'applied', closed_at = now() WHERE id = %s", (letter,))
        lane.execute(f"INSERT INTO {schema}.t VALUES (1)".encode())
        truncating = threading.Thread(target=lambda: truncate(batch, group, what))
        truncating.start()
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"
        pid = batch.info.backend_pid
        assert wait_until(lambda: session.execute(waits, (pid,)).fetchone() == (True,), 20)
        lane.commit()
        truncating.join(20)
        batch.commit()
    assert session.execute(f"SELECT count(*) FROM {schema}.t".encode()).fetchone() == (0,)
