"""Rows that are guarded by their version: what is older than the row is kept out, and nothing takes it for refused."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from consumer.applying.verdicts import Judge
from consumer.core.markers import UNAVAILABLE
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.target import TableName, TargetColumn
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from consumer.ports.target import Start
from dlq.actions import replay
from tests.pg.following import made
from tests.pg.landing import ID, Change, Landing, rows
from tests.pg.searching import search

FIELDS = [
    ID,
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]


@pytest.fixture
def landing(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Landing:
    """A topic of a table whose rows are guarded by `v`, of a group that has started."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, n int, v bigint)")
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), FIELDS, version="v")


def row(number: int = 1, word: str = "new", n: int = 1) -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word, "n": n}


def given(session: psycopg.Connection, landing: Landing, *there: Sequence[Any]) -> None:
    """What the table holds before."""
    for values in there:
        session.execute(f"INSERT INTO {landing.table} VALUES (%s, %s, %s, %s)".encode(), values)


def versioned(number: int, version: int | None) -> tuple[Any, ...]:
    """A row as it was, with a version."""
    return (number, "old", 0, version)


def applied_at_last(landing: Landing, *changes: Change) -> None:
    """Changes of which some are refused: applied once more so that these are found."""
    with pytest.raises(DataFault):
        landing.apply(*changes)
    landing.apply(*changes)


PARTIAL = row(word=UNAVAILABLE)
CASES = [
    pytest.param(20, ("u", row(), 21), (1, "new", 1, 21), id="a newer update"),
    pytest.param(20, ("u", row(), 20), (1, "new", 1, 20), id="an update of the same place"),
    pytest.param(20, ("u", row(), 19), versioned(1, 20), id="an older update"),
    pytest.param(20, ("c", row(), 19), versioned(1, 20), id="an older create"),
    pytest.param(None, ("u", row(), 1), (1, "new", 1, 1), id="an update of a row without version"),
    pytest.param(20, ("r", row(), 19), (1, "new", 1, 20), id="a read"),
    pytest.param(None, ("r", row(), 19), (1, "new", 1, None), id="a read of a row without version"),
    pytest.param(20, ("u", PARTIAL, 21), (1, "old", 1, 21), id="a newer update of a part"),
    pytest.param(20, ("u", PARTIAL, 20), (1, "old", 1, 20), id="an update of a part of the same place"),
    pytest.param(20, ("u", PARTIAL, 19), versioned(1, 20), id="an older update of a part"),
    pytest.param(None, ("u", PARTIAL, 1), (1, "old", 1, 1), id="an update of a part of a row without version"),
    pytest.param(20, ("d", row(), 21), None, id="a newer delete"),
    pytest.param(20, ("d", row(), 20), None, id="a delete of the same place"),
    pytest.param(20, ("d", row(), 19), versioned(1, 20), id="an older delete"),
    pytest.param(None, ("d", row(), 1), None, id="a delete of a row without version"),
]


@pytest.mark.parametrize(("version", "change", "after"), CASES)
def test_a_version_keeps_out_what_is_older(
    session: psycopg.Connection, landing: Landing, version: int | None, change: Change, after: tuple[Any, ...] | None
) -> None:
    """Its neighbour is applied all the same, and nothing becomes a letter."""
    given(session, landing, versioned(1, version))
    plan = landing.apply(change, ("c", row(2), 5))

    assert rows(session, landing.table) == [*([after] if after else []), (2, "new", 1, 5)]
    assert (plan.counts.upserts + plan.counts.deletes, plan.letters) == (2, [])


@pytest.mark.parametrize(("version", "change", "after"), CASES)
def test_the_search_for_refused_rows_does_not_take_a_guarded_one_for_refused(
    server: str,
    session: psycopg.Connection,
    landing: Landing,
    version: int | None,
    change: Change,
    after: tuple[Any, ...] | None,
) -> None:
    """A row that is really refused is still found beside it."""
    given(session, landing, versioned(1, version), versioned(2, 1))
    session.execute(f"ALTER TABLE {landing.table} ADD CHECK (n < 90)".encode())
    op, shown, *_ = change
    bad = (op, {**shown, "id": 2, "n": 99}, 9)
    found = search(server, landing.plan(change, bad) if op != "d" else landing.plan(change))

    assert [(one.place, one.failure.kind) for one in found] == ([(1, "record.check")] if op != "d" else [])
    assert rows(session, landing.table) == [*([after] if after else []), versioned(2, 1)]


