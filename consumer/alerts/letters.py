"""Alerts of records that were not applied."""

from consumer.alerts.alert import Alert, Board, Recorded, Severity, ours
from consumer.telemetry.metrics import (
    BUILD,
    FAILURES,
    LANE_OVERDUE,
    LETTERS_OLDEST,
    LETTERS_OPEN,
    LETTERS_UNPUBLISHED,
    STARTED,
)


def lately(window: str, kind: str = "") -> str:
    """Kinds of which failures came within a window, in any process. `kind`: a regular expression; empty: all kinds.

    A series begins with its first failure, which no rate sees: it was in fewer scrapes than what its process always
    tells. Whatever a process has that began within the window came within it.
    """
    series = f'{FAILURES.name}{{kind=~"{kind}"}}' if kind else FAILURES.name
    build = f'{BUILD.name}{{group="<group>"}}[<{window}>s]'
    grown = f"increase({series}[<{window}>s]) > 0 and on (job, instance) last_over_time({build})"
    scrapes = f"sum by (job, instance) (count_over_time({build}))"
    begun = f"{series} and count_over_time({series}[<{window}>s]) < on (job, instance) group_left () {scrapes}"
    young = f"{series} and on (job, instance) time() - {ours(STARTED)} < <{window}>"
    return f"sum by (kind) ({grown} or {begun} or {young})"


CAME = Recorded(name="kind:headrace_failures:came", expr=lately("window"))
_DEAD = ours(LETTERS_OLDEST, 'state="dead"')
_SHOWN = f"last_over_time({CAME.here}[<new_kind_shown>s])"
_BEFORE = f"last_over_time({CAME.here}[<new_kind_seconds>s] offset <new_kind_shown>s)"

LETTER_ALERTS = (
    Alert(
        name="HeadraceDeadLetters",
        expr=f"time() - max({_DEAD}) > <dead_seconds>",
        wait="dead_for",
        severity=Severity.WARNING,
        summary="The oldest dead letter has waited for {{ $value | humanizeDuration }}",
        meaning="Its row lacks this change, and later changes of the row that depend on it wait too. The record is "
        "kept in the database; a letter that only points to its record is lost when the topic's retention removes it.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceManyLetters",
        expr=f"sum(max by (state) {ours(LETTERS_OPEN)}) > <letters>",
        wait="letters_for",
        severity=Severity.WARNING,
        summary="{{ $value | humanize }} letters are open",
        meaning="So many records are not in their tables. They are kept, and later changes of the same rows take care "
        "of some of them by themselves.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceRetryOverdue",
        expr=f"max({ours(LANE_OVERDUE)}) > 0",
        wait="overdue_for",
        severity=Severity.WARNING,
        summary="{{ $value }} letters are overdue in the retry lane",
        meaning="Records that might be applied by now are not tried. Their rows lack these changes; nothing is lost.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceLettersUnpublished",
        expr=f"max({ours(LETTERS_UNPUBLISHED)}) > 0",
        wait="unpublished_for",
        severity=Severity.CRITICAL,
        summary="{{ $value }} copies of letters can't be written to their topics",
        meaning="No letter is lost: rows and bytes are in the database. They are not retried meanwhile, and when "
        "letters.max_unpublished of them wait the partitions of further ones stop.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceNewFailureKind",
        expr=f"{_SHOWN} unless {_BEFORE}",
        severity=Severity.WARNING,
        summary="{{ $labels.kind }} happened, which did not for long",
        meaning="Depends on the kind: its own runbook says what is not applied and why.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceFlood",
        expr=lately("window", "table[.]flood"),
        severity=Severity.CRITICAL,
        summary="So many records can't be applied that their partition or table was stopped",
        meaning="The table stands still in front of them instead of losing record after record to letters. It does not "
        "go on by itself. Nothing is lost.",
        board=Board.ERRORS,
    ),
)
