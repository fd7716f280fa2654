"""Is everything all right, and where is it not?"""

from consumer.alerts.alert import PREFIX, Board
from consumer.telemetry import metrics as m
from tools.dashboards.parts import DEFAULTS, Lines, Listing, Query, Row, Tile, board
from tools.dashboards.series import of_group, of_worker, quantile, rate

_STANDING = of_group(m.LAG_PARTITIONS, 'trend=~"stopped|stalled|no worker|not known"')
_DEAD = of_group(m.LETTERS_OPEN, 'state="dead"')
_AWAY = of_worker(m.BREAKER, 'state!="closed"')

_NOW = Row(
    title="Now",
    panels=(
        Tile(
            title="Furthest behind",
            why="How long the oldest record that is not applied has been in its topic, over all topics.",
            queries=(Query(f"max({of_group(m.LAG_SECONDS)})", ""),),
            unit="s",
            warn=DEFAULTS.lag_seconds / 5,
            bad=DEFAULTS.lag_seconds,
            alerts=("HeadraceLagging",),
        ),
        Tile(
            title="Least complete table",
            why="How long ago the source time lies up to which the worst table is complete.",
            queries=(Query(f"time() - min({of_group(m.TABLE_COMPLETE)})", ""),),
            unit="s",
            warn=DEFAULTS.stale_seconds / 4,
            bad=DEFAULTS.stale_seconds,
            alerts=("HeadraceTableStale", "HeadraceSourceSilent"),
        ),
        Tile(
            title="Partitions that stand",
            why="Partitions that are stopped, stalled, without a worker, or of whose log Kafka does not tell how far "
            "it reaches.",
            queries=(Query(f"sum({_STANDING})", ""),),
            bad=1,
            alerts=("HeadraceStopped", "HeadraceStalled", "HeadraceNoWorker", "HeadracePartitionUnknown"),
        ),
        Tile(
            title="Dead letters",
            why="Records that wait for a person.",
            queries=(Query(f"sum({_DEAD})", ""),),
            warn=1,
            bad=DEFAULTS.letters,
            alerts=("HeadraceDeadLetters", "HeadraceManyLetters"),
        ),
        Tile(
            title="Servers away",
            why="Of target and registry, those that no question is let through to at the moment, by any process.",
            queries=(Query(f"count(max by (server) ({_AWAY}) > 0) or vector(0)", ""),),
            bad=1,
            alerts=("HeadraceServerAway",),
        ),
        Tile(
            title="Workers",
            why="Workers that answer.",
            queries=(Query(f"count({of_group(m.HELD)}) or vector(0)", ""),),
            alerts=("HeadraceWorkersMissing",),
        ),
    ),
)

_FLOW = Row(
    title="Flow",
    panels=(
        Lines(
            title="Records by what became of them",
            why="Committed records a second. Ignored are those that change nothing by rule, as heartbeats; folded are "
            "those that a later change of the same row made superfluous.",
            queries=(Query(rate(m.RECORDS, "outcome"), "{{outcome}}"),),
            unit="cps",
            stacked=True,
        ),
        Lines(
            title="From the source to the target",
            why="From the source's time of a change to its commit, and from Kafka's append of it. Half of the records, "
            "and 99 of 100.",
            queries=(
                Query(quantile(0.5, m.SOURCE_LATENCY), "from the source, half"),
                Query(quantile(0.99, m.SOURCE_LATENCY), "from the source, 99 %"),
                Query(quantile(0.5, m.APPLY_LATENCY), "from Kafka, half"),
                Query(quantile(0.99, m.APPLY_LATENCY), "from Kafka, 99 %"),
            ),
            unit="s",
        ),
    ),
)

_WRONG = Row(
    title="What is wrong",
    panels=(
        Lines(
            title="Failures by kind",
            why="Failures a second. Each kind has a runbook of its name in docs/runbooks.",
            queries=(Query(rate(m.FAILURES, "kind"), "{{kind}}"),),
            unit="cps",
            alerts=("HeadraceNewFailureKind",),
        ),
        Listing(
            title="Alerts of this group",
            why="Those that hold at this moment; pending ones have not held for long enough.",
            queries=(Query(f'ALERTS{{alertname=~"{PREFIX}.+", group="$group"}}', ""),),
            columns={
                "alertname": "alert",
                "alertstate": "state",
                "severity": "severity",
                "topic": "topic",
                "table": "table",
                "kind": "kind",
                "server": "server",
                "instance": "process",
            },
        ),
    ),
)


def overview() -> str:
    """The board."""
    about = "Is everything all right, and where is it not? The other boards say why."
    return board(Board.OVERVIEW, "Headrace: overview", about, (_NOW, _FLOW, _WRONG))
