"""How commands speak: data on stdout, progress on stderr, and what they end with."""

import getpass
import json
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from consumer.core.decision import Undecidable
from consumer.core.failure import Failure, HeadraceError, Refused
from consumer.operate.looks import console, said
from consumer.ports.desk import Note

# what goes on working says that it does
_AGAIN = re.compile(
    r"(?:(?P<start>^|(?<=[.] ))|then )?Headrace (?:goes on|looks again|asks again) by itself(?P<when> when it is back)?"
)
FAILED, USAGE, NOTHING, REFUSED, PARTIAL = 1, 2, 3, 4, 5


class Output(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


class Written(StrEnum):
    """How many rows are written for programs, one after the other."""

    NDJSON = "ndjson"
    CSV = "csv"


Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (default headrace.toml).")]
Format = Annotated[Output, typer.Option("--output", help="How data is written to stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where nobody can answer.")]


@contextmanager
def reported() -> Iterator[None]:
    """A failure as a sentence with its remedy on stderr: exit code 2 for settings, 4 for policy, 1 for the rest."""
    try:
        yield
    except HeadraceError as error:
        print(asked_once(error.failure), file=sys.stderr)
        raise typer.Exit(USAGE if isinstance(error, Refused) else FAILED) from error
    except Undecidable as why:
        say(f"refused: {why}")
        raise typer.Exit(REFUSED) from why


def asked_once(failure: Failure) -> Failure:
    """A failure as a command tells it, which ends: what a worker would do again, somebody has to ask for again."""
    return replace(failure, remedy=_AGAIN.sub(_again, failure.remedy))


def _again(found: re.Match[str]) -> str:
    word = "Give" if found["start"] is not None else "then give"
    return f"{word} the command again{found['when'] or ''}"


def say(text: str) -> None:
    """Progress, on stderr."""
    typer.echo(text, err=True)


def nothing(text: str) -> typer.Exit:
    """Nothing matched: said, and the exit that goes with it."""
    say(text)
    return typer.Exit(NOTHING)


def agreed(question: str, *, yes: bool) -> None:
    """Return when a person agrees, or has agreed by --yes. Raises typer.Exit."""
    if yes:
        return
    if not sys.stdin.isatty():
        say(f"{question} Nobody can answer here: say --yes.")
        raise typer.Exit(REFUSED)
    if not typer.confirm(question, err=True):
        raise typer.Exit(REFUSED)


def because(reason: str, what: str = "this is done", *, dry_run: bool = False) -> Note:
    """Who gives a command, and why. Raises typer.Exit where nobody says why, unless nothing is done."""
    if not reason.strip() and not dry_run:
        say(f"{what} for a reason: --reason")
        raise typer.Exit(USAGE)
    return Note(actor(), reason.strip() or "a dry run")


def actor() -> str:
    """Who gives a command here: user and machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def show(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], output: Output) -> None:
    """Write rows to stdout; `columns`: what people see of them, by title."""
    if output is Output.JSON:
        typer.echo(json.dumps(list(rows), indent=1, default=_plain))
        return
    if output is Output.NDJSON:
        for row in rows:
            typer.echo(json.dumps(row, default=_plain))
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for title in columns:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(said(_cell(row[name])) for name in columns.values()))
    console().print(table)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)
