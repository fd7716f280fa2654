"""What was not applied, and what becomes of it."""

from consumer.alerts.alert import Board
from consumer.telemetry import metrics as m
from tools.dashboards.parts import DEFAULTS, Lines, Listing, Query, Row, Tile, board
from tools.dashboards.series import of_group, of_worker, rate

_DEAD = of_group(m.LETTERS_OLDEST, 'state="dead"')
_STATES = "sum by (state) ({})"
_AGE = f"time() - max by (state) ({of_group(m.LETTERS_OLDEST)})"

_LETTERS = Row(
    title="Letters",
    panels=(
        Tile(
            title="Oldest dead letter",
            why="Since when it has waited for a person.",
            queries=(Query(f"time() - max({_DEAD})", ""),),
            unit="s",
            warn=DEFAULTS.dead_seconds / 4,
            bad=DEFAULTS.dead_seconds,
            none="none",
            width=6,
            alerts=("HeadraceDeadLetters",),
        ),
        Tile(
            title="Due",
            why="Letters whose next attempt is due. Some always are where records fail all the time.",
            queries=(Query(f"max({of_group(m.LANE_DUE)})", ""),),
            width=6,
        ),
        Tile(
            title="Overdue",
            why="Letters whose next attempt has been due for over a minute.",
            queries=(Query(f"max({of_group(m.LANE_OVERDUE)})", ""),),
            warn=1,
            width=6,
            alerts=("HeadraceRetryOverdue",),
        ),
        Tile(
            title="To be published",
            why="Letters whose copies Kafka has not taken yet. They are kept in the database.",
            queries=(Query(f"max({of_group(m.LETTERS_UNPUBLISHED)})", ""),),
            warn=1,
            width=6,
            alerts=("HeadraceLettersUnpublished",),
        ),
        Lines(
            title="Open letters by state",
            why="retrying comes back by itself, held waits for an older letter of its row, dead waits for a person.",
            queries=(Query(_STATES.format(of_group(m.LETTERS_OPEN)), "{{state}}"),),
            stacked=True,
            bad=DEFAULTS.letters,
            alerts=("HeadraceManyLetters",),
        ),
        Lines(
            title="Age of the oldest by state",
            why="Since its first failure.",
            queries=(Query(_AGE, "{{state}}"),),
            unit="s",
            bad=DEFAULTS.dead_seconds,
            alerts=("HeadraceDeadLetters",),
        ),
        Lines(
            title="Letters that were written or tried again",
            why="A second, by the state that they got; applied, superseded and discarded are closed.",
            queries=(Query(rate(m.LETTERS, "state"), "{{state}}"),),
            unit="cps",
        ),
        Lines(
            title="What is done about failures",
            why="Failures a second by route: a letter, a wait, a stop, another attempt.",
            queries=(Query(rate(m.FAILURES, "route"), "{{route}}"),),
            unit="cps",
        ),
        Lines(
            title="Older letters that batches closed",
            why="A second: a later change of their row came, or their own record again.",
            queries=(Query(rate(m.CLOSED, "state"), "{{state}}"),),
            unit="cps",
        ),
        Lines(
            title="What healed itself",
            why="Times in ten minutes, by what was done. What comes again and again has a cause.",
            queries=(Query(f"sum by (act) (increase({of_worker(m.HEALED)}[10m]))", "{{act}}"),),
        ),
    ),
)
_FAILURES = Row(
    title="Failures",
    panels=(
        Lines(
            title="By kind",
            why="A second. Each kind has a runbook of its name in docs/runbooks.",
            queries=(Query(rate(m.FAILURES, "kind"), "{{kind}}"),),
            unit="cps",
            alerts=("HeadraceNewFailureKind", "HeadraceFlood"),
        ),
        Listing(
            title="Since their processes began",
            why="Every kind with where it arose and what was done.",
            queries=(Query(f"sort_desc(sum by (kind, error_type, component, route) ({of_worker(m.FAILURES)}))", ""),),
            columns={
                "kind": "kind",
                "error_type": "heals",
                "component": "component",
                "route": "what is done",
                "Value": "failures",
            },
        ),
        Lines(
            title="Partitions that were overtaken",
            why="In ten minutes: another owner took them in the middle of work. The fence keeps the data right.",
            queries=(Query(f"sum(increase({of_worker(m.OVERTAKEN)}[10m]))", "overtaken"),),
            bad=DEFAULTS.fence_losses,
            alerts=("HeadraceFenceLosses",),
        ),
        Lines(
            title="Lines that were kept out of the log",
            why="A second: there were too many like them.",
            queries=(Query(rate(m.LEFT_OUT, "instance"), "{{instance}}"),),
            unit="cps",
        ),
        Lines(
            title="Tasks of Kafka Connect",
            why="By connector and state, as the admin process hears it.",
            queries=(Query(f"max by (connector, state) ({of_group(m.TASKS)})", "{{connector}} {{state}}"),),
            alerts=("HeadraceConnectorFailed",),
        ),
        Lines(
            title="Connectors of Kafka Connect",
            why="How each is itself, apart from its tasks; and whether Kafka Connect tells of them.",
            queries=(
                Query(f"max by (connector, state) ({of_group(m.CONNECTOR)})", "{{connector}} {{state}}"),
                Query(f"max({of_group(m.CONNECT_ANSWERED)})", "Kafka Connect answers"),
            ),
            alerts=("HeadraceConnectorFailed", "HeadraceConnectAway"),
        ),
    ),
)


def errors() -> str:
    """The board."""
    about = "What was not applied, why, and what becomes of it."
    return board(Board.ERRORS, "Headrace: errors and dead letters", about, (_LETTERS, _FAILURES))
