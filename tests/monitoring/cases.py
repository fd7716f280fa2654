"""Series for each alert: such that it fires, and such that it must not."""

from tests.monitoring.case import Calm, Case, Fires

GROUP = "shop-replica"


def _trend(trend: str, topic: str = "a") -> str:
    return f'headrace_lag_partitions{{topic="{topic}", trend="{trend}"}}'


def _failures(kind: str, more: str = "") -> str:
    labels = f'kind="{kind}", error_type="persistent", component="decoder", route="dead_letter"'
    return f"headrace_failures_total{{{more}{labels}}}"


_LAG = 'headrace_topic_lag_seconds{topic="a"}'
_LAG_OF_ONE = 'headrace_lag_seconds{topic="a", partition="0"}'
_COMPLETE = 'headrace_table_complete_timestamp_seconds{table="public.orders"}'
_DIFFER = 'headrace_reconcile_differing_rows{{table="public.orders", verdict="{}"}}'
_LOOKED = "headrace_lag_looked_timestamp_seconds"
_BEAT = "headrace_source_heartbeat_timestamp_seconds"
_CHANGE = "headrace_source_change_timestamp_seconds"
_TASK = 'headrace_connect_tasks{{connector="shop", state="{}"}}'
_CONNECTOR = 'headrace_connect_connector_state{{connector="shop", state="{}"}}'
_ANSWERED = "headrace_connect_answered"
_OLDEST = 'headrace_letters_oldest_timestamp_seconds{{state="{}"}}'
_OPEN = 'headrace_letters_open{{state="{}"}}'
_BREAKER = 'headrace_breaker_state{{server="target", state="{}"}}'
_CONTROL = 'headrace_control_bytes{{relation="{}"}}'
_LOOP = 'headrace_loop_turned_timestamp_seconds{loop="reader"}'
_REBALANCES = 'headrace_rebalances_total{event="assigned"}'
_STARTED = "headrace_started_timestamp_seconds"
_RESTARTED = 'headrace_healing_total{act="worker restarted"}'
_OTHER = 'instance="w:2", '
_DAY = 1440
_PAUSED_THERE = f'headrace_lag_partitions{{{_OTHER}topic="a", trend="paused"}}'

_FLOOD = "So many records can't be applied that their partition or table was stopped"

