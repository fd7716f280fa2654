"""Settings are read in an environment that has what is required."""

from pathlib import Path

import pytest

NEEDED = {
    "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
    "HEADRACE_KAFKA__TOPICS": '["shop.public.orders"]',
    "HEADRACE_REGISTRY__URL": "http://registry",
    "HEADRACE_TARGET__DSN": "dbname=target",
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that has what is required, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch
