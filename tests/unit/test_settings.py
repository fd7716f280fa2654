"""Settings: bounds, mistakes, overrides, secrets."""

import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from consumer.composition.binding_settings import binder_settings
from consumer.composition.edge_settings import kafka_settings, letter_policy, letter_topics
from consumer.composition.process import worker_name
from consumer.core.checks import Rules
from consumer.core.failure import Refused
from consumer.core.failure_kind import ErrorType
from consumer.core.policy import Budget
from consumer.core.target import TableName
from consumer.core.types import ColumnPolicy
from consumer.edges.kafka.config import is_dead_letters, selects
from consumer.edges.postgres.session import application_name
from consumer.settings.explaining import explained
from consumer.settings.kafka import Kafka
from consumer.settings.loading import DEFAULT_FILE, Settings, load, variable
from consumer.settings.waits import RELATIONS, WAITS, Relation, value_of
from consumer.settings.worker import Worker, lent_name

NEEDED = {
    "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
    "HEADRACE_KAFKA__TOPICS": '["shop.public.orders"]',
    "HEADRACE_REGISTRY__URL": "http://registry",
    "HEADRACE_TARGET__DSN": "dbname=target",
}
# of what can be waited for
_MONTH = 30 * 86_400
BOUNDS: dict[str, tuple[float, float]] = {
    "kafka.request_timeout": (1, 300),
    "admin.port": (1, 65_535),
    "admin.session_hours": (0.1, 168),
    "admin.sessions": (1, 64),
    "admin.look_every": (0.5, 300),
    "admin.query_timeout": (1, 600),
    "admin.exports": (1, 16),
    "admin.export_seconds": (10, 86_400),
    "admin.export_letters": (1, 100_000_000),
    "kafka.metadata_refresh": (1, 3600),
    "kafka.prefetch_kbytes": (1024, 1_048_576),
    "registry.timeout": (0.5, 120),
    "target.connect_timeout": (1, 300),
    "target.batch_deadline": (1, 1800),
    "target.pool_size": (1, 32),
    "target.keep_moved_hours": (0.01, 8760),
    "target.max_moved_rows": (1, 1_000_000_000),
    "target.max_moved_bytes": (1 << 20, 1 << 40),
    "target.pool_idle": (1, 86_400),
    "target.pool_lifetime": (10, 86_400),
    "breaker.failures": (1, 100),
    "breaker.reset": (0.1, 300),
    "retry.environment_first": (0.01, 60),
    "retry.environment_most": (0.1, 600),
    "retry.table_first": (0.1, 3600),
    "retry.table_most": (0.1, 86_400),
    "retry.table_unknown_attempts": (0, 100_000),
    "registry.unknown_grace": (0, 3600),
    "evolution.lock_timeout": (0.1, 60),
    "evolution.keep_hours": (1, 876_000),
    "batch.max_rows": (1, 65_536),
    "batch.min_rows": (1, 65_536),
    "batch.target_seconds": (0.05, 900),
    "batch.growth": (1, 20),
    "batch.max_bytes": (1 << 16, 256 << 20),
    "batch.queue_bytes": (1 << 16, 1 << 30),
    "batch.queue_batches": (1, 16),
    "batch.smallest_block": (1, 1000),
    "priorities.latency_goal": (0.05, 60),
    "priorities.turn_every": (0.5, 300),
    "priorities.calm": (0.1, 300),
    "letters.partitions": (1, 64),
    "letters.retention_hours": (1, 8760),
    "letters.inline_bytes": (0, 64 << 20),
    "letters.expiry_warning_hours": (0, 8760),
    "letters.max_unpublished": (1, 1_000_000),
    "letters.max_held": (1, 10_000),
    "letters.max_replays": (1, 1000),
    "letters.keep_closed_hours": (1, 87_600),
    "letters.flood_percent": (0, 100),
    "letters.transient_attempts": (0, 1000),
    "letters.transient_hours": (0, 8760),
    "letters.unknown_attempts": (0, 1000),
    "letters.unknown_hours": (0, 8760),
    "worker.drain_timeout": (1, 600),
    "worker.stall_timeout": (5, 3600),
    "worker.decode_deadline": (1, 600),
    "worker.stop_within": (2, 3600),
    "trace.timeout": (0.5, 60),
    "healing.connect_restarts": (0, 100),
    "healing.worker_deaths": (0, 100),
    "healing.worker_window": (1, 86_400),
    "healing.keep_hours": (1, 8760),
    "connect.timeout": (0.5, 120),
    "control.report_every": (0.2, 60),
    "control.keep_hours": (0.01, 8760),
    "ledger.keep_hours": (1, 8760),
    "log.burst": (1, 100_000),
    "telemetry.port": (0, 65_535),
    "telemetry.turn_within": (1, 3600),
    "telemetry.look_every": (1, 3600),
    "telemetry.max_topics": (1, 10_000),
    "telemetry.max_partitions": (1, 100_000),
    "reconcile.every_hours": (0.1, 8760),
    "reconcile.range_rows": (100, 1_000_000),
    "reconcile.rate": (1, 100_000_000),
    "reconcile.statement_timeout": (0.1, 600),
    "reconcile.settle": (0.1, 600),
    "reconcile.patience": (1, 86_400),
    "reconcile.snapshot_patience": (1, 86_400),
    "reconcile.rounds": (1, 100),
    "reconcile.max_keys": (1, 1_000_000),
    "reconcile.keep_hours": (1, 876_000),
    "trace.ratio": (0, 1),
    "trace.links": (0, 32),
    "alerts.lag_seconds": (1, _MONTH),
    "alerts.lag_for": (0, _MONTH),
    "alerts.stalled_for": (0, _MONTH),
    "alerts.stopped_for": (0, _MONTH),
    "alerts.paused_for": (0, _MONTH),
    "alerts.stale_seconds": (1, _MONTH),
    "alerts.stale_for": (0, _MONTH),
    "alerts.unseen_seconds": (1, _MONTH),
    "alerts.unseen_for": (0, _MONTH),
    "alerts.silence_seconds": (1, _MONTH),
    "alerts.silence_for": (0, _MONTH),
    "alerts.connector_for": (0, _MONTH),
    "alerts.workers": (1, 1_000_000_000),
    "alerts.workers_for": (0, _MONTH),
    "alerts.unread_for": (0, _MONTH),
    "alerts.loop_seconds": (1, _MONTH),
    "alerts.loop_for": (0, _MONTH),
    "alerts.memory_bytes": (1_000_000, 10**15),
    "alerts.memory_for": (0, _MONTH),
    "alerts.window": (1, _MONTH),
    "alerts.restarts": (1, 1_000_000_000),
    "alerts.fence_losses": (0, 1_000_000_000),
    "alerts.rebalances": (1, 1_000_000_000),
    "alerts.dead_seconds": (1, _MONTH),
    "alerts.dead_for": (0, _MONTH),
    "alerts.letters": (1, 1_000_000_000),
    "alerts.letters_for": (0, _MONTH),
    "alerts.overdue_for": (0, _MONTH),
    "alerts.unpublished_for": (0, _MONTH),
    "alerts.new_kind_seconds": (1, _MONTH),
    "alerts.new_kind_shown": (1, _MONTH),
    "alerts.away_for": (0, _MONTH),
    "alerts.short_window": (1, _MONTH),
    "alerts.pool_waits": (0.01, 10_000),
    "alerts.pool_for": (0, _MONTH),
    "alerts.control_bytes": (1_000_000, 10**15),
    "alerts.control_for": (0, _MONTH),
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that has what is required, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def value_of_section(section: str) -> dict[str, Any]:
    """A section of sound settings."""
    return dict(getattr(load(), section).model_dump())


def refused(file: Path | None = None) -> str:
    """What the refusal says."""
    with pytest.raises(Refused) as caught:
        load(file)
    assert caught.value.failure.kind == "worker.settings"
    return str(caught.value)


def numbers() -> set[str]:
    """Every setting that is a number."""
    found = set()
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= {
                f"{section}.{name}"
                for name, f in kind.model_fields.items()
                if f.annotation in (int, float, float | None)
            }
    return found


def test_every_number_has_a_bound_in_the_table() -> None:
    """A number without bounds could be set to what can't work, so a new one has to be added here."""
    assert numbers() == BOUNDS.keys()


@pytest.mark.parametrize("path", sorted(BOUNDS))
def test_both_ends_of_a_bound_are_allowed(path: str) -> None:
    """The least and the most value are taken as they are."""
    section, name = path.split(".")
    kind: Any = Settings.model_fields[section].annotation
    needed = value_of_section(section)
    for bound in BOUNDS[path]:
        assert getattr(kind.model_validate({**needed, name: bound}), name) == bound


@pytest.mark.parametrize("path", sorted(BOUNDS))
@pytest.mark.parametrize("end", [0, 1])
def test_beyond_a_bound_is_refused_with_the_range(path: str, end: int, environment: pytest.MonkeyPatch) -> None:
    """The refusal names the setting, the bound and the variable."""
    bound = BOUNDS[path][end]
    environment.setenv(variable(path), str(bound - 0.25 if end == 0 and 0 < bound < 1 else bound + (1, -1)[end == 0]))
    said = refused()

    assert f"{path}: " in said
    assert f"{bound:g}" in said or str(bound) in said
    assert variable(path) in said


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


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("db3", "db3"),
        ("db3.example.org", "db3.example.org"),
        (f"db3.{'long.' * 10}example.org", "db3"),
        (f"release-{'x' * 40}-7d9f8b6c5-x2x4z", f"{'x' * 24}-7d9f8b6c5-x2x4z"),
        ("dönis büro", "d-nis-b-ro"),
        ("", "worker"),
    ],
)
def test_a_host_lends_its_name_within_the_rule_of_names(host: str, name: str) -> None:
    """It is no value that somebody has set, so nobody is told of it; pods differ at the end."""
    assert lent_name(host) == name
    assert Worker(name=lent_name(host)).name == name


