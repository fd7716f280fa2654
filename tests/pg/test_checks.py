"""Checks of the settings in front of a real table: what breaks one is a letter, and comes to an end as any other."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from consumer.core.checks import Rules
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.landing import rows
from tests.pg.pipeline import Pipeline

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]
CHECKS = {"word": Rules(max_length=5), "n": Rules(min=Decimal(0))}
Make = Callable[..., Pipeline]


def row(number: int, word: str | None = "w", n: int | None = 1) -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word, "n": n}


@pytest.fixture
def make(sink: PostgresSink, catalog: PostgresCatalog, schema: str) -> Make:
    """A pipeline whose table is to be checked so."""
    sink.seed({})
    return lambda **rules: Pipeline(sink, catalog, schema, FIELDS, checks={f"{schema}.orders": rules})


def letters(session: psycopg.Connection, group: str) -> list[tuple[Any, ...]]:
    """Offset, state, kind and whether the row is known, of all letters."""
    columns = '"offset", state, kind, digest_a IS NOT NULL'
    query = f'SELECT {columns} FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
    return session.execute(query.encode(), (group,)).fetchall()


def test_only_the_rows_that_break_a_check_are_left_out(session: psycopg.Connection, make: Make, group: str) -> None:
    """The others are in the table, which was made from the schema; a later sound image supersedes the letter."""
    line = make(**CHECKS)
    line.apply(("c", row(1)), ("c", row(2, "too long")), ("c", row(3, n=-1)), ("c", row(4, None, None)))
    assert rows(session, line.table) == [(1, "w", 1), (4, None, None)]
    assert letters(session, group) == [(1, "dead", "record.checks", True), (2, "dead", "record.checks", True)]

    line.apply(("u", row(2, "right")), ("d", row(3, n=-1)))
    assert rows(session, line.table) == [(1, "w", 1), (2, "right", 1), (4, None, None)]
    assert [state for _, state, *_ in letters(session, group)] == ["superseded", "superseded"]


def test_a_change_without_all_columns_waits_for_the_letter_in_front_of_it(
    session: psycopg.Connection, make: Make, group: str
) -> None:
    """It was made on a row that is not there."""
    line = make(**CHECKS)
    line.apply(("c", row(1, "too long")), ("u", row(1, "__debezium_unavailable_value", 2)))

    assert rows(session, line.table) == []
    assert [(state, kind) for _, state, kind, _ in letters(session, group)] == [
        ("dead", "record.checks"),
        ("held", "record.behind"),
    ]
