"""Times and sizes that depend on one another."""

import pytest

from consumer.settings.loading import load, variable
from consumer.settings.waits import RELATIONS, Relation, value_of
from tests.unit.settings.refusal import refused


def test_a_loop_may_take_as_long_as_its_waits(environment: pytest.MonkeyPatch) -> None:
    """A stall timeout within what one turn may take would end healthy workers."""
    environment.setenv("HEADRACE_WORKER__STALL_TIMEOUT", "30")

    assert "worker.stall_timeout" in refused()


@pytest.mark.parametrize(
    ("name", "most"), [("KAFKA__REQUEST_TIMEOUT", 72), ("TARGET__BATCH_DEADLINE", 63), ("TARGET__CONNECT_TIMEOUT", 52)]
)
def test_copies_of_letters_may_wait_for_target_and_cluster(
    name: str, most: int, environment: pytest.MonkeyPatch
) -> None:
    """One after the other, in one turn of their loop."""
    environment.setenv(f"HEADRACE_{name}", str(most))
    load()
    environment.setenv(f"HEADRACE_{name}", str(most + 1))

    assert "worker.stall_timeout must be more than kafka.request_timeout" in refused()


def test_a_comparison_waits_longer_than_a_connector_needs(environment: pytest.MonkeyPatch) -> None:
    """Or none with a row to be looked at again would ever end."""
    environment.setenv("HEADRACE_RECONCILE__SETTLE", "150")
    load()
    environment.setenv("HEADRACE_SOURCE__DSN", "host=canary")
    assert "twice reconcile.settle must be less than reconcile.patience" in refused()


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


def test_a_decoding_that_may_take_its_time_fails_no_probe(environment: pytest.MonkeyPatch) -> None:
    """Where there is one: its worker would be ended before the range is marked, again and again."""
    environment.setenv("HEADRACE_WORKER__DECODE_DEADLINE", "29")
    load()
    environment.setenv("HEADRACE_WORKER__DECODE_DEADLINE", "30")
    assert "telemetry.turn_within must be more than worker.decode_deadline (30)" in refused()
    environment.setenv("HEADRACE_TELEMETRY__SERVE", "false")
    load()


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


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: " ".join(relation.settings))
def test_a_relation_speaks_of_its_settings_and_holds_by_default(relation: Relation) -> None:
    """What is said where it does not hold names each of them."""
    settings = load()
    assert relation.holds(settings)
    for path in relation.settings:
        assert path in relation.words
        value_of(settings, path)
    assert "{" not in relation.complaint(settings)
