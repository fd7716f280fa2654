"""What is said of settings that are refused."""

from pathlib import Path

import pytest

from consumer.core.failure import Refused
from consumer.settings.loading import load


def refused(file: Path | None = None) -> str:
    """What the refusal says."""
    with pytest.raises(Refused) as caught:
        load(file)
    assert caught.value.failure.kind == "worker.settings"
    return str(caught.value)