def test_a_process_name_is_whole_in_what_its_sessions_are_called(environment: pytest.MonkeyPatch) -> None:
    """PostgreSQL cuts it; two that are alike up to there would be taken for one."""
    settings = load()
    for base in ("w", "w" * 40, "w" * 80):
        named = settings.model_copy(update={"worker": settings.worker.model_copy(update={"name": base})})
        one, other = worker_name(named), worker_name(named)
        assert one != other
        assert application_name(one) == f"headrace {one}"
        assert f"-{os.getpid()}-" in one


@pytest.mark.provokes("worker.settings")
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


def test_a_loop_may_take_as_long_as_its_waits(environment: pytest.MonkeyPatch) -> None:
    """A stall timeout within what one turn may take would end healthy workers."""
    environment.setenv("HEADRACE_WORKER__STALL_TIMEOUT", "30")

    assert "worker.stall_timeout" in refused()


@pytest.mark.parametrize(
    ("name", "most"), [("KAFKA__REQUEST_TIMEOUT", 79), ("TARGET__BATCH_DEADLINE", 79), ("TARGET__CONNECT_TIMEOUT", 59)]
)
def test_copies_of_letters_may_wait_for_target_and_cluster(
    name: str, most: int, environment: pytest.MonkeyPatch
) -> None:
    """One after the other, in one turn of their loop."""
    environment.setenv(f"HEADRACE_{name}", str(most))
    load()
    environment.setenv(f"HEADRACE_{name}", str(most + 1))

    assert "worker.stall_timeout must be more than kafka.request_timeout" in refused()


