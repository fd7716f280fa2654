"""Alerts of how far tables are."""

from consumer.alerts.alert import OF_GROUP_LATELY, Alert, Board, Severity, ours
from consumer.core.trend import Trend
from consumer.telemetry.metrics import (
    COMPARED_KEYS,
    CONNECT_ANSWERED,
    CONNECTOR,
    DATA,
    HEARTBEAT,
    LAG_PARTITIONS,
    LOOKED,
    TABLE_COMPLETE,
    TASKS,
    TOPIC_LAG,
)


def _partitions(trend: Trend) -> str:
    """How many partitions of each topic go so, where there are any."""
    matchers = f'trend="{trend}"'
    return f"max by (topic) {ours(LAG_PARTITIONS, matchers)} > 0"


# its wait is long, and must not begin anew whenever another process comes to tell
_PAUSED = f'last_over_time({LAG_PARTITIONS.name}{{trend="{Trend.PAUSED}"}}[<window>s])'
# what moves says nothing
_SURE = 'verdict!="moving"'
_IN_FAILURE = 'state="failed"'
_FAILED = f"({ours(TASKS, _IN_FAILURE)} or {ours(CONNECTOR, _IN_FAILURE)})"
_DATA_CAME = f"time() - max({ours(DATA)}) <= <silence_seconds>"

LAG_ALERTS = (
    Alert(
        name="HeadraceLagging",
        expr=f"max by (topic) {ours(TOPIC_LAG)} > <lag_seconds>",
        wait="lag_for",
        severity=Severity.CRITICAL,
        summary="Changes of {{ $labels.topic }} wait for {{ $value | humanizeDuration }}",
        meaning="The tables of this topic show an older state of the source. Nothing is lost: what waits is applied "
        "in its order. It is lost only if it waits for longer than the topic keeps its records.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceStalled",
        expr=_partitions(Trend.STALLED),
        wait="stalled_for",
        severity=Severity.CRITICAL,
        summary="{{ $value }} partitions of {{ $labels.topic }} have a worker and do not move",
        meaning="The tables of this topic stand still at an older state, though somebody reads them. Nothing is lost.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceStopped",
        expr=_partitions(Trend.STOPPED),
        wait="stopped_for",
        severity=Severity.CRITICAL,
        summary="{{ $value }} partitions of {{ $labels.topic }} are stopped",
        meaning="The tables of this topic stand still in front of a batch that can't be applied; others go on. Nothing "
        "is lost or skipped.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadracePartitionUnknown",
        expr=_partitions(Trend.UNKNOWN),
        wait="unknown_for",
        severity=Severity.CRITICAL,
        summary="How far {{ $value }} partitions of {{ $labels.topic }} are behind is not known",
        meaning="The tables of this topic most likely stand still, and these partitions count in no other alert of "
        "lag. Nothing is lost of a partition that only has no leader; what a deleted topic or a cut log had beyond "
        "its position is.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadracePaused",
        expr=f"max by (topic) ({_PAUSED} {OF_GROUP_LATELY}) > 0",
        wait="paused_for",
        severity=Severity.WARNING,
        summary="{{ $value }} partitions of {{ $labels.topic }} have been paused by a person for long",
        meaning="The table stands still because somebody wanted it to. What comes meanwhile waits in Kafka, and is "
        "lost to Headrace when the topic's retention removes it.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceTableStale",
        expr=f"time() - max by (table) {ours(TABLE_COMPLETE)} > <stale_seconds>",
        wait="stale_for",
        severity=Severity.WARNING,
        summary="{{ $labels.table }} is complete only up to {{ $value | humanizeDuration }} ago",
        meaning="Who reads the table misses what has changed at the source since. headrace.freshness says the same.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceTableDiffers",
        expr=f"sum by (table) (max by (table, verdict) {ours(COMPARED_KEYS, _SURE)}) > 0",
        severity=Severity.WARNING,
        summary="{{ $value | humanize }} rows of {{ $labels.table }} differ from the source",
        meaning="When it was last compared these rows were other ones than at the source. Nothing puts them right by "
        "itself.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceLagUnseen",
        expr=f"time() - max({ours(LOOKED)}) > <unseen_seconds> or absent({ours(LOOKED)})",
        wait="unseen_for",
        severity=Severity.CRITICAL,
        summary="Nobody has looked at the group's lag for too long",
        meaning="How far tables are is not known: all alerts of lag, letters and silence rest on values that are old "
        "or missing. Most often Kafka or the target can't be reached, and nothing is applied either.",
        board=Board.OVERVIEW,
    ),
    Alert(
        name="HeadraceSourceSilent",
        expr=f"time() - max({ours(HEARTBEAT)}) > <silence_seconds> unless {_DATA_CAME}",
        wait="silence_for",
        severity=Severity.CRITICAL,
        summary="Neither a heartbeat nor a change has come from the source for {{ $value | humanizeDuration }}",
        meaning="Everything that is in Kafka is applied, so lag is zero, and the tables grow old all the same: changes "
        "are not brought from the source. A source that keeps its log for the connector may run out of disk.",
        board=Board.PIPELINE,
    ),
    Alert(
        name="HeadraceConnectorFailed",
        expr=f"max by (connector) {_FAILED} > 0",
        wait="connector_for",
        severity=Severity.CRITICAL,
        summary="The connector {{ $labels.connector }}, or a task of it, has failed",
        meaning="Changes of its tables are not brought to Kafka. They stay in the source's log, which grows meanwhile; "
        "nothing is lost while it is kept.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceConnectAway",
        expr=f"max({ours(CONNECT_ANSWERED)}) == 0",
        wait="connect_for",
        severity=Severity.CRITICAL,
        summary="Kafka Connect does not tell of its connectors",
        meaning="Whether connectors run is not known, and HeadraceConnectorFailed is quiet. If they do not, changes "
        "stay in the source's log, which grows meanwhile; nothing is lost while it is kept.",
        board=Board.ERRORS,
    ),
)
