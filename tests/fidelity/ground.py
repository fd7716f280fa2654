"""Target databases, and Headrace as a process over the topics of some modes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from consumer.stack.options import Endpoints
from tests.fidelity import source
from tests.fidelity.compare import copy, open_session, prepare
from tests.fidelity.modes import Mode
from tests.fidelity.rules import EXISTING, left_of
from tests.fidelity.verdict import Cell, ours
from tests.real.engine.feed import fresh_name
from tests.real.engine.witness import create_database
from tests.real.engine.worker import Job, Workers

_SECONDS = 600.0
_PARTIAL = 5
# what is tried again is soon known to be refused
_LETTERS = {"flood_percent": 100, "delays": [0.1], "transient_attempts": 2, "dependent_attempts": 2}


def database(at: Endpoints, modes: Sequence[Mode], target: str) -> str:
    """A new target database with copies of the source's tables beside the ones that are to be written.

    `target`: whether these are created beforehand, with the source's own types.
    """
    dsn = create_database(at.target_dsn, fresh_name(f"fidelity_{target}"))
    with open_session(at.source_dsn) as origin, open_session(dsn) as session:
        prepare(session, modes)
        for mode in modes:
            if target == EXISTING:
                source.make_tables(session, mode)
            for kind in mode.types:
                loss = left_of(mode.name, kind.name, target)
                copy(origin, session, mode, kind, loss.left if loss else None)
    return dsn


def headrace(at: Endpoints, dsn: str, modes: Sequence[Mode], workers: Workers) -> None:
    """Headrace itself, until it has read everything."""
    tables = {f"{mode.name}.bytea_values": mode.binary for mode in modes if mode.binary}
    job = Job(
        at=at,
        dsn=dsn,
        group=fresh_name("fidelity"),
        topics=tuple(mode.topic(kind) for mode in modes for kind in mode.types),
        tables={name: {"columns": {"v": {"binary": binary}}} for name, binary in tables.items()},
    )
    run(job, workers)


def run(job: Job, workers: Workers) -> None:
    """A worker until it has read everything, whole columns at a time, however few the records are, and however many
    of them are refused. A stopped table is no failure here.
    """
    settled = replace(job, max_rows=20_000, smallest_block=1, deadline=30.0, level="info", letters=_LETTERS)
    process = workers.run(settled, "--until-current")
    code = process.finish(_SECONDS)
    assert code in (0, _PARTIAL), process.text()[-3000:]


def cells(at: Endpoints, dsn: str, modes: Sequence[Mode]) -> Iterator[Cell]:
    """What became of every value of the modes."""
    with open_session(dsn) as session:
        for mode in modes:
            for kind in mode.types:
                yield from ours(at, session, mode, kind)
