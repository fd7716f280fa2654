"""How long everything that is asked of others may take, and which of these times must hold with which.

One table for the check at the start and for `headrace config explain`, so that neither says what the other does not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.settings.loading import Settings

WAITS = {
    "kafka.request_timeout": "Kafka",
    "kafka.metadata_refresh": "Kafka",
    "registry.timeout": "registry",
    "registry.unknown_grace": "registry",
    "target.connect_timeout": "target",
    "target.batch_deadline": "target",
    "target.pool_idle": "target",
    "target.pool_lifetime": "target",
    "evolution.lock_timeout": "target",
    "batch.target_seconds": "target",
    "breaker.reset": "target, registry, Kafka Connect",
    "retry.environment_first": "target, Kafka",
    "retry.environment_most": "target, Kafka",
    "retry.table_first": "target",
    "retry.table_most": "target",
    "connect.timeout": "Kafka Connect",
    "admin.oidc.timeout": "OpenID Connect provider",
    "admin.query_timeout": "target",
    "trace.timeout": "collector",
    "worker.decode_deadline": "the process itself",
    "worker.stall_timeout": "the process itself",
    "worker.drain_timeout": "the process itself",
    "worker.stop_within": "whoever stops the process",
    "control.report_every": "target",
    "reconcile.statement_timeout": "source, target",
    "reconcile.patience": "target",
    "reconcile.snapshot_patience": "Debezium",
    "reconcile.settle": "Debezium",
}
"""The settings that are times of waiting for others, and for whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What settings must hold together. `words`: what is said where they do not; with the numbers in braces."""

    settings: tuple[str, ...]
    holds: Callable[["Settings"], bool]
    words: str

    def complaint(self, settings: "Settings") -> str:
        """The words, with the values of now."""
        return self.words.format(**{path.replace(".", "_"): value_of(settings, path) for path in self.settings})


def value_of(settings: "Settings", path: str) -> object:
    """A setting's value by its path."""
    found: object = settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


RELATIONS = (
    Relation(
        settings=("worker.stall_timeout", "worker.decode_deadline"),
        holds=lambda s: s.worker.stall_timeout > s.worker.decode_deadline,
        words="worker.stall_timeout must be more than worker.decode_deadline ({worker_decode_deadline:g}), or a range "
        "that hangs is never marked",
    ),
    Relation(
        # a decoding is within a turn of the poll loop
        settings=("telemetry.turn_within", "worker.decode_deadline"),
        holds=lambda s: not s.telemetry.serve or s.telemetry.turn_within > s.worker.decode_deadline,
        words="telemetry.turn_within must be more than worker.decode_deadline ({worker_decode_deadline:g}), or "
        "/healthz has a worker ended that is about to mark a range that hangs",
    ),
    Relation(
        # copies of letters: the target is asked, then the cluster for their topics
        settings=(
            "worker.stall_timeout",
            "kafka.request_timeout",
            "target.batch_deadline",
            "target.connect_timeout",
        ),
        holds=lambda s: (
            s.worker.stall_timeout
            > s.kafka.request_timeout + STATEMENT * s.target.batch_deadline + s.target.connect_timeout
        ),
        words="worker.stall_timeout must be more than kafka.request_timeout + 1.25 times target.batch_deadline + "
        "target.connect_timeout ({kafka_request_timeout:g} + 1.25 x {target_batch_deadline:g} + "
        "{target_connect_timeout:g})",
    ),
    Relation(
        settings=("worker.stall_timeout", "reconcile.statement_timeout"),
        holds=lambda s: not s.source.dsn or s.worker.stall_timeout > 5 * s.reconcile.statement_timeout,
        words="worker.stall_timeout must be more than five times reconcile.statement_timeout "
        "({reconcile_statement_timeout:g}): so many statements a turn of a comparison may have",
    ),
    Relation(
        settings=("reconcile.settle", "reconcile.patience"),
        # the connector may confirm once more within the first of them
        holds=lambda s: not s.source.dsn or 2 * s.reconcile.settle < s.reconcile.patience,
        words="twice reconcile.settle must be less than reconcile.patience ({reconcile_patience:g}), or a comparison "
        "that has to wait for the connector stops",
    ),
    Relation(
        settings=("worker.stall_timeout", "retry.environment_most"),
        holds=lambda s: s.worker.stall_timeout > s.retry.environment_most,
        words="worker.stall_timeout must be more than retry.environment_most ({retry_environment_most:g})",
    ),
    Relation(
        # a connection, then an answer
        settings=("worker.stall_timeout", "registry.timeout"),
        holds=lambda s: s.worker.stall_timeout > 2 * s.registry.timeout,
        words="worker.stall_timeout must be more than twice registry.timeout ({registry_timeout:g})",
    ),
    Relation(
        settings=("worker.stall_timeout", "connect.timeout"),
        holds=lambda s: s.connect.url is None or s.worker.stall_timeout > 2 * s.connect.timeout,
        words="worker.stall_timeout must be more than twice connect.timeout ({connect_timeout:g})",
    ),
    Relation(
        settings=("retry.environment_first", "retry.environment_most"),
        holds=lambda s: s.retry.environment_first <= s.retry.environment_most,
        words="retry.environment_first must not be more than retry.environment_most ({retry_environment_most:g})",
    ),
    Relation(
        settings=("retry.table_first", "retry.table_most"),
        holds=lambda s: s.retry.table_first <= s.retry.table_most,
        words="retry.table_first must not be more than retry.table_most ({retry_table_most:g})",
    ),
    Relation(
        settings=("evolution.lock_timeout", "target.batch_deadline"),
        holds=lambda s: s.evolution.lock_timeout <= s.target.batch_deadline,
        words="evolution.lock_timeout must not be more than target.batch_deadline ({target_batch_deadline:g}), which "
        "ends the batch that waits for it",
    ),
    Relation(
        settings=("target.pool_idle", "target.pool_lifetime"),
        holds=lambda s: s.target.pool_idle <= s.target.pool_lifetime,
        words="target.pool_idle must not be more than target.pool_lifetime ({target_pool_lifetime:g})",
    ),
    Relation(
        settings=("worker.stop_within", "worker.drain_timeout"),
        holds=lambda s: s.worker.stop_within is None or s.worker.stop_within >= s.worker.drain_timeout + CLOSING,
        words="worker.stop_within must be at least worker.drain_timeout and 5 seconds ({worker_drain_timeout:g} + 5), "
        "or the process is killed while it closes",
    ),
)
"""Each of them is looked at, and all that do not hold are told together."""

