"""Nulls of updates that may stand for unchanged values: refused where the row has a value, kept or written by choice.

So PostgreSQL's connector sends unchanged values that are stored apart from their row, where it has no placeholder.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl
import psycopg
import pytest

from consumer.binding.mapping import TableMapping
from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import Mode
from consumer.core.target import TableName
from consumer.core.transform import Named
from consumer.core.types import ColumnPolicy
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID
from tests.unit.semantic import VARIABLE, array

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


@pytest.mark.parametrize("size", SIZES)
def test_a_new_key_of_a_row_with_a_value_is_refused(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """And applied where the row had none."""
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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("answer", [None, "reject"])
def test_a_null_of_a_number_is_one_unless_it_is_to_be_refused(
    session: psycopg.Connection, engines: Engines, schema: str, answer: Any, size: int
) -> None:
    """Also of one that may be stored apart: hardly any is so long, and nulls of others come every day."""
    session.execute(f"ALTER TABLE {schema}.t DROP v, DROP w, ADD v numeric".encode())
    policies = {f"{schema}.t": {"v": ColumnPolicy(doubtful_nulls=answer)}}
    engine = engines(fields=[*FIELDS[:2], {"name": "v", "type": ["null", VARIABLE]}], columns=policies)
    for number, digits in ((1, b"\x7b"), (2, b"\x01" * 40)):
        engine.change("c", {"id": number, "n": 0, "v": {"scale": 0, "value": digits}})
        engine.change("u", {"id": number, "n": 1, "v": None})
    engine.run(size)

    kept = [(n, v is None) for _, n, v in engine.rows(session)]
    assert kept == ([(0, False)] * 2 if answer else [(1, True)] * 2)
    assert [state for *_, state in engine.letters(session)] == ([DEAD] * 2 if answer else [])
