"""What every run of tests knows, and the servers that those of them share which break nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.stack.options import Endpoints

from .servers import ended, shared

_SERVERS = pytest.StashKey[Path]()
_TOLD = "servers"
_REAL = [Path(__file__).parent / part for part in ("docs/live", "faults", "fidelity", "real")]
# seconds; a busy machine may be many times slower than this one
_TIMEOUT = 900


def pytest_configure(config: pytest.Config) -> None:
    """What commands print doesn't depend on the terminal that the tests are started in, nor loopback on a proxy."""
    os.environ.pop("COLUMNS", None)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    first: dict[str, str] | None = getattr(config, "workerinput", None)
    config.stash[_SERVERS] = Path(first[_TOLD] if first else tempfile.mkdtemp(prefix="headrace-tests-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Each process of a run is told where the servers are that all share."""
    node.workerinput[_TOLD] = str(node.config.stash[_SERVERS])


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    """The first process is the last to go: what all shared has ended by then. Logs are kept of runs that failed."""
    yield
    if not hasattr(session.config, "workerinput"):
        place = session.config.stash[_SERVERS]
        assert ended(place), f"the shared servers do not end: {place}"
        if exitstatus == 0 or not (place / "log").exists():
            shutil.rmtree(place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests below some directories need the embedded stack, and say so; they have more time."""
    for item in items:
        if any(place in item.path.parents for place in _REAL):
            item.add_marker(pytest.mark.real)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT))


@pytest.fixture(scope="session")
def at(pytestconfig: pytest.Config) -> Iterator[Endpoints]:
    """Where the whole stack answers that all tests share: use names of your own, and break nothing.

    The target has the template of all test databases.
    """
    with shared(pytestconfig.stash[_SERVERS]) as endpoints:
        yield endpoints
