"""What the processes take."""

from consumer.alerts.alert import Board
from consumer.telemetry import metrics as m
from consumer.telemetry.metrics import Metric
from tools.dashboards.parts import DEFAULTS, WIDTH, Lines, Listing, Query, Row, board
from tools.dashboards.series import of_worker, rate


def _each(metric: Metric) -> tuple[Query, ...]:
    return (Query(f"max by (instance) ({of_worker(metric)})", "{{instance}}"),)


_TAKEN = Row(
    title="What processes take",
    panels=(
        Lines(
            title="Memory",
            why="What the process holds, of this machine's memory.",
            queries=_each(m.MEMORY),
            unit="bytes",
            bad=DEFAULTS.memory_bytes,
            alerts=("HeadraceMemoryHigh",),
        ),
        Lines(
            title="Bytes that were read and wait",
            why="Bounded by the settings of batches: a slow target fills the queue, then partitions pause.",
            queries=_each(m.QUEUE_BYTES),
            unit="bytes",
        ),
        Lines(title="Batches that were read and wait", why="The same, counted.", queries=_each(m.QUEUE_BATCHES)),
        Lines(
            title="Open files",
            why="Files and sockets, and how many the system lets the process have.",
            queries=(*_each(m.OPEN_FILES), Query(f"min({of_worker(m.FILES_LIMIT)})", "limit")),
        ),
        Lines(title="Threads", why="Those that Python knows of.", queries=_each(m.THREADS)),
        Lines(
            title="Free disk", why="Of the disk that the process works on.", queries=_each(m.DISK_FREE), unit="bytes"
        ),
        Lines(
            title="Decoded values, by decoder",
            why="A second. row: schemas that the columnar decoder does not read, or that it was switched off for.",
            queries=(Query(rate(m.DECODED, "decoder"), "{{decoder}}"),),
            unit="cps",
        ),
        Lines(
            title="Spans that were dropped",
            why="A second: the collector did not take them.",
            queries=(Query(rate(m.SPANS_DROPPED, "instance"), "{{instance}}"),),
            unit="cps",
        ),
        Lines(
            title="Since a loop last turned",
            why="A loop that does not turn ends its process after worker.stall_timeout.",
            queries=(Query(f"time() - max by (instance, loop) ({of_worker(m.TURNED)})", "{{instance}} {{loop}}"),),
            unit="s",
            bad=DEFAULTS.loop_seconds,
            width=WIDTH,
            alerts=("HeadraceLoopStuck",),
        ),
    ),
)
_WHAT = Row(
    title="What runs",
    panels=(
        Lines(
            title="Since the process began",
            why="A line that falls again and again is a process that ends again and again.",
            queries=(Query(f"time() - max by (instance) ({of_worker(m.STARTED)})", "{{instance}}"),),
            unit="s",
            alerts=("HeadraceRestarting",),
        ),
        Listing(
            title="Versions",
            why="Several of Headrace at a time should be a rollout.",
            queries=(Query(of_worker(m.BUILD), ""),),
            columns={"instance": "process", "version": "Headrace", "python": "Python", "librdkafka": "librdkafka"},
        ),
    ),
)


def resources() -> str:
    """The board."""
    about = "What the processes take of their machines, and what runs."
    return board(Board.RESOURCES, "Headrace: resources", about, (_TAKEN, _WHAT))
