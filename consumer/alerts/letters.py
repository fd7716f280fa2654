"""Alerts of records that were not applied."""

from consumer.alerts.alert import Alert, Board, Recorded, Severity, ours
from consumer.telemetry.metrics import (
    FAILURES,
    LANE_OVERDUE,
    LETTERS_OLDEST,
    LETTERS_OPEN,
    LETTERS_UNPUBLISHED,
)

KINDS_SEEN = Recorded(name="kind:headrace_failures:sum", expr=f"sum by (kind) {ours(FAILURES)}")


def lately(kind: str, window: str) -> str:
    """Whether failures of a kind (a regular expression) came within a window; also the first of all.

    A series begins with its first failure, which no rate sees.
    """
    seen = f'{KINDS_SEEN.name}{{group="<group>", kind=~"{kind}"}}'
    return f"{seen} > ({seen} offset <{window}>s or {seen} * 0)"


_DEAD = ours(LETTERS_OLDEST, 'state="dead"')
_OLD = f"max_over_time({KINDS_SEEN.here}[<new_kind_seconds>s] offset <new_kind_shown>s)"

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
        expr=f"{KINDS_SEEN.here} unless {_OLD}",
        severity=Severity.WARNING,
        summary="{{ $labels.kind }} happened, which did not for long ({{ $value }} times)",
        meaning="Depends on the kind: its own runbook says what is not applied and why.",
        board=Board.ERRORS,
    ),
    Alert(
        name="HeadraceFlood",
        expr=lately("table[.]flood", "window"),
        severity=Severity.CRITICAL,
        summary="So many records can't be applied that their partition or table was stopped",
        meaning="The table stands still in front of them instead of losing record after record to letters. It does not "
        "go on by itself. Nothing is lost.",
        board=Board.ERRORS,
    ),
)
