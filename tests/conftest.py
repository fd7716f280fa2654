"""What every run of tests knows."""

from pathlib import Path

import pytest

_REAL = [Path(__file__).parent / part for part in ("docs/live", "faults", "fidelity", "real")]
# seconds; a busy machine may be many times slower than this one
_TIMEOUT = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests below some directories need the embedded stack, and say so; they have more time."""
    for item in items:
        if any(place in item.path.parents for place in _REAL):
            item.add_marker(pytest.mark.real)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT))
