"""Servers for real workers without a JVM, one set a module that needs them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.stack.options import Endpoints
from tests.light.broker import Broker
from tests.light.scene import Scene, servers
from tests.real.engine.worker import Workers


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoints, Broker]]:
    """Target, cluster and registry."""
    with servers(tmp_path_factory.mktemp("light")) as made:
        yield made


@pytest.fixture
def scene(light: tuple[Endpoints, Broker], tmp_path: Path) -> Iterator[Scene]:
    """A database of the test's own, and its workers, which are killed afterwards."""
    workers = Workers(tmp_path)
    yield Scene(*light, workers)
    workers.kill_all()
