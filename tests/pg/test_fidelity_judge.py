"""The judge of the fidelity table, on tables that were filled by hand: what it must not let pass."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from tests.fidelity.catalogue import Type
from tests.fidelity.compare import Row, compare, copy, open_session, prepare
from tests.fidelity.modes import Mode
from tests.fidelity.source import Path, change, fill, key, make_tables, table
from tests.fidelity.verdict import Outcome, settled
from tests.real.engine.witness import create_database

NUMBER = Type(name="number", kind="numeric", values=("1.50", "2.0"))
TWIN = Type(name="twin", kind="float8", values=("0", "1.5"))
MODE = Mode(name="judged", settings={}, types=(NUMBER, TWIN))
LESS = "trim_scale(v)"


@dataclass(frozen=True, slots=True)
class Bench:
    """A target that is equal to its source until something is put into it."""

    source: psycopg.Connection
    target: psycopg.Connection

    def beside(self, kind: Type, left: str | None = None) -> None:
        """Copy the source's values beside the target's, with what is left of them."""
        copy(self.source, self.target, MODE, kind, left)

    def put(self, kind: Type, path: Path, value: str, n: int | None = None) -> None:
        """Another value, and a row's number if it is told, in the first value's row of a way."""
        told = sql.SQL("UPDATE {} SET v = {}, n = coalesce({}, n) WHERE id = {}")
        self.target.execute(told.format(table(MODE, kind), value, n, key(0, path)))

    def take(self, kind: Type, path: Path) -> None:
        """Take it away."""
        self.target.execute(sql.SQL("DELETE FROM {} WHERE id = {}").format(table(MODE, kind), key(0, path)))

    def row(self, kind: Type, path: Path) -> Row:
        """It, as it is seen."""
        return next(row for row in compare(self.target, MODE, kind) if (row.number, row.path) == (0, path))


@pytest.fixture
def bench(server: str, schema: str) -> Iterator[Bench]:
    """Two databases of its own."""
    dsns = [create_database(server, f"{schema}_{side}", "template0") for side in ("source", "target")]
    with open_session(dsns[0]) as source, open_session(dsns[1]) as target:
        for side in (source, target):
            prepare(side, [MODE])
            make_tables(side, MODE)
            fill(side, MODE)
            change(side, MODE)
        yield Bench(source, target)


def test_what_is_less_is_so_by_a_rule(bench: Bench) -> None:
    """Of another binary form alone, too."""
    bench.beside(TWIN)
    bench.put(TWIN, Path.STREAMED, "-0")
    assert settled(bench.row(TWIN, Path.STREAMED)) is None
    bench.put(TWIN, Path.STREAMED, "0")
    assert settled(bench.row(TWIN, Path.STREAMED)) is Outcome.EQUAL

    bench.beside(NUMBER, LESS)
    assert settled(bench.row(NUMBER, Path.STREAMED)) is Outcome.EQUAL
    bench.put(NUMBER, Path.STREAMED, "1.5")
    assert settled(bench.row(NUMBER, Path.STREAMED)) is Outcome.LOST
    bench.put(NUMBER, Path.STREAMED, "1.4")
    assert settled(bench.row(NUMBER, Path.STREAMED)) is None


def test_without_a_rule_nothing_is_less(bench: Bench) -> None:
    """Text that is equal is not enough."""
    bench.beside(NUMBER)
    bench.put(NUMBER, Path.STREAMED, "1.5")
    row = bench.row(NUMBER, Path.STREAMED)
    assert not row.lost
    assert settled(row) is None
    # of a value whose text is the same, what was sent may still be another
    bench.target.execute("UPDATE fidelity.\"judged.number\" SET sent = 'ff'")
    assert not bench.row(NUMBER, Path.SNAPSHOT).lost


def test_what_is_left_has_its_binary_form(bench: Bench) -> None:
    """By a rule, too."""
    bench.beside(NUMBER, LESS)
    bench.put(NUMBER, Path.STREAMED, "1.5")
    bench.target.execute("UPDATE fidelity.\"judged.number\" SET rest_sent = 'ff'")
    assert settled(bench.row(NUMBER, Path.STREAMED)) is None


@pytest.mark.parametrize("left", [None, LESS])
@pytest.mark.parametrize("path", [Path.SNAPSHOT, Path.STREAMED, Path.KEPT, Path.CHANGED, Path.MOVED, Path.AGAIN])
def test_refused_is_only_what_is_not_there(bench: Bench, path: Path, left: str | None) -> None:
    """A letter explains no other value in its row, and without one nothing is explained."""
    bench.beside(NUMBER, left)
    bench.put(NUMBER, path, "7")
    assert settled(bench.row(NUMBER, path), "record.value") is None
    bench.put(NUMBER, path, "7", 0)
    assert settled(bench.row(NUMBER, path), "record.value") is None
    bench.take(NUMBER, path)
    assert settled(bench.row(NUMBER, path), "record.value") is Outcome.REFUSED
    assert settled(bench.row(NUMBER, path)) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (Path.KEPT, "1.50"),
        # it had the next value
        (Path.CHANGED, "2.0"),
        pytest.param(Path.CHANGED, "2", id="what is left of it"),
    ],
)
def test_or_what_was_there_before(bench: Bench, path: Path, value: str) -> None:
    """As the last change found it; with that change's number beside it, it is half of a row."""
    bench.beside(NUMBER, LESS)
    bench.put(NUMBER, path, value, 0)
    assert settled(bench.row(NUMBER, path), "record.value") is Outcome.REFUSED
    assert settled(bench.row(NUMBER, path)) is None
    if path is Path.CHANGED:
        bench.put(NUMBER, path, value, 1)
        assert settled(bench.row(NUMBER, path), "record.value") is None


def test_a_row_that_is_gone_may_be_left(bench: Bench) -> None:
    """If its delete is refused, and as it was."""
    bench.beside(NUMBER)
    for value, outcome in (("1.50", Outcome.REFUSED), ("7", None)):
        told = sql.SQL("INSERT INTO {} VALUES ({}, {}, 0)")
        bench.target.execute(told.format(table(MODE, NUMBER), key(0, Path.DELETED), value))
        assert settled(bench.row(NUMBER, Path.DELETED), "record.value") is outcome
        bench.take(NUMBER, Path.DELETED)
