"""Settings explained: each with its source, bounds and relations, and no secret."""

import json
from pathlib import Path

import pytest

from consumer.settings.explaining import explained
from consumer.settings.loading import load
from consumer.settings.waits import WAITS


def test_every_time_of_waiting_is_explained() -> None:
    """What sounds like one is in the table, and what is in the table is a setting."""
    there = {one.setting for one in explained(load(), None)}
    assert WAITS.keys() <= there
    words = ("timeout", "deadline", "grace")
    assert {path for path in there if path.rpartition(".")[2].endswith(words)} <= WAITS.keys()


def test_settings_are_explained_with_where_they_come_from(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    """The variable before the file before the default; bounds as they are checked; relations with others."""
    file = tmp_path / "mine.toml"
    file.write_text("[registry]\ntimeout = 7\n[kafka]\nrequest_timeout = 21\n")
    environment.setenv("HEADRACE_KAFKA__REQUEST_TIMEOUT", "22")
    found = {one.setting: one for one in explained(load(file), file)}

    sources = [found[path].source for path in ("kafka.request_timeout", "registry.timeout", "connect.timeout")]
    assert sources == ["HEADRACE_KAFKA__REQUEST_TIMEOUT", str(file), "default"]
    one = found["kafka.request_timeout"]
    assert (one.value, one.least, one.most, one.waits_for) == (22.0, 1.0, 300.0, "Kafka")
    assert any("kafka.request_timeout + 1.25 times target.batch_deadline" in words for words in one.relations)


def test_no_secret_is_explained(environment: pytest.MonkeyPatch) -> None:
    """Nor what people put passwords into."""
    secret = "geheim-0123456789"
    environment.setenv("HEADRACE_SECRETS__HASH_KEY", secret)
    environment.setenv("HEADRACE_CONNECT__PASSWORD", secret)
    environment.setenv("HEADRACE_TARGET__DSN", f"host=h password={secret}")
    environment.setenv("HEADRACE_REGISTRY__URL", f"http://me:{secret}@h/")
    environment.setenv("HEADRACE_TRACE__ENDPOINT", f"http://me:{secret}@h/v1/traces")
    environment.setenv("HEADRACE_KAFKA__CLIENT", json.dumps({"sasl.password": secret}))

    assert secret not in str(explained(load(), None))
