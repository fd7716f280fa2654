"""Nulls of numbers in updates: written where the row has none or a short one, refused where it has a long one.

A `numeric` that is so long that PostgreSQL may store it apart from its row comes as null where it did not change.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.binding.mapping import TableMapping
from consumer.core.checks import Rules
from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import Mode
from consumer.core.target import TableName
from consumer.core.transform import Named
from consumer.core.types import ColumnPolicy
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID
from tests.unit.semantic import VARIABLE, decimal, unscaled

WORD = {"name": "word", "type": ["null", "string"]}
FIELDS = [ID, {"name": "n", "type": ["null", "int"]}, {"name": "v", "type": ["null", VARIABLE]}]
Engines = Callable[..., Engine]
SIZES = [1, 2, 3, 50]
DEAD = "record.nulled"
LONG = 10**29 + 1
# without its noughts behind it is as short as one
NEARLY = 10**29 - 1
ROUND = 3 * 10**40


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t, whose column v is a number of any length."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, v numeric)".encode())
    name = TableName(schema, "t")
    return lambda **options: Engine(sink, pools(), group, name, options.pop("fields", FIELDS), **options)


def row(number: int, n: int | None, v: int | None, **more: Any) -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n, "v": None if v is None else {"scale": 0, "value": unscaled(v)}, **more}


def kinds(engine: Engine, session: psycopg.Connection, first: int = 0) -> dict[int, str]:
    """What became a letter, by its offset."""
    return {offset: kind for _, offset, _, kind in engine.letters(session) if offset >= first}


@given(
    st.lists(
        st.tuples(st.text("0123456789", min_size=1, max_size=29), st.integers(-300, 300), st.sampled_from(["", "-"])),
        min_size=1,
        max_size=50,
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_server_never_stores_a_number_apart_that_is_not_long(
    session: psycopg.Connection, numbers: list[tuple[str, int, str]]
) -> None:
    """It moves out what takes more than 24 bytes: no number of 29 digits, wherever its point is, and some of 30."""
    query = "SELECT max(pg_column_size(v::numeric)) FROM unnest(%s::text[]) AS v"
    texts = [f"{sign}{digits}e{exponent}" for digits, exponent, sign in numbers]
    ((most,),) = session.execute(query, (texts,)).fetchall()
    # one digit in the first group and in the last one, far behind the point
    ((shortest,),) = session.execute(query, ([f"0.{'0' * 299}1{'0001' * 7}1"],)).fetchall()

    assert most <= 24 < shortest


@pytest.mark.parametrize("size", SIZES)
def test_a_null_is_refused_where_the_row_has_a_long_number(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """And written where it has another, or none; a row that is not there is made, as of any whole update."""
    engine = engines()
    engine.change("c", row(1, 0, LONG))
    engine.change("c", row(2, 0, NEARLY))
    engine.change("c", row(3, 0, -ROUND))
    engine.change("r", row(4, 0, None))
    engine.change("c", row(6, 0, -LONG))
    for number in range(1, 7):
        engine.change("u", row(number, 1, None))
    engine.change("u", row(6, 2, LONG + 1))
    engine.run(size)

    nulls = [(number, 1, None) for number in (2, 3, 4, 5)]
    assert engine.rows(session) == [(1, 0, LONG), *nulls, (6, 2, LONG + 1)]
    found = engine.letters(session)
    assert found[0] == (0, 5, "dead", DEAD)
    # in one batch the last change of the row says all
    assert [(offset, state) for _, offset, state, _ in found[1:]] in ([], [(10, "superseded")])
    assert engine.stopped == {}


@pytest.mark.parametrize("size", SIZES)
def test_what_is_new_or_read_is_taken_at_its_word(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """Beside updates that are doubted, and behind a delete; so is an update behind a whole image before it."""
    engine = engines()
    for number in range(1, 7):
        engine.change("c", row(number, 0, LONG))
    engine.run()
    engine.change("u", row(1, 1, None))
    engine.change("r", row(2, 1, None))
    engine.change("d", row(3, 0, None))
    engine.change("c", row(3, 1, None))
    engine.change("u", row(4, 1, None), before=row(4, 0, LONG))
    engine.change("u", row(5, 1, 7))
    engine.change("u", row(5, 2, None))
    engine.change("d", row(6, 0, None))
    engine.change("u", row(6, 1, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 0, LONG), *((n, 1, None) for n in (2, 3, 4)), (5, 2, None), (6, 1, None)]
    assert kinds(engine, session) == {6: DEAD}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("last", [7, LONG])
def test_what_comes_behind_waits_for_nothing_but_a_value(
    session: psycopg.Connection, engines: Engines, size: int, last: int
) -> None:
    """Any number supersedes the letters, a null waits behind them."""
    engine = engines()
    engine.change("c", row(1, 0, LONG))
    engine.change("u", row(1, 1, None))
    engine.change("u", row(1, 2, None))
    engine.run(size)
    held = engine.rows(session), {state for _, _, state, _ in engine.letters(session)}
    engine.change("u", row(1, 3, last))
    engine.run(size)

    assert held[0] == [(1, 0, LONG)]
    assert held[1] <= {"dead", "held"}
    assert engine.rows(session) == [(1, 3, last)]
    assert {state for _, _, state, _ in engine.letters(session)} == {"superseded"}


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize(("value", "known"), [(LONG, False), (7, True), (None, False)])
def test_a_null_waits_behind_a_letter_that_may_have_a_long_number(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, value: int | None, known: bool
) -> None:
    """The row does not say what it is: what stands there is older. The letter does, in its batch, if it is sure."""
    session.execute(f"ALTER TABLE {schema}.t ADD CHECK (n <> 99)".encode())
    rules = {f"{schema}.t": {"n": Rules(max=Decimal(50))}}
    engine = engines(checks=rules)
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 0, 5)".encode())
    engine.change("u", row(1, 99, value))
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.run(size)

    waits = size == 1 or not known
    assert engine.rows(session) == [(1, 0, 5) if waits else (1, 1, None), (2, 1, None)]
    states = [state for _, _, state, _ in engine.letters(session)]
    if waits:
        assert states in (["dead", "held"], ["dead", "dead"])
    else:
        assert states == ["superseded"]


@pytest.mark.parametrize("size", SIZES)
def test_a_changed_key_takes_a_long_number_along(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """It is refused, as it may have been set to null; a short one was."""
    engine = engines()
    for number, value in ((1, LONG), (2, 7), (3, None)):
        engine.change("c", row(number, 0, value))
    for number in (1, 2, 3):
        engine.move(row(number, 0, None), row(number + 10, 1, None))
    engine.run(size)

    assert engine.rows(session) == [(12, 1, None), (13, 1, None)]
    assert kinds(engine, session) == {5: "record.moved"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["no index", "soft", "version", "careful", "strict"])
def test_it_is_so_of_all_sorts_of_tables(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, kind: str
) -> None:
    """Rows without an index, marked rows, rows with versions, rows of a table that refused others lately."""
    name = f"{schema}.t"
    options: dict[str, dict[str, Any]] = {
        "no index": {},
        "soft": {"soft_deletes": {name: "gone"}},
        "version": {"versions": {name: "lsn"}},
        "careful": {},
        "strict": {"strict": frozenset({name})},
    }
    changes = {
        "no index": "DROP CONSTRAINT t_pkey",
        "soft": "ADD gone boolean",
        "version": "ADD lsn bigint",
        "careful": "ADD CHECK (n <> 99)",
        "strict": "ADD CHECK (n <> 99)",
    }
    session.execute(f"ALTER TABLE {name} {changes[kind]}".encode())
    engine = engines(**options[kind])
    for number, value in ((1, LONG), (2, 7), (3, LONG), (4, LONG)):
        engine.change("c", row(number, 0, value))
    if kind in ("careful", "strict"):
        engine.change("c", row(9, 99, LONG))
    engine.run(size)
    first = len(engine.topics.logs[engine.at[0]].values)
    engine.change("d", row(3, 0, None))
    engine.run(size)
    for number in (1, 2, 3, 5):
        engine.change("u", row(number, 1, None))
    engine.change("u", row(4, 1, 8))
    engine.run(size)

    rows = [values[:3] for values in engine.rows(session)]
    assert rows == [(1, 0, LONG), (2, 1, None), (3, 1, None), (4, 1, 8), (5, 1, None)]
    assert kinds(engine, session, first) == {first + 1: DEAD}


def test_of_several_rows_with_one_key_any_refuses_it(
    session: psycopg.Connection, engines: Engines, schema: str
) -> None:
    """Where no index keeps them apart: a whole row takes the place of all, so that it is the null that is wrong."""
    session.execute(f"ALTER TABLE {schema}.t DROP CONSTRAINT t_pkey".encode())
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 0, 7), (1, 0, {LONG}), (2, 0, 7), (2, 0, 8)".encode())
    engine = engines()
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.run()

    assert sorted(engine.rows(session)) == [(1, 0, 7), (1, 0, LONG), (2, 1, None)]
    assert kinds(engine, session) == {0: DEAD}


def test_an_older_change_is_left_out_and_not_refused(
    session: psycopg.Connection, engines: Engines, schema: str
) -> None:
    """By its version the row is newer than it, whatever it has."""
    session.execute(f"ALTER TABLE {schema}.t ADD lsn bigint".encode())
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 0, {LONG}, 1000), (2, 0, {LONG}, 0)".encode())
    engine = engines(versions={f"{schema}.t": "lsn"})
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.run()

    assert [values[:3] for values in engine.rows(session)] == [(1, 0, LONG), (2, 0, LONG)]
    assert kinds(engine, session) == {1: DEAD}


@pytest.mark.parametrize("size", SIZES)
def test_an_update_that_lacks_columns_too_is_judged_alike(
    session: psycopg.Connection, engines: Engines, schema: str, size: int
) -> None:
    """Of a text there is a placeholder; the number beside it is null."""
    session.execute(f"ALTER TABLE {schema}.t ADD word text".encode())
    engine = engines(fields=[*FIELDS, WORD])
    for number, value in ((1, LONG), (2, 7), (3, 9)):
        engine.change("c", row(number, 0, value, word="word"))
    engine.run()
    engine.change("u", row(1, 1, None, word=UNAVAILABLE))
    engine.change("u", row(2, 1, None, word=UNAVAILABLE))
    engine.change("u", row(3, 1, LONG, word=UNAVAILABLE))
    engine.change("u", row(3, 2, None, word=UNAVAILABLE))
    engine.run(size)

    assert engine.rows(session) == [(1, 0, LONG, "word"), (2, 1, None, "word"), (3, 1, LONG, "word")]
    assert kinds(engine, session) == {3: DEAD, 6: DEAD}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("answer", "left"), [("write", [None, None]), ("keep", [LONG, 7]), ("reject", [LONG, 7]), (None, [LONG, None])]
)
def test_settings_say_otherwise(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, answer: Any, left: list[int | None]
) -> None:
    """Of numbers of any length then."""
    engine = engines(columns={f"{schema}.t": {"v": ColumnPolicy(doubtful_nulls=answer)}})
    engine.change("c", row(1, 0, LONG))
    engine.change("c", row(2, 0, 7))
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.run(size)

    assert [values[2] for values in engine.rows(session)] == left
    assert len(kinds(engine, session)) == {"reject": 2, None: 1}.get(answer, 0)


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize(
    ("digits", "column"),
    [(38, "numeric(38,2)"), (38, "text"), (38, "char(60)"), (60, "numeric"), (29, "numeric")],
)
def test_it_is_so_of_all_sorts_of_numbers(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, digits: int, column: str
) -> None:
    """In columns of any type; but for those that are too short for it by their own type at the source."""
    session.execute(f"ALTER TABLE {schema}.t ALTER v TYPE {column}".encode())
    engine = engines(fields=[*FIELDS[:2], {"name": "v", "type": ["null", decimal(digits, 2)]}])
    refused = digits > 29
    most = LONG if refused else 10**29 - 1
    for number, value in ((1, most), (2, 700)):
        engine.change("c", {"id": number, "n": 0, "v": unscaled(value)})
        engine.change("u", {"id": number, "n": 1, "v": None})
    engine.run(size)

    assert [(n, v is None) for _, n, v in engine.rows(session)] == [(0, False) if refused else (1, True), (1, True)]
    assert kinds(engine, session) == ({1: DEAD} if refused else {})


def test_a_flood_of_them_stops_the_table(session: psycopg.Connection, engines: Engines) -> None:
    """As of any rows that are refused."""
    engine = engines()
    for number in range(130):
        engine.change("c", row(number, 0, LONG))
    engine.run()
    for number in range(120):
        engine.change("u", row(number, 1, None))
    engine.run()

    (stopped,) = engine.stopped.values()
    assert (stopped.kind, engine.letters(session)) == ("table.flood", [])


def test_a_check_sees_the_null(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """It is not written in either case."""
    engine = engines(checks={f"{schema}.t": {"v": Rules(not_null=True)}})
    engine.change("c", row(1, 0, LONG))
    engine.change("c", row(2, 0, 7))
    engine.run()
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.run()

    assert engine.rows(session) == [(1, 0, LONG), (2, 0, 7)]
    assert kinds(engine, session) == dict.fromkeys((2, 3), "record.checks")


def test_a_history_says_that_it_is_not_known(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """It has no row that could tell; of a column that is too short it is."""
    session.execute(f"DROP TABLE {schema}.t".encode())
    fields = [*FIELDS, {"name": "w", "type": ["null", decimal(12, 2)]}]
    engine = engines(fields=fields, modes={f"{schema}.t": Mode.HISTORY})
    engine.change("c", row(1, 0, None, w=None))
    engine.change("u", row(1, 1, None, w=None))
    engine.run()

    query = f"SELECT n, v, w, _unavailable FROM {schema}.t ORDER BY n"
    assert session.execute(query.encode()).fetchall() == [(0, None, None, None), (1, None, None, "v")]


@pytest.mark.parametrize("size", [1, 50])
def test_a_transform_is_not_given_it(session: psycopg.Connection, engines: Engines, schema: str, size: int) -> None:
    """Where it makes other columns of it, unless its batch says what it is."""

    class Known:
        """A transform: whether there is a number."""

        made_from: Mapping[str, tuple[str, ...]] = MappingProxyType({"known": ("v",)})

        def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
            return rows.select("id", "n", pl.col("v").is_not_null().alias("known"))

    session.execute(f"ALTER TABLE {schema}.t DROP v, ADD known boolean".encode())
    engine = engines(mappings={f"{schema}.t": TableMapping(transform=Named(name="known", call=Known()))})
    engine.change("c", row(1, 0, 7))
    engine.change("c", row(2, 0, LONG))
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 1, False) if size > 1 else (1, 0, True), (2, 0, True)]
    assert kinds(engine, session) == ({3: DEAD} if size > 1 else {2: DEAD, 3: DEAD})


class Same:
    """A transform that leaves rows as they are: behind one, nothing is kept for rows that get another key."""

    made_from: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("gone", [LONG, 7, None])
@pytest.mark.parametrize("last", ["", "u", "uv", "du"])
def test_what_a_row_lacks_that_took_the_key_of_another_is_not_what_that_one_had(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, gone: int | None, last: str
) -> None:
    """A number of its own may be long, whatever the deleted row had; what follows with null says no more of it."""
    engine = engines(mappings={f"{schema}.t": TableMapping(transform=Named(name="same", call=Same()))})
    if gone is not None:
        engine.change("c", row(1, 0, gone))
    engine.change("c", row(2, 0, LONG))
    engine.run()
    first = len(engine.topics.logs[engine.at[0]].values)
    if gone is not None:
        engine.change("d", row(1, 0, None))
    engine.move(row(2, 0, None), row(1, 1, None), tombstone=False)
    if last == "du":
        engine.change("d", row(1, 1, None))
        engine.change("c", row(1, 2, None))
    elif last:
        engine.change("u", row(1, 2, 8 if last == "uv" else None))
    engine.change("u", row(9, 1, None))
    engine.run(size)

    left = {"uv": [(1, 2, 8)], "du": [(1, 2, None)]}.get(last, [])
    assert engine.rows(session) == [*left, (9, 1, None)]
    letters = {offset: (state, kind) for _, offset, state, kind in engine.letters(session)}
    if left:
        assert {state for state, _ in letters.values()} <= {"superseded"}
    else:
        moved = first + 1 + (gone is not None)
        assert sorted(letters) == [moved, moved + 1][: 1 + bool(last)]
        assert letters[moved] == ("dead", "record.missing_base")
