"""The programs, which `make monitoring-tests` installs."""

import shutil
from pathlib import Path


def program(name: str) -> str:
    """Its path."""
    found = shutil.which(name)
    assert found, f"{name} is not there: make monitoring-tests installs it"
    return found


ROOT = Path(__file__).parents[2]
