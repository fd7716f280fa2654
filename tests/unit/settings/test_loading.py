"""Where settings come from: the environment, and a file."""

import json
from pathlib import Path

import pytest

from consumer.settings.loading import DEFAULT_FILE, load
from tests.unit.settings.refusal import refused


def test_the_environment_overrides_the_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One value of a section may be overridden, its neighbours in the file stay."""
    file = tmp_path / "mine.toml"
    file.write_text('[batch]\nmax_rows = 5\nmax_bytes = 70000\n[tables."public.orders"]\ncreate = false\n')
    environment.setenv("HEADRACE_BATCH__MAX_ROWS", "7")
    settings = load(file)

    assert (settings.batch.max_rows, settings.batch.max_bytes) == (7, 70_000)
    assert settings.tables["public.orders"].create is False


def test_the_default_file_is_read_when_it_is_there(tmp_path: Path) -> None:
    """`headrace.toml` in the working directory needs no option."""
    assert load().kafka.group == "headrace"
    (tmp_path / DEFAULT_FILE).write_text('[kafka]\ngroup = "mine"\n')

    assert load().kafka.group == "mine"


def test_values_that_are_not_plain_are_json(environment: pytest.MonkeyPatch) -> None:
    """Lists and maps come from the environment as JSON."""
    environment.setenv("HEADRACE_KAFKA__CLIENT", json.dumps({"client.rack": "a"}))

    assert load().kafka.client == {"client.rack": "a"}
    assert load().kafka.topics == ["shop.public.orders"]


def test_a_missing_file_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    """A file that was named has to be there and to be TOML."""
    assert "does not exist" in refused(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[kafka\n")
    assert "not TOML" in refused(broken)
    assert "is a directory" in refused(tmp_path)
