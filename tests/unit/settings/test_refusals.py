"""Settings that can't work are refused, all together and without their values."""

from pathlib import Path

import pytest

from consumer.settings.loading import load, variable
from tests.unit.settings.refusal import refused


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("kafka.bootstrap_servers", ""),
        ("kafka.group", ""),
        ("kafka.group", "g" * 201),
        ("kafka.topics", "[]"),
        ("kafka.topics", '["^("]'),
        ("imports.topics.0", '[""]'),
        ("imports.topics", '["^("]'),
        ("kafka.initial", "beginning"),
        ("kafka.initial", "group:"),
        ("registry.url", "registry:8081"),
        ("target.dsn", ""),
        ("target.table", "{schema}.{name}"),
        ("target.constraints", "off"),
        ("target.synchronous_commit", "maybe"),
        ("letters.retry_topic", "{group}.retry"),
        ("letters.retry_topic", "{group} {n}"),
        ("letters.dead_topic", "{group}.{n}"),
        ("letters.dead_topic", "a/b"),
        ("letters.delays", "[]"),
        ("letters.delays", "[5, 5]"),
        ("letters.delays", "[30, 5]"),
        ("letters.delays.0", "[0.05]"),
        ("letters.delays.1", "[5, 86401]"),
        ("letters.delays", str(list(range(1, 18)))),
        ("worker.name", ""),
        ("worker.name", "w" * 41),
        ("log.level", "verbose"),
        ("log.format", "xml"),
    ],
)
def test_a_value_that_cannot_work_is_refused(path: str, bad: str, environment: pytest.MonkeyPatch) -> None:
    """Every closed choice and every text has its rule."""
    environment.setenv(variable(".".join(path.split(".")[:2])), bad)

    assert f"{path}: " in refused()


@pytest.mark.provokes("worker.settings")
def test_without_any_settings_each_variable_that_is_needed_is_named(environment: pytest.MonkeyPatch) -> None:
    """Whoever sets these has what is required."""
    for name in ("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "HEADRACE_KAFKA__GROUP", "HEADRACE_KAFKA__TOPICS"):
        environment.delenv(name, raising=False)
    environment.delenv("HEADRACE_REGISTRY__URL")
    environment.delenv("HEADRACE_TARGET__DSN")
    said = refused(None)

    assert "target.dsn: is required (set it in headrace.toml or as HEADRACE_TARGET__DSN)" in said
    assert "as HEADRACE_REGISTRY__URL)" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("HEADRACE_KAFKA", "kafka:9092"), ("HEADRACE_KAFKA__CLIENT", "{sesame"), ("HEADRACE_KAFKA__TOPICS", "[sesame")],
)
def test_a_variable_that_is_no_json_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    """With what to write instead, and without its value."""
    environment.setenv(name, value)
    said = refused(None)

    assert f"has to be: {name} [" in said
    assert "HEADRACE_KAFKA__BOOTSTRAP_SERVERS" in said
    assert "sesame" not in said
    assert "SettingsSource" not in said


def test_all_mistakes_are_reported_together(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever corrects the settings need not start again for each of them."""
    environment.delenv("HEADRACE_REGISTRY__URL")
    environment.setenv("HEADRACE_BATCH__MAX_ROWS", "0")
    environment.setenv("HEADRACE_LOG__LEVEL", "loud")
    file = tmp_path / "mine.toml"
    file.write_text('[target]\ntabel = "{schema}.{table}"\n[wroker]\nname = "x"\n')
    said = refused(file)

    assert "5 mistakes" in said
    for name in ("batch.max_rows", "log.level", "target.tabel", "wroker"):
        assert f"{name}: " in said
    assert "registry: is required" in said or "registry.url: is required" in said
    assert said.count("typing mistake") == 2


def test_the_key_of_hashes_is_a_secret(environment: pytest.MonkeyPatch) -> None:
    """It is not shown, and a short one is refused without being quoted."""
    environment.setenv("HEADRACE_SECRETS__HASH_KEY", "sesame-sesame-sesame")
    settings = load()
    assert "sesame" not in repr(settings)
    assert settings.secrets.hash_key is not None
    assert settings.secrets.hash_key.get_secret_value() == "sesame-sesame-sesame"

    environment.setenv("HEADRACE_SECRETS__HASH_KEY", "sesame")
    said = refused()
    assert "secrets.hash_key" in said
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("target.connect_timeout", "sesame"),
        ("registry.url", "sesame"),
        ("kafka.client", "sesame"),
        ("kafka.initial", "sesame"),
        ("target.table", "sesame"),
    ],
)
def test_a_refusal_never_shows_the_value(path: str, bad: str, environment: pytest.MonkeyPatch) -> None:
    """A value in the wrong place may be a password."""
    environment.setenv(variable(path), bad)

    assert bad not in refused()


def test_a_refusal_never_shows_other_settings(environment: pytest.MonkeyPatch) -> None:
    """The connection string stays out of messages about something else."""
    environment.setenv("HEADRACE_TARGET__DSN", "postgresql://u:sesame@host/db")
    environment.setenv("HEADRACE_BATCH__MAX_ROWS", "0")

    assert "sesame" not in refused()


def test_everything_that_does_not_hold_together_is_told_together(environment: pytest.MonkeyPatch) -> None:
    """Times, sizes, tables and topics of letters, a line each, and how many there are."""
    for name, value in {
        "WORKER__STALL_TIMEOUT": "10",
        "RETRY__TABLE_FIRST": "100",
        "WORKER__STOP_WITHIN": "20",
        "BATCH__MIN_ROWS": "30000",
        "TABLES": '{"orders": {}}',
    }.items():
        environment.setenv(f"HEADRACE_{name}", value)
    said = refused()

    assert "the settings have 8 mistakes" in said
    for words in ("decode_deadline (20)", "table_most (60)", "worker.stop_within", "batch.min_rows", "tables.'orders'"):
        assert words in said