def test_a_turn_of_a_comparison_may_take_several_statements(environment: pytest.MonkeyPatch) -> None:
    """Where there is a source to compare with."""
    environment.setenv("HEADRACE_RECONCILE__STATEMENT_TIMEOUT", "24")
    load()
    environment.setenv("HEADRACE_SOURCE__DSN", "host=canary")
    assert "five times reconcile.statement_timeout" in refused()


@pytest.mark.parametrize("scope", ["environment", "table"])
def test_waits_rise(scope: str, environment: pytest.MonkeyPatch) -> None:
    """The first wait is not the longest."""
    environment.setenv(f"HEADRACE_RETRY__{scope.upper()}_FIRST", "50")
    environment.setenv(f"HEADRACE_RETRY__{scope.upper()}_MOST", "40")

    assert f"retry.{scope}_first" in refused()


def test_a_wait_is_no_stall(environment: pytest.MonkeyPatch) -> None:
    """A worker that waits for its target as long as it may is not ended for it."""
    environment.setenv("HEADRACE_RETRY__ENVIRONMENT_MOST", "120")

    assert "retry.environment_most" in refused()


def test_a_hang_is_marked_before_the_process_is_ended(environment: pytest.MonkeyPatch) -> None:
    """A decode deadline beyond the stall timeout would never be reached."""
    environment.setenv("HEADRACE_WORKER__DECODE_DEADLINE", "300")

    assert "worker.decode_deadline" in refused()


