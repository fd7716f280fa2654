"""The chart's cases, each rendered once."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.chart.cases import CASES
from tests.chart.rendering import Rendered, rendered


@pytest.fixture(scope="session")
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Rendered]:
    """What comes of a case."""
    return cache(lambda name: rendered(CASES[name], tmp_path_factory.mktemp(name)))
