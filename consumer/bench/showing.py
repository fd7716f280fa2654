"""What a benchmark's command writes to stdout, and when that is a failure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from consumer.bench.store import Result
    from consumer.bench.summary import Line, Verdict

FAILED = 1
_WIDTH = 120
# details that are no single figures
_LONG = ("steps", "restarts")


class Output(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"


def show(
    what: tuple[str, int, str], results: "Sequence[Result]", verdicts: "Sequence[Verdict]", output: Output
) -> None:
    """`what`: the scenario's name, its size and its title. Exit code 1 when rows were wrong."""
    from consumer.bench import summary

    name, size, title = what
    lines = summary.lines(results, name, size)
    shares = summary.shares(results, name, size)
    if output is Output.JSON:
        goals = [asdict(each) | {"reached": each.reached, "state": each.state} for each in verdicts]
        typer.echo(json.dumps({"lines": [asdict(each) for each in lines], "goals": goals, "shares": shares}, indent=1))
    else:
        _print(title, lines, verdicts, shares)
    if not all(line.correct for line in lines):
        raise typer.Exit(FAILED)


def _print(title: str, lines: "Sequence[Line]", verdicts: "Sequence[Verdict]", shares: Mapping[str, float]) -> None:
    table = Table(
        "", "runs", "events/s", "CPU s per million", "peak MB", "rows right", box=box.SIMPLE_HEAD, title=title
    )
    for line in lines:
        numbers = (str(line.runs), f"{line.rate:,.0f}", f"{line.cpu_per_million:.1f}", f"{line.peak_mb:,.0f}")
        table.add_row(line.contender, *numbers, "yes" if line.correct else "no")
    console = _console()
    console.print(table)
    for verdict in verdicts:
        measured = "-" if verdict.measured is None else f"{verdict.measured:g}"
        console.print(f"{measured} {verdict.what} (asked: {verdict.asked:g}): {verdict.state}", highlight=False)
    for other, share in shares.items():
        console.print(f"{share:.0%} of {other}", highlight=False)


def show_others(results: "Sequence[Result]", scenario: str, output: Output) -> None:
    """What was measured of a scenario without goals of its own, run by run."""
    found = [asdict(each) for each in results if each.scenario == scenario]
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=1))
        return
    table = Table("contender", "size", "events/s", "peak MB", "details", box=box.SIMPLE_HEAD, title=scenario)
    for each in found:
        shown = {name: value for name, value in each["details"].items() if name not in _LONG}
        details = ", ".join(f"{name} {value}" for name, value in shown.items())
        table.add_row(
            each["contender"], f"{each['size']:,}", f"{each['rate']:,.0f}", f"{each['peak_mb']:,.0f}", details
        )
    _console().print(table)


def _console() -> Console:
    console = Console()
    console.width = max(console.width, _WIDTH)
    return console
