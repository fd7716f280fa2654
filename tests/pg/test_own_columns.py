"""A row that is deleted and comes again is a new one, in the columns too that only the target has."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from consumer.core.binding import BindingKey
from consumer.core.markers import UNAVAILABLE
from consumer.core.records import TopicPartition
from consumer.core.target import TableName
from consumer.core.writes import Action
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Start
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID, Landing
from tests.unit.avro import framed
from tests.unit.known import planner, slice_of

FIELDS = [ID, {"name": "n", "type": "int"}, {"name": "doc", "type": ["null", "string"]}]
Engines = Callable[..., Engine]
# wherever a batch ends
sizes = pytest.mark.parametrize("size", [1, 2, 50])


def row(number: int, n: int = 0, doc: str = "doc") -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "doc": doc}


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t with rows 1 and 2, whose notes somebody has written."""

    def made(more: str = "", **options: Any) -> Engine:
        session.execute(
            f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text, note text DEFAULT 'new'{more})".encode()
        )
        engine = Engine(sink, pools(), group, TableName(schema, "t"), FIELDS, **options)
        for number in (1, 2):
            engine.change("c", row(number))
        engine.run()
        session.execute(f"UPDATE {schema}.t SET note = 'old'".encode())
        return engine

    return made


@sizes
def test_a_key_that_comes_again_is_a_new_row(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """An update leaves what it is not about."""
    engine = engines()
    for op, n in (("u", 1), ("d", 1), ("c", 2), ("d", 2), ("c", 3), ("u", 4)):
        engine.change(op, row(1, n))
    engine.change("u", row(2, 5))
    engine.run(size)

    assert engine.rows(session) == [(1, 4, "doc", "new"), (2, 5, "doc", "old")]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@sizes
def test_one_that_is_newer_stays(session: psycopg.Connection, engines: Engines, size: int, schema: str) -> None:
    """By its version."""
    engine = engines(", v bigint", versions={f"{schema}.t": "v"})
    session.execute(f"UPDATE {schema}.t SET v = 1000 WHERE id = 2".encode())
    for number in (1, 2):
        engine.change("d", row(number))
        engine.change("c", row(number, 3))
    engine.run(size)

    assert [each[:4] for each in engine.rows(session)] == [(1, 3, "doc", "new"), (2, 0, "doc", "old")]


@sizes
def test_what_goes_on_under_another_key_is_kept_in_front(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """The old row's key comes again behind it."""
    engine = engines()
    engine.move(row(1), row(3, 1, UNAVAILABLE))
    engine.change("c", row(1, 2, "other"))
    engine.run(size)

    assert engine.rows(session) == [(1, 2, "other", "new"), (2, 0, "doc", "old"), (3, 1, "doc", "new")]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@sizes
def test_a_delete_that_is_refused_never_takes_the_new_row(
    session: psycopg.Connection, engines: Engines, size: int, schema: str
) -> None:
    """It is superseded by it, as by any other change."""
    engine = engines()
    session.execute(f"CREATE TABLE {schema}.child (id bigint REFERENCES {schema}.t)".encode())
    session.execute(f"INSERT INTO {schema}.child VALUES (1)".encode())
    engine.change("d", row(1))
    engine.change("c", row(1, 3))
    engine.run(size)
    session.execute(f"DELETE FROM {schema}.child".encode())
    engine.come_back()

    assert engine.rows(session)[0] == (1, 3, "doc", "old" if size == 1 else "new")
    assert [state for _, _, state, _ in engine.letters(session)] in ([], ["superseded"])


def test_whatever_the_table_makes_them_of(session: psycopg.Connection, engines: Engines) -> None:
    """Numbers of its own, and what triggers say of new rows; what is unique, other tables may refer to."""
    engine = engines(", turn int GENERATED ALWAYS AS IDENTITY, made text NOT NULL DEFAULT '', own serial UNIQUE")
    session.execute(
        f"CREATE FUNCTION {engine.table}_made() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN NEW.made := TG_OP; RETURN NEW; END$$; CREATE TRIGGER made BEFORE INSERT ON {engine.table} "
        f"FOR EACH ROW EXECUTE FUNCTION {engine.table}_made()".encode()
    )
    engine.change("d", row(1))
    engine.change("c", row(1, 3))
    engine.run()

    (again, other) = engine.rows(session)
    assert (again[:4], again[4] > 2, again[5:]) == ((1, 3, "doc", "new"), True, ("INSERT", 1))
    assert other == (2, 0, "doc", "old", 2, "", 2)


@sizes
@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE", "SET NULL"])
def test_rows_that_refer_to_one_that_comes_again_stay(
    session: psycopg.Connection, engines: Engines, action: str, schema: str, size: int
) -> None:
    """Of another topic, which may be ahead."""
    engine = engines()
    session.execute(
        f"CREATE TABLE {schema}.child (id int, parent bigint REFERENCES {schema}.t ON DELETE {action});"
        f"INSERT INTO {schema}.child SELECT id, 1 FROM generate_series(1, 200) AS id".encode()
    )
    for number in (1, 2):
        engine.change("d", row(number))
        engine.change("c", row(number, 3))
    engine.run(max(size, 2))

    assert engine.rows(session) == [(1, 3, "doc", "new"), (2, 3, "doc", "new")]
    assert session.execute(f"SELECT count(parent) FROM {schema}.child".encode()).fetchall() == [(200,)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


def test_a_bulk_reload_of_parents_stops_nothing(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """However many rows refer to them."""
    engine = engines()
    numbers = range(3, 203)
    for number in numbers:
        engine.change("c", row(number))
    engine.run()
    session.execute(
        f"CREATE TABLE {schema}.child (id bigint REFERENCES {schema}.t); INSERT INTO {schema}.child SELECT id FROM "
        f"{schema}.t; UPDATE {schema}.t SET note = 'old'".encode()
    )
    for op, n in (("d", 0), ("c", 1)):
        for number in numbers:
            engine.change(op, row(number, n))
    engine.run()

    assert engine.rows(session)[2:] == [(number, 1, "doc", "new") for number in numbers]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


def test_children_that_go_in_front_of_it_are_gone_before(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """In one batch with the parent, whose row comes again."""
    session.execute(
        f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text, note text DEFAULT 'new');"
        f"INSERT INTO {schema}.t VALUES (1, 0, 'doc', 'old');"
        f"CREATE TABLE {schema}.child (id bigint PRIMARY KEY, n int, doc text, t bigint REFERENCES {schema}.t);"
        f"INSERT INTO {schema}.child VALUES (1, 0, 'doc', 1)".encode()
    )
    parents, children = (Landing(sink, TableName(schema, name), FIELDS) for name in ("t", "child"))
    at, key = TopicPartition("children", 0), BindingKey("landing", framed(1, b""), framed(2, b""))
    sink.take({at: Start(offset=0)})
    binding = children.known.find(key)
    assert binding is not None
    parents.known.learn(key._replace(topic=at.topic), binding)
    gone = slice_of([children.record("d", row(1))], 0, at)
    again = slice_of([parents.record(op, row(1, 3)) for op in "dc"], parents.next_offset, parents.at)
    sink.apply(planner(parents.known).plan([gone, again]))

    assert session.execute(f"SELECT n, note FROM {schema}.t".encode()).fetchall() == [(3, "new")]
    assert session.execute(f"SELECT count(*) FROM {schema}.child".encode()).fetchall() == [(0,)]


def test_a_column_that_may_not_be_set_stays(session: psycopg.Connection, sink: PostgresSink, schema: str) -> None:
    """A role with privileges by column need not have more of them."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text, note text, more int)".encode())
    landing = Landing(sink, TableName(schema, "t"), FIELDS)
    binding = landing.known.find(BindingKey(landing.at.topic, framed(1, b""), framed(2, b"")))
    assert binding is not None
    assert binding.table is not None
    columns = [replace(c, lacks=frozenset({"UPDATE"})) if c.name == "note" else c for c in binding.table.columns]
    lacking = replace(binding, table=replace(binding.table, columns=tuple(columns)))

    assert [[c.name for c in each.renewed] for each in (binding, lacking)] == [["note", "more"], ["more"]]


@pytest.mark.parametrize(
    ("more", "renewed"),
    [
        pytest.param("", [[]], id="none"),
        pytest.param(", twice int GENERATED ALWAYS AS (n * 2) STORED", [[]], id="one that is computed"),
        pytest.param(", note text", [[], ["note"]], id="one"),
    ],
)
def test_only_where_there_are_such_columns_more_is_done(
    session: psycopg.Connection, sink: PostgresSink, schema: str, more: str, renewed: list[list[str]]
) -> None:
    """And only with rows that are deleted and come again."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text{more})".encode())
    landing = Landing(sink, TableName(schema, "t"), FIELDS)
    again = landing.plan(("c", row(2)), ("d", row(1)), ("c", row(1)))
    plain = landing.plan(("d", row(1)), ("c", row(2)))

    assert [[column.name for column in write.renewed] for write in again.writes] == renewed
    assert {write.action for write in again.writes} == {Action.UPSERT}
    assert [(write.action, write.renewed) for write in plain.writes] == [(Action.DELETE, ()), (Action.UPSERT, ())]
    assert (len(again.stages), again.counts.deletes, again.counts.upserts) == (1, 0, 2)


def test_a_column_that_other_tables_refer_to_stays(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """Also one that may be null, whose index no conflict is told by."""
    engine = engines(", slug text UNIQUE")
    session.execute(
        f"UPDATE {schema}.t SET slug = 's' || id;"
        f"CREATE TABLE {schema}.child (slug text REFERENCES {schema}.t (slug) ON UPDATE CASCADE);"
        f"INSERT INTO {schema}.child VALUES ('s1')".encode()
    )
    engine.change("d", row(1))
    engine.change("c", row(1, 3))
    engine.run()

    assert engine.rows(session)[0] == (1, 3, "doc", "new", "s1")
    assert session.execute(f"SELECT slug FROM {schema}.child".encode()).fetchall() == [("s1",)]
    assert (engine.stopped, engine.letters(session)) == ({}, [])
