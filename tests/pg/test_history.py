"""Tables of events: each change is a row of its own, whatever ends a batch, whatever fails beside it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from consumer.binding.evolver import Following
from consumer.core.evolution import Answer, Follow
from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import Mode, OnTruncate
from consumer.core.steps import Change
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import replay
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.evolving_cases import c, enum
from tests.pg.following import EVERYTHING
from tests.pg.landing import ID

FIELDS = [ID, {"name": "n", "type": "int"}, {"name": "doc", "type": ["null", "string"]}]
TIME = datetime.fromtimestamp(1_700, UTC)
SIZES = [1, 2, 3, 7, 50]
Engines = Callable[..., Engine]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of a table that is not there yet."""
    name = TableName(schema, "t")

    def made(mode: Mode = Mode.HISTORY, truncate: OnTruncate = OnTruncate.STOP, **options: Any) -> Engine:
        chosen = {"modes": {str(name): mode}, "truncates": {str(name): truncate}}
        return Engine(sink, pools(), group, name, options.pop("fields", FIELDS), **chosen, **options)

    return made


def row(number: int, n: int = 0, doc: str | None = "doc") -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "doc": doc}


def said(
    session: psycopg.Connection, engine: Engine, columns: str = "_op, id, n, doc, _position, _offset"
) -> list[Any]:
    """Some columns of the history, in the order of the log."""
    return session.execute(f"SELECT {columns} FROM {engine.table} ORDER BY _partition, _offset".encode()).fetchall()


