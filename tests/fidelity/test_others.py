"""Values into columns that are there and have another, wider type: they are what PostgreSQL's cast makes of them.

A selection in the tests of every day; all of them with the whole table, which writes what the page shows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints
from tests.fidelity import others, results
from tests.fidelity.capture import capture
from tests.fidelity.catalogue import named
from tests.fidelity.ground import run
from tests.fidelity.modes import MODES, Mode
from tests.fidelity.others import Found
from tests.fidelity.verdict import Outcome
from tests.real.engine.feed import fresh_name
from tests.real.engine.worker import Job, Workers

# how many of the other types of each are tried every day; each has a database of its own
_SELECTED = 1


def modes(*names: str) -> tuple[Mode, ...]:
    """Modes with the types that go into others, under names of their own."""
    return tuple(
        replace(
            mode,
            name=f"{mode.name}{others.SUFFIX}",
            types=named(others.INTO.keys() & {kind.name for kind in mode.types}),
        )
        for mode in MODES
        if mode.name in names
    )


def found(at: Endpoints, wanted: Sequence[Mode], workers: Workers, most: int | None = None) -> Iterator[Found]:
    """What became of all values, in at most so many other types of each."""
    capture(at, wanted)
    for mode in wanted:
        for columns in others.rounds(mode)[:most]:
            dsn = others.database(at, mode, columns)
            topics = tuple(mode.topic(column.kind) for column in columns)
            run(Job(at=at, dsn=dsn, group=fresh_name("others"), topics=topics), workers)
            yield from others.cells(dsn, mode, columns)


def unexplained(cells: Iterable[Found]) -> list[str]:
    """Those that no rule explains."""
    return [
        f"{each.where[:160]} into {each.into}: {each.cell.outcome} {each.cell.kind}"
        for each in cells
        if each.cell.outcome is not Outcome.EQUAL and each.why is None
    ]


def test_a_value_is_what_its_cast_makes_of_it(at: Endpoints, workers: Workers) -> None:
    """Or it is refused, where the cast refuses it too, or by a rule that says why."""
    assert unexplained(found(at, modes("defaults"), workers, _SELECTED)) == []


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_so_are_all_of_them(at: Endpoints, workers: Workers) -> None:
    """In the modes that send numbers and times in ways of their own, too."""
    cells = list(found(at, modes("defaults", "text", "double"), workers))
    results.write_others(cells)
    assert unexplained(cells) == []
