"""Servers for the fidelity table, and the choice between a selection of it and the whole."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.stack.options import ALL_PARTS, KAFKA, REGISTRY, TARGET, Endpoints, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.witness import create_database
from tests.real.engine.worker import Workers
from tests.system_server import PROGRAMS, running

from .source import lacking

_HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this directory."""
    parser.getgroup("fidelity").addoption(
        "--whole",
        action="store_true",
        help="all types, modes and Debezium's sink; writes the results that the page shows",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The whole table only where it is asked for, and the selection only where it is not."""
    whole = bool(config.getoption("--whole", False))
    left = [item for item in items if _HERE in item.path.parents and bool(item.get_closest_marker("long")) != whole]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Where the servers answer: those of all tests; for the whole table Connect has Debezium's sink too."""
    if not request.config.getoption("--whole", False):
        yield request.getfixturevalue("at")
        return
    options = StackOptions(with_jdbc_sink=True, connect_heap_mb=1536)
    place = tmp_path_factory.mktemp("fidelity")
    with Stack.open(place, ALL_PARTS, options, Terminal(quiet_steps=True)) as opened:
        yield opened.endpoints


@pytest.fixture(scope="session")
def extended(at: Endpoints) -> Iterator[Endpoints | None]:
    """The same with a source and a target of the system's own server; None without one that has all extensions."""
    if not PROGRAMS:
        yield None
        return
    replicating = ("wal_level=logical", "max_replication_slots=16", "max_wal_senders=16")
    with (
        tempfile.TemporaryDirectory(prefix="headrace-", dir="/var/tmp") as place,
        running(Path(place), replicating) as dsn,
    ):
        if lacking(dsn):
            yield None
            return
        source, target = (create_database(dsn, name, "template0") for name in ("source", "target"))
        yield replace(at, source_dsn=source, target_dsn=target)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Where the servers behind a source answer."""
    place = tmp_path_factory.mktemp("behind")
    with Stack.open(place, {KAFKA, REGISTRY, TARGET}, None, Terminal(quiet_steps=True)) as opened:
        yield opened.endpoints


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Starts worker processes."""
    started = Workers(tmp_path)
    yield started
    started.kill_all()
