"""One shop for all pages."""

from collections.abc import Iterator

import pytest

from tests.docs.live.scene import Scene, opened


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """It runs; pages use it one after the other."""
    with opened(tmp_path_factory.mktemp("shop")) as shop:
        yield shop