def test_a_copy_is_kept_until_it_is_due(environment: pytest.MonkeyPatch) -> None:
    """A retention below the longest delay, with its spread, would remove copies that are still to be read."""
    environment.setenv("HEADRACE_LETTERS__DELAYS", "[5, 3500]")
    environment.setenv("HEADRACE_LETTERS__RETENTION_HOURS", "1")

    assert "retention_hours must be more than" in refused()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADRACE_KAFKA__GROUP", "se/same"),
        ("HEADRACE_LETTERS__DEAD_TOPIC", "{group}.retry.3"),
        ("HEADRACE_LETTERS__DEAD_TOPIC", "sesame" * 42),
    ],
)
def test_topics_of_letters_are_legal_and_differ(name: str, value: str, environment: pytest.MonkeyPatch) -> None:
    """With the group's name in them; the message names the patterns and no value."""
    environment.setenv(name, value)
    said = refused()

    assert "letters.dead_topic: " in said
    assert "same" not in said


@pytest.mark.parametrize("topic", ["headrace.dlq", "headrace.retry.4"])
def test_a_groups_letters_are_no_source(topic: str, environment: pytest.MonkeyPatch) -> None:
    """Named as a topic to apply, they would be applied as changes."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", json.dumps(["a", topic]))

    assert "own letters" in refused()


def test_the_topics_of_letters_follow_the_settings(environment: pytest.MonkeyPatch) -> None:
    """One a delay and one for the dead; reading by a pattern leaves all of them out."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", '["^shop"]')
    environment.setenv("HEADRACE_LETTERS__RETRY_TOPIC", "shop.again-{n}.{group}")
    environment.setenv("HEADRACE_LETTERS__DELAYS", "[1, 2.5]")
    settings = load()
    kafka = kafka_settings(settings)
    topics = letter_topics(settings)

    assert [topic.name for topic in topics] == ["shop.again-1.headrace", "shop.again-2.headrace", "headrace.dlq"]
    assert {(topic.partitions, topic.retention) for topic in topics} == {(1, 168 * 3600)}
    assert not any(selects(kafka, topic.name) for topic in topics)
    assert selects(kafka, "shop.again-1.other")


@pytest.mark.parametrize(
    ("source", "topics", "taken"),
    [
        pytest.param({}, '["^shop"]', {"shop-signal", "shop.signals"}, id="none is known"),
        pytest.param({"TOPIC_PREFIX": "shop"}, '["^shop"]', {"shop.signals"}, id="by the connector's prefix"),
        pytest.param(
            {"TOPIC_PREFIX": "shop", "SIGNAL_TOPIC": "shop.signals"}, '["^shop"]', {"shop-signal"}, id="by its name"
        ),
        pytest.param({"TOPIC_PREFIX": "shop"}, '["shop-signal"]', {"shop-signal"}, id="wanted by name"),
    ],
)
def test_what_connectors_are_told_is_no_source(
    environment: pytest.MonkeyPatch, source: dict[str, str], topics: str, taken: set[str]
) -> None:
    """Signals are JSON without a schema; an expression does not take their topic."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", topics)
    for name, value in source.items():
        environment.setenv(f"HEADRACE_SOURCE__{name}", value)
    kafka = kafka_settings(load())

    assert {topic for topic in ("shop-signal", "shop.signals") if selects(kafka, topic)} == taken
    assert selects(kafka, "shopXsignals") == topics.startswith('["^')


def test_dead_letter_topics_of_others_are_no_sources(environment: pytest.MonkeyPatch) -> None:
    """Whatever expression matches them; others are read."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", '["^shop"]')
    environment.setenv("HEADRACE_IMPORTS__TOPICS", '["shop.sink-dlq", "^.*-dlt$"]')
    kafka = kafka_settings(load())
    assert [selects(kafka, topic) for topic in ("shop.sink-dlq", "shop.a-dlt", "shop.sink-dlq2", "shopXsink-dlq")] == [
        False, False, True, True,
    ]  # fmt: skip
    topics = ("shop.sink-dlq", "shop.orders", "headrace.dlq", "other-dlt", "other-dlq", "__consumer_offsets")
    for wanted, found in {
        ("shop.sink-dlq", "^.*-dlt$"): {"shop.sink-dlq", "other-dlt"},
        ("^.*",): {"shop.sink-dlq", "other-dlt", "other-dlq"},
        ("other-dlq",): {"other-dlq"},
    }.items():
        assert {topic for topic in topics if is_dead_letters(kafka, wanted, topic)} == found


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ('["headrace.dlq"]', "imports.topics names a topic of the group's own letters"),
        ('["headrace.retry.3"]', "imports.topics names a topic of the group's own letters"),
        ('["shop.public.orders"]', "imports.topics names one of kafka.topics"),
        ('["^shop"]', "imports.topics names one of kafka.topics"),
    ],
)
def test_sources_and_own_letters_are_not_imported(environment: pytest.MonkeyPatch, topics: str, said: str) -> None:
    """One topic is one thing."""
    environment.setenv("HEADRACE_IMPORTS__TOPICS", topics)
    assert said in refused()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch.max_rows": "10", "batch.min_rows": "11"}, "batch.min_rows must be from 1 to batch.max_rows (10)"),
        (
            {"batch.max_rows": "1000", "batch.growth": "3", "target.max_moved_rows": "2999"},
            "target.max_moved_rows must be at least batch.max_rows * batch.growth (3000)",
        ),
        (
            {"target.batch_deadline": "3", "batch.target_seconds": "1.6"},
            "batch.target_seconds must be more than 0 and at most half of target.batch_deadline (1.5)",
        ),
    ],
)
def test_sizes_that_exclude_one_another_are_refused(
    changed: dict[str, str], said: str, environment: pytest.MonkeyPatch
) -> None:
    """The refusal names both settings."""
    for path, value in changed.items():
        environment.setenv(variable(path), value)
    assert said in refused()