@pytest.mark.parametrize("size", SIZES)
def test_each_change_is_a_row(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """A delete says its key alone, since the source may make the rest up; a truncate says nothing of rows."""
    engine = engines()
    engine.change("r", row(1))
    engine.change("u", row(1, 1))
    engine.change("u", row(1, 2, UNAVAILABLE))
    engine.change("d", row(1, 2))
    engine.tombstone(row(1))
    engine.truncate()
    engine.change("m", row(1))
    engine.change("c", row(1, 3, None))
    engine.run(size)

    assert said(session, engine) == [
        ("r", 1, 0, "doc", None, 0),
        ("u", 1, 1, "doc", 2, 1),
        ("u", 1, 2, None, 3, 2),
        ("d", 1, None, None, 4, 3),
        ("t", None, None, None, 5, 5),
        ("c", 1, 3, None, 7, 7),
    ]
    assert said(session, engine, "_unavailable, _source_time, _partition")[2] == ("doc", TIME, 0)
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_inserted_in_the_order_of_their_events(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """So a number that the table gives them rises with them, deletes among the others."""
    engine = engines()
    session.execute(f"CREATE TABLE {engine.table} (number serial, _op text, id bigint, n int, doc text)".encode())
    for operation in "cudcd":
        engine.change(operation, row(1))
    engine.run(size)

    assert [found[:2] for found in engine.rows(session)] == [(1, "c"), (2, "u"), (3, "d"), (4, "c"), (5, "d")]


@pytest.mark.parametrize("size", SIZES)
def test_without_a_key_a_delete_says_its_row(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """Only whole rows can say which one it was; they are not told apart here."""
    engine = engines(identity=())
    engine.change("c", row(1))
    engine.change("c", row(1))
    engine.change("d", row(1))
    engine.truncate()
    engine.run(size)

    assert said(session, engine, "_op, id, n, doc") == [
        ("c", 1, 0, "doc"), ("c", 1, 0, "doc"), ("d", 1, 0, "doc"), ("t", None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 50])
def test_a_letter_holds_nobody_up_and_is_never_superseded(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """What can't be appended is appended later, in whichever order."""
    engine = engines()
    engine.change("c", row(1))
    engine.run()
    session.execute(f"ALTER TABLE {engine.table} ADD UNIQUE (n)".encode())
    engine.change("u", row(1, 0))
    engine.damaged(row(1, 1))
    engine.change("u", row(1, 2))
    engine.change("d", row(1, 2))
    engine.run(size)
    assert said(session, engine, "_op, n, _offset") == [("c", 0, 0), ("u", 2, 3), ("d", None, 4)]

    session.execute(f"ALTER TABLE {engine.table} DROP CONSTRAINT t_n_key".encode())
    engine.come_back()
    assert said(session, engine, "_op, n, _offset") == [("c", 0, 0), ("u", 0, 1), ("u", 2, 3), ("d", None, 4)]
    assert [(offset, state) for _, offset, state, _ in engine.letters(session)] == [(1, "applied"), (2, "dead")]


def test_a_worker_that_meets_a_tombstone_first_appends_nothing(session: psycopg.Connection, engines: Engines) -> None:
    """On a compacted topic too: the delete in front of it has said everything."""
    engine = engines(compacted=True)
    engine.change("c", row(1))
    engine.change("d", row(1))
    engine.run()
    engine.start()
    engine.tombstone(row(1))
    engine.run()

    assert said(session, engine, "_op") == [("c",), ("d",)]
    assert engine.stopped == {}


def test_a_table_that_is_there_says_what_it_has_columns_for(session: psycopg.Connection, engines: Engines) -> None:
    """Of another type too, and with columns of its own; without `_op` it is no history."""
    engine = engines()
    session.execute(f"CREATE TYPE {engine.table.schema}.op AS ENUM ('c', 'r', 'u', 'd', 't')".encode())
    columns = (
        f"_op {engine.table.schema}.op, id int8, n int, doc text, _source_time timestamp, at timestamptz DEFAULT now()"
    )
    session.execute(f"CREATE TABLE {engine.table} ({columns})".encode())
    engine.change("c", row(1))
    engine.run()
    assert engine.rows(session)[0][:5] == ("c", 1, 0, "doc", TIME.replace(tzinfo=None))

    session.execute(f"ALTER TABLE {engine.table} DROP COLUMN _op".encode())
    engine.start()
    engine.change("c", row(2))
    engine.run()
    assert [why.kind for why in engine.stopped.values()] == ["table.shape"]


@pytest.mark.parametrize("size", SIZES)
def test_a_history_that_can_not_say_what_is_unavailable_has_no_null_in_its_place(
    session: psycopg.Connection, engines: Engines, group: str, size: int
) -> None:
    """It would be taken for the source's. The letter waits for the column; what was sent is there, deletes too."""
    engine = engines()
    session.execute(f"CREATE TABLE {engine.table} (_op text, _offset int8, id int8, n int, doc text)".encode())
    engine.change("c", row(1))
    engine.change("u", row(1, 1, UNAVAILABLE))
    engine.change("u", row(1, 2, None))
    engine.change("d", row(1, 2, UNAVAILABLE))
    engine.truncate()
    engine.run(size)
    there = [("c", 0, "doc"), ("u", 2, None), ("d", None, None), ("t", None, None)]
    query = f"SELECT _op, n, doc FROM {engine.table} ORDER BY _offset".encode()
    assert session.execute(query).fetchall() == there
    assert engine.letters(session) == [(0, 1, "dead", "record.missing_base")]
    query_letters = "SELECT id, detail, remedy FROM headrace.letters WHERE group_name = %s"
    ((letter, detail, remedy),) = session.execute(query_letters, (group,)).fetchall()
    assert f"history {engine.table} has no column '_unavailable'" in detail
    assert "Add a column _unavailable of type text" in remedy

    session.execute(f"ALTER TABLE {engine.table} ADD COLUMN _unavailable text".encode())
    assert replay(session, group, [letter]).changed == (letter,)
    engine.come_back()
    assert session.execute(query).fetchall() == [there[0], ("u", 1, None), *there[1:]]
    query = f"SELECT _unavailable FROM {engine.table} WHERE _offset = 1".encode()
    assert session.execute(query).fetchall() == [("doc",)]


@pytest.mark.parametrize("truncate", list(OnTruncate))
def test_a_history_has_truncates_whatever_they_do_to_other_tables(
    session: psycopg.Connection, engines: Engines, truncate: OnTruncate
) -> None:
    """Nothing goes, so neither an order among partitions nor a version is needed."""
    engine = engines(truncate=truncate, partitions=2)
    engine.change("c", row(1), partition=1)
    engine.truncate()
    engine.change("c", row(2))
    engine.run()

    assert said(session, engine, "_op, id, _partition") == [("t", None, 0), ("c", 2, 0), ("c", 1, 1)]
    assert engine.stopped == {}


@pytest.mark.parametrize("identity", [("id",), ()])
@pytest.mark.parametrize("size", SIZES)
def test_new_rows_are_appended_as_they_are(
    session: psycopg.Connection, engines: Engines, identity: tuple[str, ...], size: int
) -> None:
    """Equal ones too; what is no new row is a letter, and a truncate that is applied empties the table."""
    engine = engines(Mode.APPEND, OnTruncate.APPLY, identity=identity)
    engine.change("c", row(7))
    engine.truncate()
    engine.change("r", row(1))
    engine.change("c", row(2))
    engine.change("c", row(2))
    engine.change("u", row(2, 1))
    engine.change("d", row(2, 1))
    engine.run(size)

    assert engine.rows(session) == [(1, 0, "doc"), (2, 0, "doc"), (2, 0, "doc")]
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [
        (5, "record.identity"),
        (6, "record.identity"),
    ]


@pytest.mark.parametrize("mode", [Mode.HISTORY, Mode.APPEND, Mode.MATCH])
def test_labels_that_no_schema_lists_come_with_their_events(
    session: psycopg.Connection, engines: Engines, schema: str, mode: Mode
) -> None:
    """In tables of events as in those of rows."""
    session.execute(
        f"""
        CREATE TYPE {schema}.mood AS ENUM ('sad'); CREATE TABLE {schema}.t (id int8, c {schema}.mood, _op text)
        """.encode()
    )
    engine = engines(mode, fields=[ID, c(enum("sad"))], following=Following(others=Follow(answers=EVERYTHING)))
    for number, label in enumerate(("sad", "new", "newer")):
        engine.change("c", {"id": number, "c": label})
    engine.run(2)
    assert (engine.letters(session), engine.stopped) == ([], {})
    assert session.execute(f"SELECT c::text FROM {engine.table} ORDER BY id".encode()).fetchall() == [
        ("sad",),
        ("new",),
        ("newer",),
    ]


@pytest.mark.parametrize("word", list(Answer))
def test_what_we_fill_keeps_its_not_null(session: psycopg.Connection, engines: Engines, word: Answer) -> None:
    """Whatever is to become of columns that the source has not."""
    name = f"{engines().table}"
    columns = "id int8, n int, doc text, _op text NOT NULL, _offset int8 NOT NULL"
    session.execute(f"CREATE TABLE {name} ({columns})".encode())
    following = Following(others=Follow(answers={**EVERYTHING, Change.RELAX: word}))
    engine = engines(following=following)
    engine.change("c", row(1))
    engine.run(1)
    assert engine.stopped == {}
    query = "SELECT count(*) FROM pg_attribute WHERE attrelid = %s::regclass AND attnotnull AND attnum > 0"
    assert session.execute(query, (name,)).fetchone() == (2,)
