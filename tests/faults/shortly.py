"""Cases of fault tests of which some are short."""

from collections.abc import Iterable
from typing import Any

import pytest


def cases(names: Iterable[str], *short: str) -> list[Any]:
    """A test's cases, by name; those that `--short` runs are marked."""
    every = list(names)
    assert set(short) <= set(every), every
    return [pytest.param(name, marks=[pytest.mark.short] if name in short else [], id=name) for name in every]