def test_an_update_of_a_part_still_needs_its_row(session: psycopg.Connection, server: str, landing: Landing) -> None:
    """One that is guarded is there, one that is missing is not."""
    given(session, landing, versioned(1, 20))
    plan = landing.plan(("u", PARTIAL, 19), ("u", row(3, UNAVAILABLE), 19))
    assert [(one.place, one.failure.kind) for one in search(server, plan)] == [(1, "record.missing_base")]

    applied_at_last(landing, ("u", PARTIAL, 19), ("u", row(3, UNAVAILABLE), 19))
    query = 'SELECT "offset", kind FROM headrace.letters WHERE topic = %s AND partition = %s'
    assert session.execute(query, landing.at).fetchall() == [(1, "record.missing_base")]
    assert rows(session, landing.table) == [versioned(1, 20)]


@pytest.mark.parametrize(
    ("version", "state"), [pytest.param(30, "superseded", id="newer"), pytest.param(5, "applied", id="older")]
)
def test_a_letter_that_comes_back_to_a_newer_row_is_superseded(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str, version: int, state: str
) -> None:
    """Whoever made the row newer: here another writer."""
    session.execute(f"ALTER TABLE {landing.table} ADD CONSTRAINT words CHECK (word <> 'bad')".encode())
    applied_at_last(landing, ("c", row(word="bad"), 10))
    session.execute(f"ALTER TABLE {landing.table} DROP CONSTRAINT words".encode())
    given(session, landing, versioned(1, version))
    ((number,),) = session.execute("SELECT id FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert replay(session, group, [number]).changed == (number,)
    at = TopicPartition(f"{group}.retry.1", 0)
    (taken,) = sink.take({at: Start(offset=0)})
    done = Slice(at=at, epoch=taken.epoch, start=0, end=1, offsets=(), keys=(), values=())
    landing.next_offset = 0
    (letter,) = sink.letters([RecordRef(landing.at, 0)])
    verdict = Judge(Policy()).applied(letter)
    sink.apply(replace(landing.plan(("c", row(word="bad"), 10)), slices=(done,), verdicts=(verdict,)))

    assert session.execute("SELECT state FROM headrace.letters WHERE id = %s", (number,)).fetchall() == [(state,)]
    assert rows(session, landing.table) == [versioned(1, 30) if state == "superseded" else (1, "bad", 1, 10)]


def test_a_table_that_is_created_has_the_column(
    session: psycopg.Connection, catalog: PostgresCatalog, schema: str
) -> None:
    """And an existing one says whether the column may be null."""
    made(session, TableName(schema, "made"), [ID, {"name": "v", "type": "long"}])
    found = catalog.read_table(TableName(schema, "made"))

    assert found is not None
    assert found.column("v") == TargetColumn(name="v", type_name="int8", cast="bigint")
    assert found.column("id") == TargetColumn(name="id", type_name="int8", cast="bigint", required=True, needed=True)


@pytest.mark.parametrize(("late", "states"), [(15, ["dead"]), (35, ["superseded"])])
def test_what_a_version_keeps_out_makes_no_letter_of_another_partition_needless(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str, late: int, states: list[str]
) -> None:
    """It is older than the row, and the letter may be newer."""
    session.execute(f"ALTER TABLE {landing.table} ADD CHECK (n < 90)".encode())
    beside = Landing(sink, landing.table, FIELDS, version="v")
    landing.apply(("c", row(), 20))
    applied_at_last(landing, ("u", row(n=99), 30))
    beside.apply(("u", row(n=7), late))

    assert session.execute("SELECT state FROM headrace.letters WHERE group_name = %s", (group,)).fetchall() == [
        (state,) for state in states
    ]
    assert rows(session, landing.table) == [(1, "new", 1, 20) if late < 20 else (1, "new", 7, 35)]
