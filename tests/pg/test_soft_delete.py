"""Rows that are deleted at the source stay in the target, marked, and live again when their key comes back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import OnTruncate
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID

FIELDS = [ID, {"name": "n", "type": "int"}, {"name": "doc", "type": ["null", "string"]}]
# that of every event here
TIME = datetime.fromtimestamp(1_700, UTC)
Engines = Callable[..., Engine]
KINDS = {"boolean NOT NULL DEFAULT false": (False, True), "timestamptz": (None, TIME), "timestamp": (None, TIME)}
both = pytest.mark.parametrize("kind", ["boolean NOT NULL DEFAULT false", "timestamptz", "timestamp"])


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t, whose rows are marked in the column gone."""

    def made(kind: str, fields: Any = FIELDS, *, truncate: bool = False, version: bool = False, **more: Any) -> Engine:
        if kind:
            session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, doc text, gone {kind})".encode())
        name = TableName(schema, "t")
        return Engine(
            sink,
            pools(),
            group,
            name,
            fields,
            soft_deletes={str(name): "gone"},
            truncates={str(name): OnTruncate.APPLY} if truncate else {},
            versions={str(name): "v"} if version else {},
            **more,
        )

    return made


def row(number: int, n: int = 0, doc: str | None = "doc") -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "doc": doc}


def marks(engine: Engine, session: psycopg.Connection) -> list[tuple[Any, ...]]:
    """The table, with times in UTC."""
    found = [list(each) for each in engine.rows(session)]
    for each in found:
        if isinstance(each[3], datetime):
            each[3] = each[3].replace(tzinfo=UTC)
    return [tuple(each) for each in found]


@both
@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_tombstone_leaves_the_time_of_the_delete_in_front_of_it(
    session: psycopg.Connection, engines: Engines, kind: str, size: int
) -> None:
    """Wherever a batch ends: it says none itself."""
    engine = engines(kind, compacted=True)
    lives, gone = KINDS[kind]
    for number in (1, 2):
        engine.change("c", row(number))
    for number in (1, 2):
        engine.change("d", row(number))
        engine.tombstone(row(number))
    engine.change("c", row(2, 5))
    engine.run(size)

    assert marks(engine, session) == [(1, 0, "doc", gone), (2, 5, "doc", lives)]


@both
@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_deleted_row_stays_with_its_mark(session: psycopg.Connection, engines: Engines, kind: str, size: int) -> None:
    """Until its key comes again, whatever ends a batch; a further delete changes nothing."""
    engine = engines(kind)
    lives, gone = KINDS[kind]
    for number in (1, 2, 3, 4):
        engine.change("c", row(number))
    engine.change("u", row(2, 1))
    for number in (1, 2, 2, 9):
        engine.change("d", row(number))
    engine.change("c", row(2, 2))
    engine.change("d", row(3))
    engine.change("u", row(3, 5, "back"))
    engine.change("d", row(4))
    engine.tombstone(row(4))
    engine.run(size)

    assert marks(engine, session) == [
        (1, 0, "doc", gone), (2, 2, "doc", lives), (3, 5, "back", lives), (4, 0, "doc", gone),
    ]  # fmt: skip
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@both
def test_it_is_not_there_for_what_lacks_columns(session: psycopg.Connection, engines: Engines, kind: str) -> None:
    """A partial image of a deleted row has no base, whatever still stands in the table."""
    engine = engines(kind)
    engine.change("c", row(1))
    engine.change("d", row(1))
    engine.run()
    engine.change("u", row(1, 7, UNAVAILABLE))
    engine.run()

    assert marks(engine, session) == [(1, 0, "doc", KINDS[kind][1])]
    assert [kind for *_, kind in engine.letters(session)] == ["record.missing_base"]


@both
@pytest.mark.parametrize("size", [1, 50])
def test_a_changed_key_leaves_the_old_one_marked(
    session: psycopg.Connection, engines: Engines, kind: str, size: int
) -> None:
    """And the new row takes what it lacks from it."""
    engine = engines(kind)
    lives, gone = KINDS[kind]
    engine.change("c", row(1, 0, "large"))
    engine.move(row(1), row(2, 1, UNAVAILABLE))
    engine.run(size)

    assert marks(engine, session) == [(1, 0, "large", gone), (2, 1, "large", lives)]


@both
def test_a_truncate_marks_all_rows(session: psycopg.Connection, engines: Engines, kind: str) -> None:
    """It says no time of each row, so the mark is the time at which it was applied."""
    engine = engines(kind, truncate=True)
    for number in (1, 2):
        engine.change("c", row(number))
    engine.truncate()
    engine.change("c", row(2, 1))
    engine.run()

    assert [(each[0], each[1], each[3] in (None, False)) for each in marks(engine, session)] == [
        (1, 0, False),
        (2, 1, True),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("version", [False, True])
def test_a_truncate_marks_the_rows_of_a_table_that_its_own_batch_makes(
    session: psycopg.Connection, engines: Engines, size: int, version: bool
) -> None:
    """Wherever a batch ends: the table is not there yet when the truncate is bound, and has rows when it is applied."""
    engine = engines("", truncate=True, version=version)
    engine.change("c", row(1))
    engine.truncate()
    for number in (2, 3):
        engine.change("c", row(number))
    engine.truncate()
    engine.change("c", row(4))
    engine.run(size)

    marked = session.execute(f"SELECT id, gone IS NOT NULL FROM {engine.table} ORDER BY id".encode()).fetchall()
    assert marked == [(1, True), (2, True), (3, True), (4, False)]


@both
def test_a_version_guards_a_marked_row_too(session: psycopg.Connection, engines: Engines, kind: str) -> None:
    """What is older than the delete does not bring it back."""
    engine = engines(kind, version=True)
    session.execute(f"ALTER TABLE {engine.table} ADD v bigint".encode())
    engine.change("c", row(1))
    engine.lsn = 10
    engine.change("d", row(1))
    engine.lsn = 5
    engine.change("u", row(1, 5))
    engine.run(1)

    assert [each[:3] + each[4:] for each in marks(engine, session)] == [(1, 0, "doc", 11)]


def test_a_table_that_is_made_gets_a_time(session: psycopg.Connection, engines: Engines) -> None:
    """Null while the row lives."""
    engine = engines("")
    engine.change("c", row(1))
    engine.change("c", row(2))
    engine.change("d", row(1))
    engine.run(1)

    assert engine.rows(session) == [(1, 0, "doc", TIME), (2, 0, "doc", None)]


@pytest.mark.parametrize(
    ("kind", "fields", "refused"),
    [
        ("text", FIELDS, "table.shape"),
        ("timestamptz NOT NULL DEFAULT now()", FIELDS, "table.shape"),
        ("boolean", [*FIELDS, {"name": "gone", "type": ["null", "boolean"]}], "table.settings"),
    ],
)
def test_a_column_that_can_not_mark_is_refused(engines: Engines, kind: str, fields: Any, refused: str) -> None:
    """Before any row is touched."""
    engine = engines(kind, fields)
    engine.change("d", {**row(1), "gone": None})
    engine.run()

    assert [why.kind for why in engine.stopped.values()] == [refused]