RULED = (
    Relation(
        # a look may be late, or another process may begin to look
        settings=("alerts.unseen_seconds", "telemetry.look_every"),
        holds=lambda s: s.alerts.unseen_seconds >= 2 * s.telemetry.look_every + 60,
        words="alerts.unseen_seconds must be at least twice telemetry.look_every and a minute "
        "(2 x {telemetry_look_every:g} + 60), or HeadraceLagUnseen fires for ever",
    ),
    Relation(
        # within a statement nothing turns
        settings=("alerts.loop_seconds", "target.batch_deadline", "target.connect_timeout"),
        holds=lambda s: s.alerts.loop_seconds > STATEMENT * s.target.batch_deadline + s.target.connect_timeout,
        words="alerts.loop_seconds must be more than 1.25 times target.batch_deadline + target.connect_timeout "
        "(1.25 x {target_batch_deadline:g} + {target_connect_timeout:g}), or HeadraceLoopStuck fires while a statement "
        "takes its time",
    ),
    Relation(
        settings=("alerts.loop_seconds", "worker.stall_timeout"),
        holds=lambda s: s.alerts.loop_seconds < s.worker.stall_timeout,
        words="alerts.loop_seconds must be less than worker.stall_timeout ({worker_stall_timeout:g}), or the process "
        "ends before HeadraceLoopStuck says so",
    ),
)
"""What rules have to hold; workers, which do not read them, start without it."""

STATEMENT = 1.25
"""How many times target.batch_deadline the server gives a statement: waits for locks end before that."""

CLOSING = 5.0
"""Seconds that a process needs behind its drain to close what it owns."""


def complaints(settings: "Settings", relations: Sequence[Relation] = RELATIONS) -> Iterator[str]:
    """What of these does not hold."""
    return (relation.complaint(settings) for relation in relations if not relation.holds(settings))


def relations_of(path: str) -> list[Relation]:
    """The relations that a setting is in."""
    return [relation for relation in RELATIONS if path in relation.settings]
