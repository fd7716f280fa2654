"""`headrace dlq ask-source`: the source is asked for the rows of letters again."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.core.letters import State
from consumer.operate.looks import console, facts, number, said
from consumer.operate.opening import source_of
from consumer.operate.output import (
    PARTIAL,
    REFUSED,
    Config,
    Format,
    Output,
    Reason,
    Yes,
    agreed,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.operate.selecting import selecting

if TYPE_CHECKING:
    from dlq.selection import Selection
    from dlq.source_again import Wanted

_SHOWN = 5


@selecting("number", "group", "state", "kind", "topic", "table", "text", "since", "before")
def ask_source(
    config: Config = None,
    *,
    chosen: "Selection",
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and do nothing.")] = False,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Have Debezium read the rows of letters again: an incremental snapshot of their keys, through its signal topic.

    What arrives closes the letters of these rows. Without --state: dead letters. Exit code 3 when none matches, 4 when
    none can be asked for or it is not agreed to, 5 when some can't.
    """
    note = because(reason, "the source is asked", dry_run=dry_run)
    if not chosen.states:
        chosen = replace(chosen, states=(State.DEAD,))
    with reported(), source_of(config) as desk:
        wanted = desk.look(chosen)
        if not wanted.letters and not wanted.left:
            raise nothing("no letter matches")
        if output is Output.TABLE:
            _show(wanted)
        if not wanted.letters:
            raise typer.Exit(REFUSED)
        if not dry_run:
            agreed(f"Ask the source for {wanted.keys} rows?", yes=yes)
            desk.ask(chosen, wanted.keys, note)
        if output is not Output.TABLE:
            show([_row(wanted) | {"asked": not dry_run}], {}, output)
        if wanted.unplaced:
            say(f"{len(wanted.unplaced)} of the letters are of no known row; discard them when their rows are there")
        if wanted.left:
            raise typer.Exit(PARTIAL)


def _show(wanted: "Wanted") -> None:
    asked = f"{number(wanted.keys)} rows of {number(len(wanted.letters))} letters, in {wanted.signals} signals"
    left = [
        (why, f"{number(len(ids))} letters, as {', '.join(map(str, ids[:_SHOWN]))}") for why, ids in wanted.left.items()
    ]
    console().print(facts([("asked for", said(asked, "bold")), *((f"not: {why}", what) for why, what in left)]))


def _row(wanted: "Wanted") -> dict[str, Any]:
    return {
        "letters": list(wanted.letters),
        "rows": wanted.keys,
        "signals": wanted.signals,
        "left": {why: list(ids) for why, ids in wanted.left.items()},
        "unplaced": list(wanted.unplaced),
    }
