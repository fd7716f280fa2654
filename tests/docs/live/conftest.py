"""One shop for all pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.live.scene import Scene, opened

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of these needs the embedded stack and says so."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """It runs; pages use it one after the other."""
    with opened(tmp_path_factory.mktemp("shop")) as shop:
        yield shop
