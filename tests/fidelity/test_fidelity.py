"""The fidelity table: real values from a real source through Debezium, Kafka and Headrace, compared by SQL.

`make fidelity` runs all of it and writes `docs/reference/fidelity.json`, from which the page is made; the tests of
every day take a selection of types and modes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints
from tests.fidelity import jdbc, results
from tests.fidelity.capture import capture
from tests.fidelity.catalogue import named
from tests.fidelity.compare import open_session
from tests.fidelity.ground import cells, database, headrace
from tests.fidelity.modes import EXTENDED_MODES, MODES, Mode
from tests.fidelity.rules import CREATED, EXISTING, LOSSES, NOT_SENT, REFUSALS, not_sent, refusal
from tests.fidelity.source import STAYING
from tests.fidelity.verdict import Cell, Outcome, label_of, sinks
from tests.real.engine.worker import Workers

_SELECTED = {
    "defaults": "int8 float8 bool numeric_12_2 numeric_2_5 numeric_3_m2 numeric money text char_5 bytea uuid enum json "
    "jsonb inet bit_64 varbit date time timetz timestamp_6 timestamptz point vector vector_700 numrange text_a int8_a "
    "numeric_12_2_a timestamptz_a inet_a",
    "typed": "domain_int name json box path halfvec tstzrange int4multirange composite tid text_a float8_a enum_a",
    "full": "numeric vector_700 float8_a",
    "text": "numeric_special date time timestamp interval bytea",
}


EXTENDED_NAMES = {mode.name for mode in EXTENDED_MODES}


def _explained(cell: Cell, target: str) -> bool:
    if cell.outcome is Outcome.REFUSED:
        return refusal(_where(cell, target), cell.kind) is not None
    if cell.outcome is Outcome.NOT_SENT:
        return not_sent(cell.mode, cell.type) is not None
    if cell.outcome is Outcome.LOST:
        return results.loss(cell, target) is not None
    return cell.outcome is Outcome.EQUAL


def _where(cell: Cell, target: str) -> str:
    return f"{cell.mode} {cell.type} {target} {cell.path} {label_of(cell)}"


def _unexplained(found: Iterable[Cell], target: str) -> list[str]:
    return [f"{_where(cell, target)}: {cell.outcome} {cell.kind}" for cell in found if not _explained(cell, target)]


@pytest.fixture(scope="module")
def selected(at: Endpoints) -> tuple[Mode, ...]:
    """Some modes with some types, whose events are in Kafka."""
    modes = tuple(replace(mode, types=named(_SELECTED[mode.name].split())) for mode in MODES if mode.name in _SELECTED)
    capture(at, modes)
    return modes


@pytest.fixture(scope="module")
def more(extended: Endpoints | None) -> tuple[Mode, ...]:
    """The modes of types that the wheel's server does not have, where there is a server with them."""
    if extended is not None:
        capture(extended, EXTENDED_MODES)
    return EXTENDED_MODES


@pytest.mark.parametrize("target", [CREATED, EXISTING])
def test_no_value_is_silently_another(at: Endpoints, selected: tuple[Mode, ...], workers: Workers, target: str) -> None:
    """Each is equal, or refused or lost at the source by a rule that says why; every other type in either target."""
    part = tuple(replace(mode, types=mode.types[target == EXISTING :: 2]) for mode in selected)
    dsn = database(at, part, target)
    headrace(at, dsn, part, workers)

    found = list(cells(at, dsn, part))

    assert len(found) == sum(len(STAYING) * (len(kind.values) + 1) for mode in part for kind in mode.types)
    assert _unexplained(found, target) == []


@pytest.mark.parametrize("target", [CREATED, EXISTING])
def test_nor_is_one_of_an_extension(
    extended: Endpoints | None, more: tuple[Mode, ...], workers: Workers, target: str
) -> None:
    """On a server of the system, if it has one."""
    if extended is None:
        pytest.skip("there is no PostgreSQL of the system with the extensions")
    dsn = database(extended, more, target)
    headrace(extended, dsn, more, workers)

    assert _unexplained(cells(extended, dsn, more), target) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_whole_table(at: Endpoints, extended: Endpoints | None, workers: Workers) -> None:
    """All types, in all modes, beside Debezium's sink; every rule is needed."""
    grounds = [(at, MODES), *([(extended, EXTENDED_MODES)] if extended else [])]
    for here, modes in grounds:
        capture(here, modes)
    tables = [
        results.joined([_table(here, modes, workers, target) for here, modes in grounds])
        for target in (CREATED, EXISTING)
    ]
    results.write(tables, [mode for _, modes in grounds for mode in modes])

    assert [each for table in tables for each in _unexplained(table.ours, table.target)] == []
    assert _unneeded(tables) == []


def _table(at: Endpoints, modes: Sequence[Mode], workers: Workers, target: str) -> "results.Table":
    dsn = database(at, modes, target)
    headrace(at, dsn, modes, workers)
    theirs = database(at, modes, target)
    topics = [mode.topic(kind) for mode in modes for kind in mode.types]
    failed = jdbc.run(at, theirs, topics, create=target == CREATED)
    with open_session(dsn) as session, open_session(theirs) as other:
        beside = [
            cell
            for mode in modes
            for kind in mode.types
            for cell in sinks(at, other, mode, kind, mode.topic(kind) in failed)
        ]
        ours = list(cells(at, dsn, modes))
        return results.Table(target, ours, beside, results.columns(session), results.columns(other))


def _unneeded(tables: list["results.Table"]) -> list[str]:
    """Rules that explain nothing; not of types that no server here has."""
    cells = [(cell, table.target) for table in tables for cell in table.ours]
    used = {refusal(_where(cell, target), cell.kind) for cell, target in cells if cell.outcome is Outcome.REFUSED}
    used |= {not_sent(cell.mode, cell.type) for cell, _ in cells if cell.outcome is Outcome.NOT_SENT}
    used |= {results.loss(cell, target) for cell, target in cells if cell.outcome is Outcome.LOST}
    extended = any(cell.mode in EXTENDED_NAMES for cell, _ in cells)
    rules = [each for each in (*LOSSES, *REFUSALS, *NOT_SENT) if extended or "extensions" not in each.where]
    return [each.where for each in rules if each not in used]
