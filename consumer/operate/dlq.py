"""`headrace dlq`: what could not be applied and why, and putting it right."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.core.letters import State
from consumer.operate.asking import ask_source
from consumer.operate.importing import import_letters
from consumer.operate.letter_views import Beside, show_done, show_edit, show_groups, show_letters, show_row, show_whole
from consumer.operate.opening import brokers_of, letters_of
from consumer.operate.output import (
    NOTHING,
    PARTIAL,
    REFUSED,
    Config,
    DryRun,
    Format,
    Limit,
    Output,
    Reason,
    Written,
    Yes,
    actor,
    agreed,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.operate.searching import search
from consumer.operate.selecting import SOME, selecting
from consumer.ports.desk import Note

if TYPE_CHECKING:
    from dlq.actions import Done
    from dlq.letters import Place
    from dlq.ports import Letters
    from dlq.selection import Selection

# letters that are read at a time: no more are asked for by their numbers than the API takes
_AT_ONCE = 500

app = typer.Typer(
    name="dlq",
    help="Letters: records that could not be applied, why, and putting them right.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("ask-source")(ask_source)
app.command("import")(import_letters)
app.command("search")(search)

Number = Annotated[int, typer.Argument(metavar="ID", min=1, help="The letter.")]
Numbers = Annotated[list[int], typer.Argument(metavar="ID...", help="The letters.")]


@app.command("groups")
@selecting("state", "kind", "topic", "text")
def groups(
    config: Config = None,
    *,
    chosen: "Selection",
    limit: Limit = 50,
    output: Format = Output.TABLE,
) -> None:
    """List groups of letters that failed in the same way, the last seen first. Exit code 3 when there are none."""
    with _asked(config) as desk:
        found = desk.groups(chosen, limit)
        if not found:
            raise nothing("no letter matches")
        if output is Output.TABLE:
            show_groups(found)
        else:
            show([asdict(group) for group in found], {}, output)


@app.command("ls")
@selecting("group", "state", "kind", "topic", "table", "text", "since", "before", "job")
def ls(
    config: Config = None,
    *,
    chosen: "Selection",
    after: Annotated[str | None, typer.Option(help="The next page, as the last one has named it.")] = None,
    limit: Limit = 20,
    output: Format = Output.TABLE,
) -> None:
    """List letters, the last that failed first. Exit code 3 when there are none."""
    place = _place(after)
    with _asked(config) as desk:
        found = desk.page(chosen, limit, place)
        if not found:
            raise nothing("no letter matches")
        if output is Output.TABLE:
            show_letters(found)
        else:
            show([asdict(letter) for letter in found], {}, output)
        if len(found) == limit:
            say(f"there may be more: --after '{found[-1].place}'")


@app.command("show")
def show_one(
    number: Number,
    config: Config = None,
    payload: Annotated[
        bool, typer.Option("--payload", help="Also what the record holds; that you looked is kept.")
    ] = False,
    difference: Annotated[
        bool, typer.Option("--difference", help="Also what it would make of its row in the target; nothing is changed.")
    ] = False,
    original: Annotated[
        bool, typer.Option("--original", help="With --payload or --difference: as it was before edits.")
    ] = False,
    output: Format = Output.TABLE,
) -> None:
    """Show one letter: why it failed, what became of it, and the letters of its row. Exit code 3 when there is none."""
    with _asked(config) as desk:
        found = desk.whole(number)
        if found is None:
            raise nothing(f"there is no letter {number} in this group")
        note = Note(actor(), "")
        held = desk.payload(number, note, original=original) if payload else None
        weighed = desk.difference(number, note, original=original) if difference else None
        if output is Output.TABLE:
            show_whole(found, Beside(held, weighed, desk.schema_words(number)), brokers_of(config))
        else:
            more: dict[str, Any] = {"schema": desk.schema_words(number)}
            more |= {name: asdict(each) for name, each in (("payload", held), ("difference", weighed)) if each}
            show([asdict(found) | more], {}, output)


@app.command("edit")
def edit(
    number: Number,
    config: Config = None,
    patch: Annotated[
        str | None, typer.Option(help="A JSON Patch (RFC 6902) under /after/: its text, @FILE, or - for stdin.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="COLUMN=TEXT",
            help="A column's new value, as text; COLUMN:=JSON for what is none, as a number or null" + SOME,
        ),
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Change the row of a dead letter before it is sent again; without a change, show the row as it can be changed.

    The record as it was stays. Exit code 4 when the letter or the change is refused.
    """
    wanted = _patch(patch, sets or [])
    with _asked(config) as desk:
        if desk.whole(number) is None:
            raise nothing(f"there is no letter {number} in this group")
        if wanted is None:
            row = desk.editable(number, Note(actor(), reason))
            if output is Output.TABLE:
                show_row(row)
            else:
                show([row], {}, output)
            return
        columns = desk.edit(number, wanted, _note(reason, dry_run), dry_run=dry_run)
        if output is Output.TABLE:
            show_edit(number, columns, dry_run)
        else:
            show([{"id": number, "changed": list(columns), "dry_run": dry_run}], {}, output)
        if not dry_run:
            say(f"send it again: headrace dlq replay {number} --reason …")


