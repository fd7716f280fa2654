"""Rows that swap a further unique value at once, as a source lets them whose constraint is deferrable."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID

STRING = ["null", "string"]
FIELDS = [ID, {"name": "label", "type": STRING}, {"name": "doc", "type": STRING}]
CONSTRAINTS = ["UNIQUE", "UNIQUE DEFERRABLE", "UNIQUE DEFERRABLE INITIALLY DEFERRED"]
CLOSED = {"applied", "superseded"}


class Swap:
    """Rows of a table, numbered from 0, each with a label; `at` is the engine that applies their changes."""

    def __init__(self, session: psycopg.Connection, engine: Engine, labels: str) -> None:
        self.session, self.at = session, engine
        self._partitions = len(engine.at)
        self.change("c", dict(enumerate(labels)))
        self.at.run()

    def change(self, op: str, labels: Mapping[int, str], *unsaid: int) -> None:
        """Changes of rows, one behind the other; of the unsaid ones the document is left out."""
        for number, label in labels.items():
            doc = UNAVAILABLE if number in unsaid else f"doc {number}"
            self.at.change(op, {"id": number, "label": label, "doc": doc}, partition=number % self._partitions)

    def labels(self) -> str:
        """Of the rows, in their order."""
        rows = self.session.execute(f"SELECT label, doc FROM {self.at.table} ORDER BY id".encode()).fetchall()
        assert [doc for _, doc in rows] == [f"doc {number}" for number in range(len(rows))]
        return "".join(label for label, _ in rows)

    def states(self) -> list[str]:
        """Of the letters."""
        return [state for *_, state, _ in self.at.letters(self.session)]

    def through(self, size: int = 1000) -> None:
        """Apply everything, and letters as often as they come back."""
        self.at.run(size)
        while {"retrying", "replaying"} & set(self.states()):
            self.at.come_back()
        assert self.at.stopped == {}


Swaps = Callable[..., Swap]


@pytest.fixture
def swaps(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Swaps:
    """Makes a table with a column for labels of this type, and further columns, and rows with these labels."""
    pool = pools()

    def made(labels: str, kind: str = "text NOT NULL UNIQUE", more: str = "", **options: Any) -> Swap:
        name = TableName(schema, "t")
        columns = f"id bigint PRIMARY KEY, label {kind}, doc text{more}"
        session.execute(f"CREATE TABLE {name} ({columns})".encode())
        return Swap(session, Engine(sink, pool, group, name, FIELDS, **options), labels)

    return made


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("partitions", [1, 2])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("unsaid", [(), (0,), (0, 1)], ids=["said", "one left out", "both left out"])
def test_two_rows_swap(swaps: Swaps, constraint: str, partitions: int, size: int, unsaid: Sequence[int]) -> None:
    """In one batch, and where it ends between them, in two partitions too, with all columns or without."""
    swap = swaps("ab", f"text {constraint}", partitions=partitions)
    swap.change("u", {0: "b", 1: "a"}, *unsaid)
    swap.through(size)
    assert swap.labels() == "ba"
    assert set(swap.states()) <= CLOSED
    # together they need no letters
    assert size == 1 or swap.states() == []


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_values_go_round(swaps: Swaps, constraint: str, size: int) -> None:
    """Once, and on, while letters of before are open: what the source has in the end counts."""
    swap = swaps("abcd", f"text NOT NULL {constraint}")
    swap.change("u", {0: "b", 1: "c", 2: "d", 3: "a"}, 0, 1, 2, 3)
    swap.change("u", {0: "a", 3: "b"}, 0, 3)
    swap.through(size)
    assert swap.labels() == "acdb"
    assert set(swap.states()) <= CLOSED


@pytest.mark.parametrize("size", [1, 3])
def test_a_row_that_something_else_keeps_out_does_not_hold_a_swap_up(swaps: Swaps, size: int) -> None:
    """It alone is dead in the end."""
    swap = swaps("abcz")
    swap.change("u", {0: "b", 1: "a", 2: "z"})
    swap.through(size)
    assert swap.labels() == "bacz"
    assert swap.states() == ["applied", "applied", "dead"]


@pytest.mark.parametrize("size", [1, 2])
def test_what_only_the_target_has_stays(session: psycopg.Connection, swaps: Swaps, size: int) -> None:
    """Columns of people's, and rows of other tables that refer to the rows."""
    swap = swaps("ab", more=", note text DEFAULT 'none', twice text GENERATED ALWAYS AS (label || label) STORED")
    session.execute(f"UPDATE {swap.at.table} SET note = 'of ' || id".encode())
    session.execute(f"CREATE TABLE {swap.at.table}_child (parent bigint REFERENCES {swap.at.table})".encode())
    session.execute(f"INSERT INTO {swap.at.table}_child VALUES (0), (1)".encode())
    swap.change("u", {0: "b", 1: "a"}, 1)
    swap.through(size)
    assert swap.labels() == "ba"
    rows = session.execute(f"SELECT note, twice FROM {swap.at.table} ORDER BY id".encode()).fetchall()
    assert rows == [("of 0", "bb"), ("of 1", "aa")]


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "RESTRICT"])
def test_rows_that_a_delete_would_follow_to_other_tables_do_not_swap(
    session: psycopg.Connection, swaps: Swaps, action: str
) -> None:
    """They are dead in the end, and nothing is lost."""
    swap = swaps("ab")
    child = f"{swap.at.table}_child"
    session.execute(f"CREATE TABLE {child} (parent bigint REFERENCES {swap.at.table} ON DELETE {action})".encode())
    session.execute(f"INSERT INTO {child} VALUES (0), (1)".encode())
    swap.change("u", {0: "b", 1: "a"})
    swap.through()
    assert swap.labels() == "ab"
    assert swap.states() == ["dead", "dead"]
    assert session.execute(f"SELECT parent FROM {child} ORDER BY 1".encode()).fetchall() == [(0,), (1,)]


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("unsaid", [(), (0, 1)], ids=["said", "left out"])
def test_versions_and_marks_of_deleted_rows_are_kept(
    session: psycopg.Connection, swaps: Swaps, schema: str, size: int, unsaid: Sequence[int]
) -> None:
    """As by any other change: here of rows that were marked as deleted, where they come whole."""
    name = f"{schema}.t"
    more = ", v bigint, gone boolean"
    swap = swaps("ab", more=more, versions={name: "v"}, soft_deletes={name: "gone"})
    if not unsaid:
        swap.change("d", {0: "a", 1: "b"})
        swap.at.run()
    swap.change("u", {0: "b", 1: "a"}, *unsaid)
    last = swap.at.lsn
    swap.through(size)
    assert swap.labels() == "ba"
    assert set(swap.states()) <= CLOSED
    rows = session.execute(f"SELECT v, coalesce(gone, false) FROM {name} ORDER BY id".encode()).fetchall()
    assert rows == [(last - 1, False), (last, False)]
