"""How far everything is, and why it is not further."""

from consumer.alerts.alert import Board
from consumer.telemetry import metrics as m
from tools.dashboards.parts import DEFAULTS, WIDTH, Lines, Listing, Query, Row, board
from tools.dashboards.series import of_group, of_worker, rate

_LAG = Row(
    title="Lag",
    panels=(
        Lines(
            title="Seconds behind, by topic",
            why="How long the oldest record has been in its log that is not applied, without partitions that a person "
            "paused. This is what alerts look at.",
            queries=(Query(f"max by (topic) ({of_group(m.TOPIC_LAG)})", "{{topic}}"),),
            unit="s",
            bad=DEFAULTS.lag_seconds,
            alerts=("HeadraceLagging",),
        ),
        Lines(
            title="Records behind, by topic",
            why="Records that are not applied. How many are too many depends on how fast they go.",
            queries=(Query(f"sum by (topic) ({of_group(m.LAG_RECORDS)})", "{{topic}}"),),
        ),
        Lines(
            title="Partitions by where their lag is going",
            why="ok and catching up need nobody. behind: moves, and does not come near the end. stalled: has a worker "
            "and does not move. stopped: waits for a person. not known: Kafka does not tell how far the log reaches.",
            queries=(Query(f"sum by (trend) ({of_group(m.LAG_PARTITIONS)}) > 0", "{{trend}}"),),
            stacked=True,
            alerts=(
                "HeadraceStalled",
                "HeadraceStopped",
                "HeadracePartitionUnknown",
                "HeadracePaused",
                "HeadraceNoWorker",
            ),
        ),
        Listing(
            title="Partitions that are furthest behind",
            why="The twenty worst, by seconds. Why each stands is in `headrace lag` and in the console.",
            queries=(Query(f"topk(20, {of_group(m.LAG_SECONDS)} > 0) or topk(20, {of_group(m.LAG_SECONDS)})", ""),),
            unit="s",
            columns={"topic": "topic", "partition": "partition", "Value": "behind"},
        ),
    ),
)
_TABLES = Row(
    title="Tables and their source",
    panels=(
        Lines(
            title="How long ago tables are complete to",
            why="Up to which source time each table has everything, as seconds ago; what readers of the table see.",
            queries=(Query(f"time() - max by (table) ({of_group(m.TABLE_COMPLETE)})", "{{table}}"),),
            unit="s",
            bad=DEFAULTS.stale_seconds,
            alerts=("HeadraceTableStale",),
        ),
        Lines(
            title="Records behind, by table",
            why="Records of a table that are not applied.",
            queries=(Query(f"max by (table) ({of_group(m.TABLE_RECORDS)})", "{{table}}"),),
        ),
        Lines(
            title="Records that were applied, by table",
            why="A second, before folding; what became letters is not among them.",
            queries=(Query(rate(m.TABLE_APPLIED, "table"), "{{table}}"),),
            unit="cps",
            stacked=True,
        ),
        Lines(
            title="Silence of the source",
            why="Heartbeats that come while no change does: a source without work. Neither of them: a source that is "
            "silent, though nothing is behind.",
            queries=(
                Query(f"time() - max({of_group(m.HEARTBEAT)})", "since the last heartbeat"),
                Query(f"time() - max({of_group(m.DATA)})", "since the newest change"),
            ),
            unit="s",
            bad=DEFAULTS.silence_seconds,
            alerts=("HeadraceSourceSilent",),
        ),
        Lines(
            title="Since the last look",
            why="All of this board rests on looks of one process at the group. While it can't look this grows; what it "
            "saw last is told for a minute more.",
            queries=(Query(f"time() - max({of_group(m.LOOKED)})", "last look"),),
            unit="s",
            bad=DEFAULTS.unseen_seconds,
            width=WIDTH,
            alerts=("HeadraceLagUnseen",),
        ),
    ),
)
_MOVES = Row(
    title="Reading",
    panels=(
        Lines(
            title="Records that were read, by topic",
            why="Records a second that batches were begun with, also again.",
            queries=(Query(rate(m.RECORDS_READ, "topic"), "{{topic}}"),),
            unit="cps",
            stacked=True,
        ),
        Lines(
            title="Partitions by worker",
            why="What the group has given to each.",
            queries=(Query(f"sum by (instance) ({of_worker(m.HELD)})", "{{instance}}"),),
            stacked=True,
        ),
        Lines(
            title="Pauses by reason",
            why="Times a second that partitions were not read on. target_behind is how a slow target is borne.",
            queries=(Query(rate(m.PAUSES, "reason"), "{{reason}}"),),
            unit="cps",
        ),
        Lines(
            title="Rebalances",
            why="Times that partitions were moved, in ten minutes.",
            queries=(Query(f"sum by (event) (increase({of_worker(m.REBALANCES)}[10m]))", "{{event}}"),),
            alerts=("HeadraceRebalancing",),
        ),
        Lines(
            title="Commits to the group that failed",
            why="In ten minutes. Positions are in the database; lag tools that look at the group are behind.",
            queries=(Query(f"sum by (code) (increase({of_worker(m.UNCOMMITTED)}[10m]))", "{{code}}"),),
        ),
        Lines(
            title="Partitions that moved",
            why="In ten minutes.",
            queries=(Query(f"sum by (event) (increase({of_worker(m.REBALANCED)}[10m]))", "{{event}}"),),
        ),
    ),
)
_SHARED = Row(
    title="Priorities, and what is switched off",
    panels=(
        Lines(
            title="What waits for others",
            why="1: bulk tables are not read, 2: normal ones neither, 3: nothing but turns; by what presses.",
            queries=(Query(f"max by (instance, reason) ({of_worker(m.PRESSURE)})", "{{instance}} {{reason}}"),),
        ),
        Lines(
            title="Critical tables",
            why="From append to commit, of the last batch of them.",
            queries=(Query(f"max by (instance) ({of_worker(m.CRITICAL_WAIT)})", "{{instance}}"),),
            unit="s",
        ),
        Lines(
            title="Flags that are off",
            why="Workers that have heard so.",
            queries=(Query(f"sum by (flag) ({of_worker(m.FLAGS_OFF)})", "{{flag}}"),),
        ),
        Lines(
            title="Rows by table",
            why="A second, by what was done with them.",
            queries=(Query(rate(m.TABLE_ROWS, "table, outcome"), "{{table}} {{outcome}}"),),
            unit="cps",
        ),
    ),
)
_COMPARED = Row(
    title="Comparisons with the source",
    panels=(
        Lines(
            title="Rows that differ, by table",
            why="When it was last compared. moving: written between all looks, which says nothing.",
            queries=(Query(f"max by (table, verdict) ({of_group(m.COMPARED_KEYS)})", "{{table}} {{verdict}}"),),
            alerts=("HeadraceTableDiffers",),
        ),
        Lines(
            title="Since tables were compared",
            why="To their end.",
            queries=(Query(f"time() - max by (table) ({of_group(m.COMPARED_AT)})", "{{table}}"),),
            unit="s",
        ),
    ),
)


def pipeline() -> str:
    """The board."""
    about = "How far topics and tables are, and why they are not further."
    return board(Board.PIPELINE, "Headrace: pipeline and lag", about, (_LAG, _TABLES, _MOVES, _SHARED, _COMPARED))
