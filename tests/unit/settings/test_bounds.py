"""Every setting that is a number has bounds, and is refused beyond them."""

from typing import Any

import pytest
from pydantic import BaseModel

from consumer.settings.loading import Settings, load, variable
from tests.unit.settings.refusal import refused

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
    "letters.max_open": (100, 1_000_000),
    "letters.max_replays": (1, 1000),
    "letters.keep_closed_hours": (1, 87_600),
    "letters.flood_percent": (0, 100),
    "letters.transient_attempts": (0, 1000),
    "letters.transient_hours": (0, 8760),
    "letters.dependent_attempts": (0, 100_000),
    "letters.dependent_hours": (0, 8760),
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
    "alerts.unknown_for": (0, _MONTH),
    "alerts.unseen_for": (0, _MONTH),
    "alerts.silence_seconds": (1, _MONTH),
    "alerts.silence_for": (0, _MONTH),
    "alerts.connector_for": (0, _MONTH),
    "alerts.connect_for": (0, _MONTH),
    "alerts.workers": (1, 1_000_000_000),
    "alerts.workers_for": (0, _MONTH),
    "alerts.unread_for": (0, _MONTH),
    "alerts.loop_seconds": (1, _MONTH),
    "alerts.loop_for": (0, _MONTH),
    "alerts.memory_bytes": (1_000_000, 10**15),
    "alerts.memory_for": (0, _MONTH),
    "alerts.window": (1, _MONTH),
    "alerts.restart_window": (1, _MONTH),
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


def value_of_section(section: str) -> dict[str, Any]:
    """A section of sound settings."""
    return dict(getattr(load(), section).model_dump())


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
