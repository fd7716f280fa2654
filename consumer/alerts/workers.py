"""Alerts of the processes themselves."""

from consumer.alerts.alert import OF_GROUP_LATELY, Alert, Board, Severity, ours
from consumer.core.healing import Act
from consumer.core.trend import Trend
from consumer.telemetry.metrics import (
    HEALED,
    HELD,
    LAG_PARTITIONS,
    MEMORY,
    OVERTAKEN,
    REBALANCES,
    STARTED,
    TURNED,
    Metric,
)

_UNREAD = ours(LAG_PARTITIONS, f'trend="{Trend.UNREAD}"')


def _grown(metric: Metric) -> str:
    """By how much a counter grew within the window."""
    return f"(increase({metric.name}[<window>s]) {OF_GROUP_LATELY})"


# between starts of a process that ends at once whoever starts it may let minutes go by
_BEGAN = f"changes({STARTED.name}[<restart_window>s])"
_LIVES_SHORTLY = f"time() - last_over_time({STARTED.name}[<window>s]) < <window>"
# told by who starts them: each time they are another instance
_DIED = f'{HEALED.name}{{act="{Act.WORKER_RESTARTED}"}}'
_RESTARTED = f"increase({_DIED}[<restart_window>s])"
_DIED_LATELY = f"increase({_DIED}[<window>s]) > 0"


def _often(starts: str, still: str) -> str:
    """Too many starts of a process, if they go on."""
    return f"max by (instance) ({starts} and {still} {OF_GROUP_LATELY}) >= <restarts>"


WORKER_ALERTS = (
    Alert(
        name="HeadraceWorkersMissing",
        expr=f"(count({ours(HELD)}) or vector(0)) < <workers>",
        wait="workers_for",
        severity=Severity.CRITICAL,
        summary="{{ $value }} workers answer, fewer than there should be",
        meaning="With some workers left their partitions are taken by others, and all goes on more slowly. With none "
        "nothing is applied; changes wait in Kafka and nothing is lost while it keeps them.",
        board=Board.OVERVIEW,
    ),
    Alert(
        name="HeadraceNoWorker",
        expr=f"max by (topic) {_UNREAD} > 0",
        wait="unread_for",
        severity=Severity.CRITICAL,
        summary="{{ $value }} partitions of {{ $labels.topic }} are read by nobody",
        meaning="The tables of this topic stand still. Nothing is lost while Kafka keeps the records.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceLoopStuck",
        expr=f"time() - max by (instance, loop) {ours(TURNED)} > <loop_seconds>",
        wait="loop_for",
        severity=Severity.WARNING,
        summary="{{ $labels.loop }} of {{ $labels.instance }} has not turned for {{ $value | humanizeDuration }}",
        meaning="Its partitions may stand still. After worker.stall_timeout the process ends by itself and others take "
        "them; what was in flight is committed as a whole or not at all.",
        board=Board.RESOURCES,
    ),
    Alert(
        name="HeadraceRestarting",
        expr=f"{_often(_BEGAN, _LIVES_SHORTLY)} or {_often(_RESTARTED, _DIED_LATELY)}",
        severity=Severity.CRITICAL,
        summary="{{ $labels.instance }}, or a worker that it keeps running, began "
        '{{ $value | printf "%.0f" }} times anew lately',
        meaning="Each start reads again from the stored positions, so nothing is lost or applied twice, but little or "
        "nothing may come through.",
        board=Board.RESOURCES,
    ),
    Alert(
        name="HeadraceFenceLosses",
        expr=f"sum({_grown(OVERTAKEN)}) > <fence_losses>",
        severity=Severity.WARNING,
        summary="{{ $value | humanize }} partitions were taken from workers in the middle of their work",
        meaning="The fence keeps the data right: what was overtaken wrote nothing. The work was for nothing, though, "
        "and is done again.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceRebalancing",
        expr=f"sum({_grown(REBALANCES)}) > <rebalances>",
        severity=Severity.WARNING,
        summary="The group moved partitions {{ $value | humanize }} times lately",
        meaning="No data is at risk. Partitions stand for a moment at each move, so tables fall behind.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceMemoryHigh",
        expr=f"max by (instance) {ours(MEMORY)} > <memory_bytes>",
        wait="memory_for",
        severity=Severity.WARNING,
        summary="{{ $labels.instance }} holds {{ $value | humanize1024 }}B of memory",
        meaning="None yet. A process that is ended for its memory reads again from the stored positions: nothing is "
        "lost, and the same records may end it again.",
        board=Board.RESOURCES,
    ),
)
