"""`headrace doctor`: whether everything is as a pipeline needs it, before it runs and while it does."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.core.doctor.catalogue import CHECKS, TITLES
from consumer.core.doctor.finding import Finding, Level, Report
from consumer.core.kinds import KINDS
from consumer.core.wording import clean
from consumer.operate.looks import DIM, console, narrow, said
from consumer.operate.opening import doctor_of
from consumer.operate.output import FAILED, PARTIAL, Config, Format, Output, reported, show

_MARKS = {
    Level.OK: ("✓", "green"),
    Level.WARN: ("!", "yellow"),
    Level.FAIL: ("✗", "bold red"),
    Level.SKIPPED: ("–", DIM),
}
_WIDEST = max(len(check.name) for check in CHECKS)
# without the area, which stands above
_SHORTEST = max(len(check.name.partition(".")[2]) for check in CHECKS)


def doctor(
    config: Config = None,
    problems: Annotated[bool, typer.Option("--problems", help="Only warnings and failures.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 5 where nothing failed, but not all is ok.")
    ] = False,
    within: Annotated[float, typer.Option(min=1, max=600, help="Seconds that it may take, whoever is away.")] = 30.0,
    output: Format = Output.TABLE,
) -> None:
    """Look at settings, target, Kafka, registry and Kafka Connect: each check is ok, a warning or a failure with its
    remedy, or was skipped, with the reason. Nothing is changed, and no offset is committed.

    Exit code 0 when nothing failed, 1 when something did, 2 for settings that can't work; with --strict 5 when there
    are warnings. With --server the report is the server's, some seconds old at most.
    """
    with reported(), doctor_of(config, within) as examine:
        report = examine()
    shown = [one for one in report.findings if not problems or one.level in (Level.FAIL, Level.WARN)]
    if output is Output.TABLE:
        _show(report, shown)
    else:
        show([asdict(one) for one in shown], {}, output)
    if report.worst is Level.FAIL:
        raise typer.Exit(FAILED)
    if strict and report.worst is Level.WARN:
        raise typer.Exit(PARTIAL)


def _show(report: Report, shown: Sequence[Finding]) -> None:
    screen = console()
    for area, of in groupby(shown, lambda one: one.area):
        screen.print(Text(f"\n{TITLES[area]}", "bold"))
        screen.print(_lines(screen, list(of)))
    screen.print(_verdict(report))


def _lines(screen: Console, findings: Sequence[Finding]) -> Table:
    """One line each, the remedy below; on a narrow terminal the check's name is short."""
    short = narrow(screen.width)
    lines = Table.grid(padding=(0, 1))
    lines.add_column(no_wrap=True, width=3)
    lines.add_column(no_wrap=True, width=4)
    lines.add_column(no_wrap=True, width=_SHORTEST if short else _WIDEST)
    lines.add_column(overflow="fold")
    for one in findings:
        mark, style = _MARKS[one.level]
        word = "skip" if one.level is Level.SKIPPED else one.level.value
        name = one.check.partition(".")[2] if short else one.check
        lines.add_row(Text(f"  {mark}", style), Text(word, style), Text(name, DIM), _said(one))
    return lines


def _said(one: Finding) -> Text:
    quiet = DIM if one.level is Level.SKIPPED else ""
    about = f"{one.subject}: " if one.subject and one.subject not in one.detail else ""
    text = Text.assemble((clean(about), "bold"), said(one.detail, quiet))
    if one.remedy:
        text.append_text(Text.assemble("\n", ("→ ", "bold"), said(one.remedy)))
    if one.kind in KINDS and one.level is not Level.OK:
        text.append(f"\n  {KINDS[one.kind].page}", DIM)
    return text


def _verdict(report: Report) -> Text:
    words: dict[Level, Any] = {
        Level.FAIL: "failed",
        Level.WARN: "to look at",
        Level.OK: "ok",
        Level.SKIPPED: "skipped",
    }
    counts = [(level, report.count(level)) for level in words]
    parts = [Text(f"{many} {words[level]}", _MARKS[level][1]) for level, many in counts if many]
    return Text.assemble("\n", Text(", ").join(parts), (f"   in {report.seconds:.1f} s", DIM))
