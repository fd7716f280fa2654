"""Where a batch spends its time, and how the target bears it."""

from consumer.alerts.alert import Board
from consumer.telemetry import metrics as m
from tools.dashboards.parts import DEFAULTS, WIDTH, Lines, Query, Row, board
from tools.dashboards.series import mean, of_group, of_worker, quantile, rate

_TIME = f'sum by (step) (rate({m.STEP_SECONDS.name}_sum{{instance=~"$worker"}}[$__rate_interval]))'

_BATCHES = Row(
    title="Batches",
    panels=(
        Lines(
            title="A batch's transaction",
            why="From its begin to its commit.",
            queries=(
                Query(quantile(0.5, m.BATCH_SECONDS), "half"),
                Query(quantile(0.95, m.BATCH_SECONDS), "95 %"),
                Query(quantile(0.99, m.BATCH_SECONDS), "99 %"),
            ),
            unit="s",
        ),
        Lines(
            title="Where the time goes",
            why="Seconds a second by step. Decode is a part of plan, and letters are one of apply. A worker whose "
            "stage, apply and commit come near 1 has a target that can't do more.",
            queries=(Query(_TIME, "{{step}}"),),
            unit="s",
        ),
        Lines(
            title="How large batches are",
            why="Mean records that were read and rows that were written, after folding.",
            queries=(Query(mean(m.BATCH_RECORDS), "records"), Query(mean(m.BATCH_ROWS), "rows")),
        ),
        Lines(
            title="Bytes of a batch",
            why="Mean: raw records and what was copied.",
            queries=(Query(mean(m.BATCH_BYTES), "bytes"),),
            unit="bytes",
        ),
        Lines(
            title="Batches by outcome",
            why="A second. One that is undone is tried otherwise; nothing of it stays.",
            queries=(Query(rate(m.BATCHES, "outcome"), "{{outcome}}"),),
            unit="cps",
        ),
        Lines(
            title="The batch in hand",
            why="For how long the longest has been applied; a line that climbs is a statement or lock that waits.",
            queries=(Query(f"max by (instance) ({of_worker(m.IN_FLIGHT_SECONDS)})", "{{instance}}"),),
            unit="s",
        ),
        Lines(
            title="Its records",
            why="How many are in the batch that is being applied.",
            queries=(Query(f"sum by (instance) ({of_worker(m.IN_FLIGHT)})", "{{instance}}"),),
            width=WIDTH,
        ),
    ),
)
_TARGET = Row(
    title="The target",
    panels=(
        Lines(
            title="Breakers",
            why="Processes whose breaker in front of a server is in a state. open: nobody is let through.",
            queries=(Query(f"sum by (server, state) ({of_worker(m.BREAKER)})", "{{server}} {{state}}"),),
            alerts=("HeadraceServerAway",),
        ),
        Lines(
            title="Sessions for short questions",
            why="Those of the pool. A batch has a session of its own.",
            queries=(
                Query(f"sum by (state) ({of_worker(m.POOL_SESSIONS)})", "{{state}}"),
                Query(f"sum({of_worker(m.POOL_LIMIT)})", "limit"),
            ),
        ),
        Lines(
            title="Waiting for a session",
            why="Seconds a second that questions waited, by process.",
            queries=(Query(rate(m.POOL_WAITED, "instance"), "{{instance}}"),),
            unit="s",
            bad=DEFAULTS.pool_waits,
            alerts=("HeadracePoolExhausted",),
        ),
        Lines(
            title="Questions",
            why="Those that were asked a second, and those that wait at this moment.",
            queries=(
                Query(rate(m.POOL_ASKED), "asked a second"),
                Query(f"sum({of_worker(m.POOL_WAITING)})", "waiting"),
            ),
        ),
        Lines(
            title="The control schema",
            why="Bytes of its ten largest tables in the target.",
            queries=(Query(f"topk(10, max by (relation) ({of_group(m.CONTROL_BYTES)}))", "{{relation}}"),),
            unit="bytes",
            stacked=True,
            width=WIDTH,
            alerts=("HeadraceControlSchemaLarge",),
        ),
    ),
)


def database() -> str:
    """The board."""
    about = "Where a batch spends its time, and how the target bears it."
    return board(Board.DATABASE, "Headrace: database and batches", about, (_BATCHES, _TARGET))
