"""Alerts of the servers that Headrace needs."""

from consumer.alerts.alert import OF_GROUP, Alert, Board, Severity, ours
from consumer.alerts.letters import lately
from consumer.core.breaking import BreakerState
from consumer.telemetry.metrics import BREAKER, CONTROL_BYTES, POOL_WAITED

_NOT_CLOSED = ours(BREAKER, f'state!="{BreakerState.CLOSED}"')

SERVER_ALERTS = (
    Alert(
        name="HeadraceServerAway",
        # while a question is let through the server is not back yet
        expr=f"max by (server) {_NOT_CLOSED} > 0",
        wait="away_for",
        severity=Severity.CRITICAL,
        summary="The {{ $labels.server }} is away",
        meaning="Without the target nothing is applied. Without the registry tables go on whose schemas are known. It "
        "is waited for: nothing is lost, and no record becomes a letter for it.",
        board=Board.DATABASE,
    ),
    Alert(
        name="HeadraceTargetFull",
        expr=lately("short_window", "target[.](resources|system)"),
        severity=Severity.CRITICAL,
        summary="The target says that it is out of something: {{ $labels.kind }}",
        meaning="Nothing is applied while its disk is full. Batches are rolled back as a whole and tried again; "
        "nothing is lost.",
        board=Board.DATABASE,
    ),
    Alert(
        name="HeadracePoolExhausted",
        expr=f"max by (instance) (rate({POOL_WAITED.name}[<short_window>s]) {OF_GROUP}) > <pool_waits>",
        wait="pool_for",
        severity=Severity.WARNING,
        summary="Questions of {{ $labels.instance }} wait {{ $value | humanize }} s a second for a session",
        meaning="None: batches have a session of their own. New schemas, letters and searches come through late.",
        board=Board.DATABASE,
    ),
    Alert(
        name="HeadraceControlSchemaLarge",
        expr=f"sum(max by (relation) {ours(CONTROL_BYTES)}) > <control_bytes>",
        wait="control_for",
        severity=Severity.WARNING,
        summary="The control schema has {{ $value | humanize1024 }}B",
        meaning="None yet. When the target's disk is full nothing is applied any more.",
        board=Board.DATABASE,
    ),
)