@app.command("replay")
def replay(
    numbers: Numbers,
    config: Config = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Send dead letters again: each is judged by its row, and the transaction that applies it writes its outcome.

    Exit code 3 when there is no such letter, 4 when none can be sent or it is not agreed to, 5 when some can't.
    """
    note = _note(reason, dry_run)
    with _asked(config) as desk:
        there = _there(desk, numbers)
        if not dry_run:
            agreed(f"Send {_letters(len(there))} again?", yes=yes)
        _ended(desk, numbers, desk.replay(there, note, dry_run=dry_run), "sent again", dry_run=dry_run, output=output)


@app.command("discard")
def discard(
    numbers: Numbers,
    config: Config = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Give letters up, and with each what waits for it; their rows differ from the source until they change again.

    Exit code 3 when there is no such letter, 4 when none is open, it is not agreed to or other letters would go by
    then, 5 when some are not.
    """
    note = _note(reason, dry_run)
    with _asked(config) as desk:
        there = _there(desk, numbers)
        expect = None
        if not (dry_run or yes):
            expect = len(desk.discard(there, note, dry_run=True).changed)
            agreed(f"Give up {_letters(expect)}?", yes=False)
        done = desk.discard(there, note, dry_run=dry_run, expect=expect)
        _ended(desk, numbers, done, "given up", dry_run=dry_run, output=output)


@app.command("export")
@selecting("group", "state", "kind", "topic", "table", "text", "since", "before", "job")
def export(
    config: Config = None,
    *,
    chosen: "Selection",
    payload: Annotated[
        bool,
        typer.Option("--payload", help="Also what the records hold, but for masked columns. It is kept who did."),
    ] = False,
    reason: Reason = "",
    output: Annotated[Written, typer.Option(help="How letters are written to stdout.")] = Written.NDJSON,
) -> None:
    """Write all letters of a selection to stdout, as they are at one moment, by id. Exit code 3 when there are none."""
    from dlq.export import comma_separated, ndjson

    note = because(reason, "records are exported", dry_run=not payload)
    with _asked(config) as desk, desk.export(chosen, note, payloads=payload) as found:
        lines = ndjson(found) if output is Written.NDJSON else comma_separated(found, payloads=payload)
        # the line of names is no letter
        letters = 0 if output is Written.NDJSON else -1
        for line in lines:
            typer.echo(line)
            letters += 1
        if not letters:
            raise nothing("no letter matches")
        say(f"exported: {_letters(letters)}")


@contextmanager
def _asked(config: Path | None) -> Iterator["Letters"]:
    from dlq.edit import NotEdited

    with reported(), letters_of(config) as desk:
        try:
            yield desk
        except NotEdited as error:
            say(f"refused: {error}")
            raise typer.Exit(REFUSED) from error


def _place(text: str | None) -> "Place | None":
    from dlq.letters import Place

    try:
        return Place.of(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no page; a list names the next one at its end") from error


def _note(reason: str, dry_run: bool) -> Note:
    return because(reason, "a letter is changed, sent again or given up", dry_run=dry_run)


def _patch(text: str | None, sets: Sequence[str]) -> list[dict[str, Any]] | None:
    """The patch that was given, in whichever way; None without any. Raises typer.BadParameter."""
    if text is None and not sets:
        return None
    wanted = [] if text is None else _json(_read(text))
    if not isinstance(wanted, list):
        raise typer.BadParameter("a patch is a list of operations")
    for each in sets:
        column, equals, text = each.partition("=")
        if not equals:
            raise typer.BadParameter("--set is COLUMN=TEXT or COLUMN:=JSON")
        value = _json(text) if column.endswith(":") else text
        name = column.removesuffix(":").replace("~", "~0").replace("/", "~1")
        wanted.append({"op": "replace", "path": f"/after/{name}", "value": value})
    return wanted


def _read(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"the patch {text[1:]} can't be read ({type(error).__name__})") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise typer.BadParameter("the change is no JSON") from error


def _there(desk: "Letters", numbers: Sequence[int]) -> list[int]:
    """Those of the letters that there are. Raises typer.Exit without any."""
    from dlq.selection import Selection

    found = {letter.id for letter in desk.page(Selection(ids=tuple(numbers)), len(set(numbers)))}
    for number in sorted(set(numbers) - found):
        say(f"there is no letter {number} in this group")
    if not found:
        raise typer.Exit(NOTHING)
    return sorted(found)


def _ended(desk: "Letters", numbers: Sequence[int], done: "Done", what: str, *, dry_run: bool, output: Output) -> None:
    from dlq.selection import Selection

    every = (*done.changed, *done.left)
    rows = {
        letter.id: letter
        for first in range(0, len(every), _AT_ONCE)
        for letter in desk.page(Selection(ids=every[first : first + _AT_ONCE]), _AT_ONCE)
    }
    said = [{"id": number, "done": number in done.changed, "state": rows[number].state} for number in every]
    if output is Output.TABLE:
        show_done([rows[number] for number in done.changed], [rows[number] for number in done.left], what, dry_run)
    else:
        show([row | {"dry_run": dry_run} for row in said], {}, output)
    if any(rows[number].imported and rows[number].state == State.DEAD for number in done.left):
        say(
            "a letter of another consumer is sent again only if this group reads its topic (kafka.topics) and has "
            "passed its record; else put it right there, and discard the letter"
        )
    if not done.changed:
        raise typer.Exit(REFUSED)
    if done.left or set(numbers) - set(every):
        raise typer.Exit(PARTIAL)


def _letters(number: int) -> str:
    return "one letter" if number == 1 else f"{number} letters"
