"""What the engine's tests share: fed topics, a fresh target for each test, workers that never outlive it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.stack.options import KAFKA, REGISTRY, TARGET, Endpoints
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack

from .feed import Feed, fresh_name
from .replica import Replica, replica_of
from .wire import Proxy
from .witness import TEMPLATE, Target, create_database, make_template
from .worker import Workers


@pytest.fixture
def target(at: Endpoints) -> Target:
    """A target database of the test's own, with witnesses."""
    return Target(create_database(at.target_dsn, fresh_name("engine"), TEMPLATE))


@pytest.fixture
def proxy(target: Target) -> Iterator[Proxy]:
    """The way to the target on which sessions can be held."""
    with Proxy(target.dsn) as opened:
        yield opened


@pytest.fixture
def replica(at: Endpoints) -> Iterator[Replica]:
    """A replica of the registry."""
    with replica_of(at.registry_url) as server:
        yield server


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Starts worker processes."""
    started = Workers(tmp_path)
    yield started
    started.kill_all()


@pytest.fixture(scope="session")
def fed(at: Endpoints) -> tuple[Feed, Feed]:
    """Two topics of three partitions, fed once: keys that occur once, and few keys that change often."""
    once = Feed(at, "once", fresh_name("once"))
    once.create(600)
    churn = Feed(at, "churn", fresh_name("churn"))
    churn.churn(600, seed=7)
    return once, churn


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that a module's tests may kill and start again."""
    parts = frozenset({KAFKA, REGISTRY, TARGET})
    with Stack.open(tmp_path_factory.mktemp("breakable"), parts, None, Terminal(quiet_steps=True)) as opened:
        make_template(opened.endpoints.target_dsn)
        yield opened


@pytest.fixture
def fresh_feed(at: Endpoints) -> Callable[..., Feed]:
    """Makes a topic of the test's own."""
    return lambda table, partitions=3: Feed(at, table, fresh_name(table), partitions)
