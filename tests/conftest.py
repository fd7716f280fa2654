"""What every run of tests knows."""

from pathlib import Path

import pytest

_REAL = [Path(__file__).parent / part for part in ("docs/live", "faults", "fidelity", "real")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests below some directories need the embedded stack, and say so."""
    for item in items:
        if any(place in item.path.parents for place in _REAL):
            item.add_marker(pytest.mark.real)