def test_a_batch_should_take_a_third_of_its_deadline(environment: pytest.MonkeyPatch) -> None:
    """So a short deadline needs no other setting."""
    environment.setenv("HEADRACE_TARGET__BATCH_DEADLINE", "3")
    assert load().sizer.target_seconds == 1.0


def test_budgets_and_delays_of_retries_follow_the_settings(environment: pytest.MonkeyPatch) -> None:
    """Hours become seconds; what is persistent has no budget."""
    environment.setenv("HEADRACE_LETTERS__UNKNOWN_ATTEMPTS", "1")
    policy = letter_policy(load())

    assert policy.tiers == (5, 30, 120, 600)
    assert policy.budgets == {
        ErrorType.TRANSIENT: Budget(attempts=8, waited=86_400),
        ErrorType.UNKNOWN: Budget(attempts=1, waited=3600),
    }


def test_a_table_has_a_policy_for_its_letters(tmp_path: Path) -> None:
    """Copies by default, and only partial images wait."""
    file = tmp_path / "mine.toml"
    file.write_text('[tables."public.orders"]\nletters = "pointer"\nstrict = true\n[tables."public.lines"]\n')
    tables = load(file).tables

    assert (tables["public.orders"].letters, tables["public.orders"].strict) == ("pointer", True)
    assert (tables["public.lines"].letters, tables["public.lines"].strict) == ("copy", False)


