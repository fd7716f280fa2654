"""The programs, where `make monitoring-tests` put them."""

import os
import shutil
from pathlib import Path


def program(name: str) -> str:
    """Its path."""
    found = shutil.which(name, path=os.environ.get("MONITORING_PROGRAMS", os.environ["PATH"]))
    assert found, f"{name} is not there: make monitoring-tests brings it"
    return found


ROOT = Path(__file__).parents[2]