CASES: dict[str, tuple[Case, ...]] = {
    "HeadraceLagging": (
        Fires(series={_LAG: "400x20"}, at=10, labels={"topic": "a"}, summary="Changes of a wait for 6m 40s"),
        Calm(why="a short wait", series={_LAG: "250x20"}, at=10),
        Calm(why="not for long", series={_LAG: "0x6 400x4"}, at=10),
        Fires(
            series={_LAG: "400x20", _LAG_OF_ONE: "900x20", _trend("paused"): "1x20"},
            at=10,
            labels={"topic": "a"},
            summary="Changes of a wait for 6m 40s",
        ),
        Calm(why="paused by a person", series={_LAG_OF_ONE: "400x20", _trend("paused"): "1x20"}, at=10),
    ),
    "HeadraceStalled": (
        Fires(
            series={_trend("stalled"): "2x10"},
            at=5,
            labels={"topic": "a"},
            summary="2 partitions of a have a worker and do not move",
        ),
        Calm(why="it moves again", series={_trend("stalled"): "2 0 2 0 2 0"}, at=4),
        Calm(why="all is well", series={_trend("stalled"): "0x10", _trend("ok"): "2x10"}, at=5),
    ),
    "HeadraceStopped": (
        Fires(
            series={_trend("stopped"): "1x10"},
            at=3,
            labels={"topic": "a"},
            summary="1 partitions of a are stopped",
        ),
        Calm(why="tried again at once", series={_trend("stopped"): "0 1 0 0"}, at=1),
    ),
    "HeadracePartitionUnknown": (
        # its only partition had lag, and no process tells of that any more
        Fires(
            series={_LAG: "900x4 stale", _trend("not known"): "0x4 1x10"},
            at=8,
            labels={"topic": "a"},
            summary="How far 1 partitions of a are behind is not known",
        ),
        Calm(why="another broker leads it", series={_trend("not known"): "0 1 1 0 0 0"}, at=4),
        Calm(why="all is known", series={_trend("not known"): "0x10", _trend("ok"): "2x10"}, at=5),
    ),
    "HeadracePaused": (
        Fires(
            series={_trend("paused"): f"1x{_DAY + 10}"},
            at=_DAY + 5,
            labels={"topic": "a"},
            summary="1 partitions of a have been paused by a person for long",
        ),
        Fires(
            series={_trend("paused"): "1x700 stale", _PAUSED_THERE: f"_x706 1x{_DAY}"},
            scraped="1x700 stale",
            at=_DAY + 5,
            labels={"topic": "a"},
            summary="1 partitions of a have been paused by a person for long",
        ),
        Calm(why="for some hours", series={_trend("paused"): "1x600"}, at=600),
        Calm(
            why="nobody told of it for long",
            series={_trend("paused"): "1x700 stale", _PAUSED_THERE: f"_x730 1x{_DAY}"},
            at=_DAY + 5,
        ),
        Calm(why="it went on", series={_trend("paused"): f"1x{_DAY + 1} 0x10"}, at=_DAY + 3),
    ),
    "HeadraceTableStale": (
        Fires(
            series={_COMPLETE: "0x100"},
            at=70,
            labels={"table": "public.orders"},
            summary="public.orders is complete only up to 1h 10m 0s ago",
        ),
        Calm(why="it goes along", series={_COMPLETE: "0+60x100"}, at=70),
    ),
    "HeadraceTableDiffers": (
        Fires(
            series={_DIFFER.format("missing"): "3x5", _DIFFER.format("extra"): "2x5", _DIFFER.format("moving"): "9x5"},
            at=1,
            labels={"table": "public.orders"},
            summary="5 rows of public.orders differ from the source",
        ),
        Calm(why="they are written all the time", series={_DIFFER.format("moving"): "9x5"}, at=1),
        Calm(why="it was compared again", series={_DIFFER.format("missing"): "3x2 0x5"}, at=4),
    ),
    "HeadraceLagUnseen": (
        Fires(series={_LOOKED: "0x10"}, at=5, summary="Nobody has looked at the group's lag for too long"),
        Fires(series={}, at=5, summary="Nobody has looked at the group's lag for too long"),
        Calm(why="within its bound", series={_LOOKED: "0x10"}, at=2),
        Calm(why="somebody looks", series={_LOOKED: "0+60x10"}, at=5),
    ),
    "HeadraceSourceSilent": (
        Fires(
            series={_BEAT: "0x20", _CHANGE: "0x20"},
            at=8,
            summary="Neither a heartbeat nor a change has come from the source for 8m 0s",
        ),
        Fires(
            series={_BEAT: "0x20"},
            at=8,
            summary="Neither a heartbeat nor a change has come from the source for 8m 0s",
        ),
        Calm(why="changes come", series={_BEAT: "0x20", _CHANGE: "0+60x20"}, at=8),
        Calm(why="an idle source", series={_BEAT: "0+60x20", _CHANGE: "0x20"}, at=8),
        Calm(why="no heartbeats are sent", series={_CHANGE: "0x20"}, at=8),
    ),
    "HeadraceConnectorFailed": (
        Fires(
            series={_TASK.format("failed"): "1x10"},
            at=3,
            labels={"connector": "shop"},
            summary="The connector shop, or a task of it, has failed",
        ),
        Fires(
            series={_CONNECTOR.format("failed"): "1x10"},
            at=3,
            labels={"connector": "shop"},
            summary="The connector shop, or a task of it, has failed",
        ),
        Fires(
            series={_CONNECTOR.format("failed"): "1x10", _TASK.format("failed"): "2x10"},
            at=3,
            labels={"connector": "shop"},
            summary="The connector shop, or a task of it, has failed",
        ),
        Calm(
            why="it runs",
            series={_CONNECTOR.format("running"): "1x10", _TASK.format("running"): "1x10"},
            at=3,
        ),
    ),
    "HeadraceConnectAway": (
        Fires(series={_ANSWERED: "1 0x20"}, at=8, summary="Kafka Connect does not tell of its connectors"),
        Calm(why="for a moment", series={_ANSWERED: "1 0 0 1x20"}, at=8),
        Calm(why="it answers", series={_ANSWERED: "1x20"}, at=8),
        Calm(why="none is set", series={}, at=8),
    ),
    "HeadraceDeadLetters": (
        Fires(
            series={_OLDEST.format("dead"): f"0x{_DAY + 10}"},
            at=_DAY + 1,
            summary="The oldest dead letter has waited for 1d 0h 1m 0s",
        ),
        Calm(why="a young one", series={_OLDEST.format("dead"): f"60000x{_DAY + 10}"}, at=_DAY + 1),
        Calm(why="one that comes back by itself", series={_OLDEST.format("retrying"): f"0x{_DAY + 10}"}, at=_DAY + 1),
    ),
    "HeadraceManyLetters": (
        Fires(
            series={_OPEN.format("dead"): "700x20", _OPEN.format("held"): "400x20"},
            at=8,
            summary="1.1k letters are open",
        ),
        Calm(why="fewer", series={_OPEN.format("dead"): "500x20", _OPEN.format("held"): "400x20"}, at=8),
    ),
    "HeadraceRetryOverdue": (
        Fires(
            series={"headrace_retry_overdue_letters": "3x20"},
            at=8,
            summary="3 letters are overdue in the retry lane",
        ),
        Calm(why="for a moment", series={"headrace_retry_overdue_letters": "3 0 3 0 3 0 3 0 3 0"}, at=8),
    ),
    "HeadraceLettersUnpublished": (
        Fires(
            series={"headrace_letters_unpublished": "2x20"},
            at=8,
            summary="2 copies of letters can't be written to their topics",
        ),
        Calm(why="they are written", series={"headrace_letters_unpublished": "2 0 2 0 2 0 2 0 2 0"}, at=8),
    ),
    "HeadraceNewFailureKind": (
        Fires(
            series={_failures("record.decode"): "_x5 1x20"},
            at=8,
            labels={"kind": "record.decode"},
            summary="record.decode happened, which did not for long",
        ),
        Fires(
            series={_failures("record.decode"): f"_x5 1x{_DAY + 60} 2x20"},
            at=_DAY + 70,
            labels={"kind": "record.decode"},
            summary="record.decode happened, which did not for long",
        ),
        Calm(
            why="it came within the day", series={_failures("record.decode"): f"_x5 1x{_DAY - 60} 2x20"}, at=_DAY - 50
        ),
        Calm(why="shown for long enough", series={_failures("record.decode"): "_x5 1x60"}, at=21),
        Calm(why="no more of them", series={_failures("record.decode"): "1x100"}, at=40),
        Calm(why="a worker began anew", series={_failures("record.decode"): "_x3 3x57 stale _x9 1x60"}, at=75),
    ),
    "HeadraceFlood": (
        Fires(
            series={_failures("table.flood"): "_x20 1x20"},
            at=23,
            summary=_FLOOD,
            labels={"kind": "table.flood"},
        ),
        Fires(
            series={_failures("table.flood"): "1x20 2x20"},
            at=23,
            summary=_FLOOD,
            labels={"kind": "table.flood"},
        ),
        # a process that began anew counts anew, and may have come to the same number before it is scraped
        Fires(
            series={_failures("table.flood"): "3x20 stale 1x20", _STARTED: "0x20 stale 1320x20"},
            at=23,
            scraped="1x20 stale 1x20",
            summary=_FLOOD,
            labels={"kind": "table.flood"},
        ),
        Fires(
            series={_failures("table.flood"): "1x20 stale 1x20", _STARTED: "0x20 stale 1320x20"},
            at=23,
            scraped="1x20 stale 1x20",
            summary=_FLOOD,
            labels={"kind": "table.flood"},
        ),
        # of two workers one ended
        Fires(
            series={_failures("table.flood"): "1x20 2x20", _failures("table.flood", _OTHER): "5x20 stale"},
            at=23,
            summary=_FLOOD,
            labels={"kind": "table.flood"},
        ),
        # it came while nobody scraped
        Fires(
            series={_failures("table.flood"): "_x29 1x20"},
            at=30,
            scraped="1x20 stale _x7 1x20",
            summary=_FLOOD,
            labels={"kind": "table.flood"},
        ),
        Calm(why="the window is over after the first", series={_failures("table.flood"): "_x20 1x40"}, at=31),
        Calm(why="the window is over after another", series={_failures("table.flood"): "1x20 2x40"}, at=32),
        Calm(
            why="nobody scraped a window ago",
            series={_failures("table.flood"): "1x20 stale _x7 1x40"},
            scraped="1x20 stale _x7 1x40",
            at=35,
        ),
        Calm(
            why="it began anew and has none",
            series={_failures("table.flood"): "1x20 stale", _STARTED: "0x20 stale 1320x20"},
            scraped="1x20 stale 1x20",
            at=23,
        ),
        Calm(why="it is long ago", series={_failures("table.flood"): "_x5 1x60"}, at=40),
        Calm(why="another kind", series={_failures("table.held"): "_x5 1x60"}, at=7),
    ),
    "HeadraceServerAway": (
        Fires(
            series={_BREAKER.format("open"): "1x10", _BREAKER.format("closed"): "0x10"},
            at=3,
            labels={"server": "target"},
            summary="The target is away",
        ),
        Calm(why="it is there", series={_BREAKER.format("open"): "0x10", _BREAKER.format("closed"): "1x10"}, at=3),
    ),
    "HeadraceTargetFull": (
        Fires(
            series={_failures("target.resources"): "_x5 1+1x20"},
            at=8,
            labels={"kind": "target.resources"},
            summary="The target says that it is out of something: target.resources",
        ),
        Calm(why="it has room again", series={_failures("target.resources"): "1+1x5 6x60"}, at=20),
        Calm(
            why="nobody scraped a window ago",
            series={_failures("target.resources"): "6x20 stale _x7 6x40"},
            scraped="1x20 stale _x7 1x40",
            at=30,
        ),
    ),
    "HeadracePoolExhausted": (
        Fires(
            series={"headrace_pool_wait_seconds_total": "0+120x20"},
            at=12,
            labels={"instance": "w:1"},
            summary="Questions of w:1 wait 2 s a second for a session",
        ),
        Calm(why="short waits", series={"headrace_pool_wait_seconds_total": "0+6x20"}, at=12),
    ),
    "HeadraceControlSchemaLarge": (
        Fires(
            series={_CONTROL.format("letter_bytes"): "19000000000x20", _CONTROL.format("batches"): "6000000000x20"},
            at=15,
            summary="The control schema has 23.28GiB",
        ),
        Calm(why="less", series={_CONTROL.format("letter_bytes"): "19000000000x20"}, at=15),
    ),
    "HeadraceWorkersMissing": (
        Fires(series={}, at=5, summary="0 workers answer, fewer than there should be"),
        Calm(why="one answers", series={"headrace_partitions_held": "3x10"}, at=5),
        Calm(why="away for a moment", series={"headrace_partitions_held": "3x2 _x1 3x10"}, at=4),
    ),
    "HeadraceNoWorker": (
        Fires(
            series={_trend("no worker"): "4x10"},
            at=5,
            labels={"topic": "a"},
            summary="4 partitions of a are read by nobody",
        ),
        Calm(why="all are read", series={_trend("no worker"): "0x10", _trend("behind"): "4x10"}, at=5),
    ),
    "HeadraceLoopStuck": (
        Fires(
            series={_LOOP: "0x10"},
            at=2,
            labels={"instance": "w:1", "loop": "reader"},
            summary="reader of w:1 has not turned for 2m 0s",
        ),
        Calm(why="it turns", series={_LOOP: "0+60x10"}, at=2),
    ),
    "HeadraceRestarting": (
        Fires(
            series={_STARTED: "0 60 60 180 240 240 240"},
            at=6,
            labels={"instance": "w:1"},
            summary="w:1, or a worker that it keeps running, began 3 times anew lately",
        ),
        # Kubernetes lets five minutes go by in front of each start
        Fires(
            series={_STARTED: "0 _x5 360 _x5 720 _x5 1080 _x5 1440 _x5 1800x9"},
            scraped="1 _x5 1 _x5 1 _x5 1 _x5 1 _x5 1x9",
            at=34,
            labels={"instance": "w:1"},
            summary="w:1, or a worker that it keeps running, began 5 times anew lately",
        ),
        # a worker that is started again has another port
        Fires(
            series={_RESTARTED: "1 2 3 4x9"},
            at=6,
            labels={"instance": "w:1"},
            summary="w:1, or a worker that it keeps running, began 3 times anew lately",
        ),
        Calm(why="once", series={_STARTED: "0 0 0 180 180 180 180"}, at=6),
        Calm(why="it has lived for long since", series={_STARTED: "0 60 60 180 240x30"}, at=20),
        Calm(why="its workers have lived for long since", series={_RESTARTED: "1 2 3 4x30"}, at=20),
    ),
    "HeadraceFenceLosses": (
        Fires(
            series={"headrace_fence_losses_total": "0+5x20"},
            at=12,
            summary="50 partitions were taken from workers in the middle of their work",
        ),
        Calm(why="a few", series={"headrace_fence_losses_total": "0x10 4x10"}, at=12),
    ),
    "HeadraceRebalancing": (
        Fires(series={_REBALANCES: "0+2x20"}, at=12, summary="The group moved partitions 20 times lately"),
        Calm(why="a rollout", series={_REBALANCES: "0x5 4x20"}, at=12),
    ),
    "HeadraceMemoryHigh": (
        Fires(
            series={"headrace_memory_bytes": "950000000x20"},
            at=8,
            labels={"instance": "w:1"},
            summary="w:1 holds 906MiB of memory",
        ),
        Calm(why="less", series={"headrace_memory_bytes": "800000000x20"}, at=8),
    ),
}

# they say that something is not there, so another group's series do not keep them quiet
OF_ABSENCE = frozenset({"HeadraceLagUnseen", "HeadraceWorkersMissing"})