def test_a_column_has_checks(tmp_path: Path) -> None:
    """By table and column; numbers are exact, and days and times are those of TOML."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[tables."public.orders".checks]\n'
        "amount = {min = 0.1, max = 1e6, not_null = true}\n"
        'code = {pattern = "^[A-Z]+$", length = 3}\n'
        'state = {in = ["a", "b"]}\nn = {in = [1, 2]}\nflag = {in = [true]}\n'
        'mail = {format = "email"}\nborn = {min = 1900-01-01, past = true}\nat = {max = 2030-01-01T00:00:00Z}\n'
    )
    checks = binder_settings(load(file)).checks["public.orders"]

    assert checks == {
        "amount": Rules(min=Decimal("0.1"), max=Decimal(1_000_000), not_null=True),
        "code": Rules(pattern="^[A-Z]+$", length=3),
        "state": Rules(allowed=("a", "b")),
        "n": Rules(allowed=(1, 2)),
        "flag": Rules(allowed=(True,)),
        "mail": Rules(format="email"),
        "born": Rules(min=date(1900, 1, 1), past=True),
        "at": Rules(max=datetime(2030, 1, 1, tzinfo=UTC)),
    }


@pytest.mark.parametrize(
    ("check", "says"),
    [
        pytest.param("{}", "at least one rule", id="nothing"),
        pytest.param("{not_null = false}", "at least one rule", id="nothing said"),
        pytest.param('{pattern = "("}', "not a regular expression", id="a broken pattern"),
        pytest.param('{pattern = "(?=a)"}', "without look-around", id="look-around"),
        pytest.param("{in = []}", "at least 1 item", id="no values"),
        pytest.param("{min = 2, max = 1}", "min is not more than max", id="an empty range"),
        pytest.param("{min = 2, max = 2020-01-01}", "of one kind", id="a number and a day"),
        pytest.param("{length = 1, max_length = 2}", "length is exact", id="two lengths"),
        pytest.param("{min_length = 2, max_length = 1}", "must not be more", id="no length"),
        pytest.param("{length = -1}", "greater than or equal to 0", id="less than nothing"),
        pytest.param('{format = "mail"}', "'email'", id="an unknown format"),
        pytest.param("{maximum = 1}", "not a setting", id="an unknown rule"),
        pytest.param('{min = "sesame"}', "tables.public.orders.checks.x", id="no number"),
    ],
)
def test_a_check_that_can_not_be_meant_is_refused_at_the_start(tmp_path: Path, check: str, says: str) -> None:
    """With its table and column, and without what was written there."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."public.orders".checks]\nx = {check}\n')
    said = refused(file)

    assert "tables.public.orders.checks.x" in said
    assert says in said
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("column", "says"),
    [
        pytest.param(
            "hash = true", "secrets.hash_key is required by hash of public.orders.x", id="a hash without a key"
        ),
        pytest.param('mask = "x"\nerase = true', "only one of mask, erase and hash", id="two in one place"),
        pytest.param(f'rename = "{"é" * 32}"', "longer than PostgreSQL's 63 bytes", id="a long name"),
        pytest.param('rename = ""', "at least 1 character", id="no name"),
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused_at_the_start(tmp_path: Path, column: str, says: str) -> None:
    """With its table and column."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."public.orders".columns.x]\n{column}\n')

    assert says in refused(file)


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


def test_a_topic_has_a_contract(tmp_path: Path) -> None:
    """Which is read when a worker is built; without one there is nothing to be compatible with."""
    file, contract = tmp_path / "mine.toml", tmp_path / "row.avsc"
    contract.write_text('{"type": "record", "name": "Value", "fields": [{"name": "id", "type": "long"}]}')
    here = '[topics."shop.public.orders"]\n'
    file.write_text(f"{here}contract = {str(contract)!r}\n")
    bound = binder_settings(load(file)).contracts

    assert (bound["shop.public.orders"].name, bound["shop.public.orders"].compatibility) == (str(contract), "forward")
    for said in ('compatibility = "full"', 'table = "a.b"\ncompatibility = "full"', ""):
        file.write_text(f"{here}{said}\n")
        assert "a topic has a table, a contract or schema_ids" in refused(file)


def test_a_topic_has_a_table_of_its_own(tmp_path: Path) -> None:
    """A plain name, or a template; the others have that of all."""
    file = tmp_path / "mine.toml"
    file.write_text('[topics."shop.public.orders"]\ntable = "archive.orders_2024"\n')
    settings = binder_settings(load(file))
    assert settings.named("shop.public.orders") == "archive.orders_2024"
    assert settings.named("shop.public.lines") == "{schema}.{table}"
    assert settings.contracts == {}
    for wrong in ("orders", "a.{nothing}", "a.b.c", "a.{table!r}"):
        file.write_text(f'[topics."shop.public.orders"]\ntable = "{wrong}"\n')
        assert "topics.shop.public.orders.table" in refused(file)


def test_a_column_has_a_policy_of_its_own(tmp_path: Path) -> None:
    """It is bound by the table's name and the column's; others have none."""
    file = tmp_path / "mine.toml"
    here = '[tables."public.orders".columns."a b"]\n'
    file.write_text(here + 'zero_bytes = "strip"\nbinary = "base64-url-safe"\ntype = "shop.mood[]"\n')
    settings = binder_settings(load(file))
    orders, lines = TableName("public", "orders"), TableName("public", "lines")

    wanted = ColumnPolicy(zero_bytes="strip", binary="base64-url-safe", type="shop.mood[]")
    assert settings.policy(orders, "a b") == wanted
    assert settings.policy(orders, "b") == settings.policy(lines, "a b") == ColumnPolicy()
    for wrong in ('zero_bytes = "no"', 'binary = "bytes"', 'type = "text; DROP TABLE x"', 'type = ""', "other = 1"):
        file.write_text(here + wrong + "\n")
        with pytest.raises(Refused, match=rf"tables\.public\.orders\.columns\.a b\.{wrong.split()[0]}"):
            load(file)


def test_a_version_column_has_a_name_that_postgresql_takes(tmp_path: Path) -> None:
    """None by default."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."public.orders"]\nversion_column = "{"é" * 31}"\n[tables."public.lines"]\n')
    tables = load(file).tables
    assert (tables["public.orders"].version_column, tables["public.lines"].version_column) == ("é" * 31, None)

    for name in ("", "é" * 32):
        file.write_text(f'[tables."public.orders"]\nversion_column = "{name}"\n')
        with pytest.raises(Refused, match=r"tables\.public\.orders\.version_column"):
            load(file)


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


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", ["orders", "public.", ".orders", r"public.orders\u0000"])
def test_a_policy_of_a_table_without_its_schema_is_refused(name: str, tmp_path: Path) -> None:
    """Nobody would find it, and what it forbids would pass."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[tables."{name}"]\nexclude = ["note"]\n')
    said = refused(file)
    assert "a table is named with its schema" in said
    assert "1 mistake:" in said


def test_an_empty_name_is_no_topic(environment: pytest.MonkeyPatch) -> None:
    """The client would refuse it when it is too late."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", '[""]')
    assert "an empty name is no topic" in refused()


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


