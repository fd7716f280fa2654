"""Nulls of updates that may stand for unchanged values: refused where the row has a value, kept or written by choice.

So PostgreSQL's connector sends unchanged values that are stored apart from their row, where it has no placeholder.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import polars as pl
import psycopg
import pytest

from consumer.binding.mapping import ColumnMapping, TableMapping
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
from tests.unit.semantic import array

NUMBERS = ["null", array("double")]
FIELDS = [ID, {"name": "n", "type": ["null", "int"]}, *({"name": name, "type": NUMBERS} for name in "vw")]
Engines = Callable[..., Engine]
SIZES = [1, 2, 3, 50]
DEAD = "record.nulled"


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t, whose columns v and w have types without a placeholder."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, n int, v float8[], w float8[])".encode())
    name = TableName(schema, "t")
    return lambda **options: Engine(sink, pools(), group, name, options.pop("fields", FIELDS), **options)


def chosen(engines: Engines, schema: str, answer: Any) -> Engine:
    """An engine where that was chosen for both columns."""
    policy = ColumnPolicy(doubtful_nulls=answer)
    return engines(columns={f"{schema}.t": {"v": policy, "w": policy}})


def row(number: int, n: int | None, v: float | None, w: float | None = None) -> dict[str, Any]:
    """A row."""
    return {"id": number, "n": n} | {name: None if one is None else [one] for name, one in (("v", v), ("w", w))}


@pytest.mark.provokes("record.nulled")
@pytest.mark.parametrize("size", SIZES)
def test_a_null_is_refused_where_the_row_has_a_value(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """And written where it has none, whatever other columns say, in batches of any size."""
    engine = engines()
    engine.change("c", row(1, 0, 1.5, None))
    engine.change("r", row(2, 0, None, 2.5))
    engine.change("c", row(3, 0, None, None))
    engine.change("u", row(1, 1, None, None))
    engine.change("u", row(2, 1, None, 3.5))
    engine.change("u", row(3, 1, 1.5, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 0, [1.5], None), (2, 1, None, [3.5]), (3, 1, [1.5], None)]
    assert engine.letters(session) == [(0, 3, "dead", DEAD)]
    assert engine.stopped == {}


@pytest.mark.parametrize("size", SIZES)
def test_what_comes_behind_waits_until_the_row_is_whole_again(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """A read, an insert behind a delete, or an update that has all values supersedes the letter."""
    engine = engines()
    engine.change("c", row(1, 0, 1.5))
    engine.change("u", row(1, 1, None))
    engine.change("u", row(1, 2, None))
    engine.run(size)
    held = engine.rows(session), [state for _, _, state, _ in engine.letters(session)]
    engine.read_later(row(1, 2, 1.5))
    engine.run(size)

    assert held[0] == [(1, 0, [1.5], None)]
    assert set(held[1]) <= {"dead", "held"}
    assert engine.rows(session) == [(1, 2, [1.5], None)]
    assert {state for _, _, state, _ in engine.letters(session)} == {"superseded"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("careful", [False, True])
def test_a_row_that_is_not_there_has_no_value_either(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, careful: bool
) -> None:
    """What lacks is the row, as of any update without all columns; so it is of a table that refused others lately."""
    engine = engines(soft_deletes={f"{schema}.t": "gone"})
    session.execute(f"ALTER TABLE {schema}.t ADD gone boolean, ADD CHECK (n <> 99)".encode())
    engine.change("c", row(1, 99 if careful else 0, None))
    engine.change("c", row(2, 0, 1.5))
    engine.change("c", row(3, 0, None))
    engine.change("d", row(3, 0, None))
    engine.run(size)
    for number in (2, 3, 4):
        engine.change("u", row(number, 1, None))
    engine.run(size)

    kinds = {offset: kind for _, offset, _, kind in engine.letters(session) if offset > 3}
    assert kinds == {4: DEAD, 5: "record.missing_base", 6: "record.missing_base"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("careful", [False, True])
def test_a_check_sees_the_nulls_that_would_be_written(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, careful: bool
) -> None:
    """Not those that stand for unchanged values: of these it is not known, and nothing of the check is said."""
    session.execute(
        f"INSERT INTO {schema}.t VALUES (1, 0, '{{1.5}}'), (2, 0, NULL), (3, 0, NULL), (5, 0, NULL)".encode()
    )
    session.execute(f"ALTER TABLE {schema}.t ADD CHECK (n <> 99)".encode())
    checks = {f"{schema}.t": {"v": Rules(not_null=True)}}
    engine = engines(checks=checks)
    if careful:
        engine.change("c", row(7, 99, 1.5))
        engine.run(size)
    first = len(engine.topics.logs[engine.at[0]].values)
    engine.change("u", row(1, 1, None))
    engine.change("u", row(2, 1, None))
    engine.change("u", row(3, 1, 3.5))
    engine.change("u", row(4, 1, None))
    engine.move(row(5, 0, None), row(15, 1, None))
    engine.change("c", row(6, 0, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 0, [1.5], None), (2, 0, None, None), (3, 1, [3.5], None)]
    kinds = {offset - first: kind for _, offset, _, kind in engine.letters(session) if offset >= first}
    assert kinds == {0: DEAD, 1: "record.checks", 3: "record.missing_base", 6: "record.moved", 7: "record.checks"}


@pytest.mark.parametrize("size", SIZES)
def test_a_check_says_nothing_of_a_null_that_is_kept(
    session: psycopg.Connection, engines: Engines, schema: str, size: int
) -> None:
    """By choice it stands for the value that is there; one that is to be written breaks the check."""
    policies = {f"{schema}.t": {"v": ColumnPolicy(doubtful_nulls="keep"), "w": ColumnPolicy(doubtful_nulls="write")}}
    rules = Rules(not_null=True)
    engine = engines(columns=policies, checks={f"{schema}.t": {"v": rules, "w": rules}})
    engine.change("c", row(1, 0, 1.5, 2.5))
    engine.change("u", row(1, 1, None, 2.5))
    engine.change("u", row(1, 2, 1.5, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 1, [1.5], [2.5])]
    assert engine.letters(session) == [(0, 2, "dead", "record.checks")]


@pytest.mark.parametrize("values", [(None, None), (1.5, None), (1.5, 2.5)])
def test_of_several_rows_with_one_key_none_is_taken_for_the_row(
    session: psycopg.Connection, engines: Engines, schema: str, values: tuple[float | None, ...]
) -> None:
    """Where no index keeps them apart; also not that of them which takes the null."""
    session.execute(f"ALTER TABLE {schema}.t DROP CONSTRAINT t_pkey".encode())
    for value in values:
        session.execute(f"INSERT INTO {schema}.t VALUES (1, 0, %s)".encode(), (value and [value],))
    engine = engines()
    engine.change("c", row(2, 0, None))
    engine.change("c", row(3, 0, 1.5))
    engine.run()
    for number in (1, 2, 3):
        engine.change("u", row(number, 1, None))
    engine.run()

    assert engine.rows(session)[-2:] == [(2, 1, None, None), (3, 0, [1.5], None)]
    assert [row[1] for row in engine.rows(session)[:2]] == [0, 0]
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [(2, "record.many_bases"), (4, DEAD)]


@pytest.mark.parametrize("refused", [False, True])
def test_a_flood_says_what_it_is_of(session: psycopg.Connection, engines: Engines, schema: str, refused: bool) -> None:
    """By kinds, most first, with one of their reasons; also where the table refuses other rows beside."""
    session.execute(f"ALTER TABLE {schema}.t ADD CHECK (n <> 99)".encode())
    engine = engines()
    for number in range(130):
        engine.change("c", row(number, 0, 1.5))
    engine.run()
    for number in range(120):
        engine.change("u", row(number, 1, None))
    engine.change("u", row(500, 1, None))
    engine.change("u", row(125, 99 if refused else 0, 1.5))
    engine.run()

    (stopped,) = engine.stopped.values()
    assert stopped.kind == "table.flood"
    assert "as record.nulled" in stopped.detail
    assert "as record.missing_base" in stopped.detail
    assert "v: expected a value or a placeholder, found null" in stopped.detail
    assert engine.letters(session) == []


@pytest.mark.parametrize(
    ("letter", "left", "letters"),
    [
        pytest.param("null", (1, 2, None, [2.5]), [(1, "superseded"), (2, "superseded")], id="null"),
        pytest.param("value", (1, 0, None, None), [(1, "dead"), (2, "held"), (3, "held")], id="a value"),
        pytest.param("unread", (1, 0, None, None), [(1, "dead"), (2, "dead"), (3, "held")], id="nothing"),
    ],
)
def test_it_does_not_wait_for_a_letter_that_says_what_it_is(
    session: psycopg.Connection, engines: Engines, schema: str, letter: str, left: Any, letters: Any
) -> None:
    """The letter is read, though it is not applied: where it has null, null is right whatever was meant."""
    engine = engines(checks={f"{schema}.t": {"n": Rules(max=Decimal(50)), "w": Rules(not_null=True)}})
    whole = row(1, 0, None, 2.5)
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 0), (2, 0)".encode())
    engine.change("u", row(7, 0, 1.5, 2.5))
    engine.change("u", row(1, 99, 1.5 if letter == "value" else None, 2.5), before=whole)
    if letter == "unread":
        engine.damaged(row(1, 0, 1.5))
    else:
        engine.change("u", row(1, 98, None, 2.5))
    engine.change("u", row(1, 2, None, 2.5))
    # what is confirmed here would be written, and breaks a check
    engine.change("u", row(2, 99, None, None), before=row(2, 0, 1.5, None))
    engine.change("u", row(2, 1, None, None))
    engine.run()

    assert engine.rows(session) == [left, (2, 0, None, None), (7, 0, [1.5], [2.5])]
    said = [(offset, state) for _, offset, state, _ in engine.letters(session)]
    assert said == [*letters, (4, "dead"), (5, "dead")]
    assert [kind for *_, kind in engine.letters(session)][-2:] == ["record.checks"] * 2


@pytest.mark.parametrize("size", SIZES)
def test_an_image_before_says_what_a_null_is(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """With REPLICA IDENTITY FULL the source sends all values, so a null is one; the key alone says nothing."""
    engine = engines()
    engine.change("c", row(1, 0, 1.5))
    engine.change("c", row(2, 0, 1.5))
    engine.change("u", row(1, 1, None), before=row(1, 0, 1.5))
    engine.change("u", row(2, 1, None), before=row(2, None, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 1, None, None), (2, 0, [1.5], None)]
    assert engine.letters(session) == [(0, 3, "dead", DEAD)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("answer", "left"), [("keep", [1.5]), ("write", None)])
def test_it_may_be_kept_or_written(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, answer: str, left: Any
) -> None:
    """By choice: where the source never sets the column to null, or never has it stored apart."""
    engine = chosen(engines, schema, answer)
    engine.change("c", row(1, 0, 1.5, 2.5))
    engine.change("u", row(1, 1, None, 3.5))
    engine.run(size)

    assert engine.rows(session) == [(1, 1, left, [3.5])]
    assert engine.letters(session) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("answer", "left"), [("keep", [1.5]), ("write", None)])
def test_a_new_key_is_as_an_update(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, answer: str, left: Any
) -> None:
    """Its create lacks what did not change; what is created otherwise has its nulls."""
    engine = chosen(engines, schema, answer)
    engine.change("c", row(1, 0, 1.5))
    engine.move(row(1, 0, None), row(11, 1, None))
    engine.change("c", row(1, 2, None))
    engine.run(size)

    assert engine.rows(session) == [(1, 2, None, None), (11, 1, left, None)]
    assert engine.letters(session) == []


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_new_key_of_a_row_with_a_value_is_refused(
    session: psycopg.Connection, engines: Engines, schema: str, size: int, index: bool
) -> None:
    """And applied where the row had none."""
    session.execute("" if index else f"ALTER TABLE {schema}.t DROP CONSTRAINT t_pkey".encode())
    engine = engines()
    engine.change("c", row(1, 0, 1.5))
    engine.change("c", row(2, 0, None))
    engine.move(row(1, 0, None), row(11, 1, None))
    engine.move(row(2, 0, None), row(12, 1, None))
    engine.run(size)

    assert engine.rows(session) == [(12, 1, None, None)]
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [(4, "record.moved")]


@pytest.mark.parametrize("size", SIZES)
def test_it_is_not_mixed_up_with_a_placeholder(
    session: psycopg.Connection, engines: Engines, schema: str, size: int
) -> None:
    """Arrays of texts have both where the connector does not say their type: one is left alone, the other judged."""
    session.execute(f"ALTER TABLE {schema}.t DROP v, DROP w, ADD v text[]".encode())
    engine = engines(fields=[*FIELDS[:2], {"name": "v", "type": ["null", array("string")]}])
    for number, first, last in ((1, ["a"], [UNAVAILABLE]), (2, ["a"], None), (3, None, None)):
        engine.change("c", {"id": number, "n": 0, "v": first})
        engine.change("u", {"id": number, "n": 1, "v": last})
    engine.move({"id": 1, "n": 0, "v": None}, {"id": 11, "n": 2, "v": [UNAVAILABLE]})
    engine.move({"id": 3, "n": 0, "v": None}, {"id": 13, "n": 2, "v": None})
    engine.run(size)

    assert engine.rows(session) == [(2, 0, ["a"]), (11, 2, ["a"]), (13, 2, None)]
    assert engine.letters(session) == [(0, 3, "dead", DEAD)]


@pytest.mark.parametrize("there", [True, False])
def test_of_a_row_that_is_changed_often_the_first_refused_change_is_found_at_once(
    session: psycopg.Connection, engines: Engines, schema: str, group: str, there: bool
) -> None:
    """What comes behind it waits; a batch is not tried once for each change, whichever is at fault, null or row."""
    if there:
        session.execute(f"INSERT INTO {schema}.t VALUES (1, 0, '{{1.5}}')".encode())
    engine = engines()
    engine.change("c", row(2, 0, None))
    for number in range(1, 61):
        engine.change("u", row(1, number, None))
        engine.change("u", row(2, number, None))
    engine.run()

    assert engine.rows(session) == [*([(1, 0, [1.5], None)] if there else []), (2, 60, None, None)]
    kinds = [(state, kind) for _, _, state, kind in engine.letters(session)]
    assert kinds == [("dead", DEAD if there else "record.missing_base"), *[("held", "record.behind")] * 59]
    assert tries(session, group) <= 3


def test_changes_in_front_of_the_first_doubtful_null_are_applied(
    session: psycopg.Connection, engines: Engines, schema: str, group: str
) -> None:
    """They said that the value is unchanged, which is no matter of the row; a column may have another name there."""
    session.execute(f"ALTER TABLE {schema}.t DROP v, DROP w, ADD list text[]".encode())
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 0, '{{a}}')".encode())
    mappings = {f"{schema}.t": TableMapping(columns={"v": ColumnMapping(rename="list")})}
    engine = engines(fields=[*FIELDS[:2], {"name": "v", "type": ["null", array("string")]}], mappings=mappings)
    for number in range(1, 61):
        engine.change("u", {"id": 1, "n": number, "v": [UNAVAILABLE] if number <= 20 else None})
    engine.run()

    assert engine.rows(session) == [(1, 20, ["a"])]
    states = [(offset, state) for _, offset, state, _ in engine.letters(session)]
    assert states == [(20, "dead"), *((number, "held") for number in range(21, 60))]
    assert tries(session, group) <= 3


def tries(session: psycopg.Connection, group: str) -> int:
    """How often batches were begun."""
    query = "SELECT sum(attempt)::int FROM headrace.batches WHERE group_name = %s"
    ((found,),) = session.execute(query, (group,)).fetchall()
    return int(found)


def test_a_transform_is_not_given_it(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """Where it makes other columns of it: what these would be is not known, whatever the row has."""

    class Sized:
        """A transform: how many numbers there are."""

        made_from: Mapping[str, tuple[str, ...]] = MappingProxyType({"size": ("v",)})

        def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
            return rows.select("id", "n", "w", pl.col("v").list.len().cast(pl.Int32).alias("size"))

    session.execute(f"ALTER TABLE {schema}.t DROP v, ADD size int".encode())
    engine = engines(mappings={f"{schema}.t": TableMapping(transform=Named(name="sized", call=Sized()))})
    engine.change("c", row(1, 0, 1.5))
    engine.change("u", row(1, 1, 2.5, None))
    engine.change("u", row(1, 2, None, None))
    engine.run(1)

    assert engine.rows(session) == [(1, 1, None, 1)]
    assert engine.letters(session) == [(0, 2, "dead", DEAD)]


def test_a_history_says_that_it_is_not_known(session: psycopg.Connection, engines: Engines, schema: str) -> None:
    """It has no row that could tell."""
    session.execute(f"DROP TABLE {schema}.t".encode())
    engine = engines(modes={f"{schema}.t": Mode.HISTORY})
    engine.change("c", row(1, 0, None))
    engine.change("u", row(1, 1, None))
    engine.change("u", row(1, 2, None), before=row(1, 1, 1.5))
    engine.run()

    query = f"SELECT n, v, _unavailable FROM {schema}.t ORDER BY n"
    assert session.execute(query.encode()).fetchall() == [(0, None, None), (1, None, "v, w"), (2, None, None)]


def test_a_history_holds_no_check_against_what_it_does_not_know(
    session: psycopg.Connection, engines: Engines, schema: str
) -> None:
    """Neither against such a null nor against a placeholder; a null that is one breaks it."""
    session.execute(f"DROP TABLE {schema}.t".encode())
    text = {"name": "word", "type": ["null", "string"]}
    rules = {"v": Rules(not_null=True), "word": Rules(max_length=3)}
    engine = engines(fields=[*FIELDS, text], modes={f"{schema}.t": Mode.HISTORY}, checks={f"{schema}.t": rules})
    engine.change("c", row(1, 0, 1.5) | {"word": "abc"})
    engine.change("u", row(1, 1, None) | {"word": UNAVAILABLE})
    engine.change("u", row(1, 2, None) | {"word": "abc"}, before=row(1, 1, 1.5) | {"word": "abc"})
    engine.change("c", row(2, 3, None) | {"word": "abc"})
    engine.run()

    query = f"SELECT n, v, word, _unavailable FROM {schema}.t ORDER BY n"
    assert session.execute(query.encode()).fetchall() == [(0, [1.5], "abc", None), (1, None, None, "word, v, w")]
    assert engine.letters(session) == [(0, 2, "dead", "record.checks"), (0, 3, "dead", "record.checks")]
