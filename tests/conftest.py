"""What every run of tests knows, and the servers that those of them share which break nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.stack.options import Endpoints
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.witness import make_template

_REAL = [Path(__file__).parent / part for part in ("docs/live", "faults", "fidelity", "real")]
# seconds; a busy machine may be many times slower than this one
_TIMEOUT = 900


def pytest_configure() -> None:
    """What commands print doesn't depend on the terminal that the tests are started in."""
    os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests below some directories need the embedded stack, and say so; they have more time."""
    for item in items:
        if any(place in item.path.parents for place in _REAL):
            item.add_marker(pytest.mark.real)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, started once. Tests share it: use names of your own, and break nothing."""
    with Stack.open(tmp_path_factory.mktemp("stack"), progress=Terminal(quiet_steps=True)) as opened:
        yield opened


@pytest.fixture(scope="session")
def at(stack: Stack) -> Endpoints:
    """Where the shared servers answer; the target has the template of all test databases."""
    make_template(stack.endpoints.target_dsn)
    return stack.endpoints