@pytest.mark.parametrize("name", ["auto.offset.reset", "enable.auto.commit", "isolation.level", "group.id"])
def test_what_the_guarantees_rest_on_is_not_for_kafka_client(name: str) -> None:
    """A site's usual client block can't quietly turn skipping records on."""
    with pytest.raises(ValidationError, match="can't be set here"):
        Kafka(bootstrap_servers="b:9092", topics=["t"], client={name: "earliest"})


def test_what_is_passed_to_the_client_may_be_a_number(tmp_path: Path) -> None:
    """Or yes or no; the client takes it as text."""
    path = tmp_path / "headrace.toml"
    lines = ['"session.timeout.ms" = 6000', '"enable.ssl.certificate.verification" = false', '"sticky" = 0.5']
    path.write_text("[kafka.client]\n" + "\n".join(lines) + "\n")
    told = {"session.timeout.ms": "6000", "enable.ssl.certificate.verification": "false", "sticky": "0.5"}
    assert load(path).kafka.client == told
    assert kafka_settings(load(path)).client == told


@pytest.mark.parametrize("section", ['[tables."public.t"]\nstrict = "maybe"', '[topics."t"]\nschema_ids = "nowhere"'])
def test_a_mistake_in_a_section_by_name_names_no_variable_that_there_is_not(tmp_path: Path, section: str) -> None:
    """Such sections are in the file alone."""
    path = tmp_path / "headrace.toml"
    path.write_text(section)
    with pytest.raises(Refused) as refused:
        load(path)
    assert "(set it in headrace.toml)" in refused.value.failure.detail
    assert "HEADRACE_" not in refused.value.failure.detail


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


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: " ".join(relation.settings))
def test_a_relation_speaks_of_its_settings_and_holds_by_default(relation: Relation) -> None:
    """What is said where it does not hold names each of them."""
    settings = load()
    assert relation.holds(settings)
    for path in relation.settings:
        assert path in relation.words
        value_of(settings, path)
    assert "{" not in relation.complaint(settings)


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
    assert any("kafka.request_timeout + target.batch_deadline" in words for words in one.relations)


def test_no_secret_is_explained(environment: pytest.MonkeyPatch) -> None:
    """Nor what people put passwords into."""
    secret = "geheim-0123456789"
    environment.setenv("HEADRACE_SECRETS__HASH_KEY", secret)
    environment.setenv("HEADRACE_CONNECT__PASSWORD", secret)
    environment.setenv("HEADRACE_TARGET__DSN", f"host=h password={secret}")
    environment.setenv("HEADRACE_REGISTRY__URL", f"http://me:{secret}@h/")
    environment.setenv("HEADRACE_KAFKA__CLIENT", json.dumps({"sasl.password": secret}))

    assert secret not in str(explained(load(), None))
