"""`headrace demo`. stdout is data, stderr is progress and the live view.

Importing this module needs nothing of the extra `headrace[stack]`; without it the command ends with the remedy.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich import box
from rich.console import Console as Screen
from rich.live import Live
from rich.table import Table

from consumer.stack.demo.failures import server_failed
from consumer.stack.demo.sizes import LIVE, ONCE, Sizes, tuned
from consumer.stack.failures import told

if TYPE_CHECKING:
    from consumer.stack.demo.console import Console
    from consumer.stack.demo.play import Report, Show
    from consumer.stack.demo.scene import Scene

DEFAULT_DIR = Path(".headrace/demo")
_FAILED = 1
_REFRESH = 4


class Output(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="A closed scenario: snapshot, changes, comparison; exit code 0 when equal.")
    ] = False,
    light: Annotated[
        bool, typer.Option("--light", help="Without any download: a recording on librdkafka's mock broker.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", help="How the figures of --once are written.")] = Output.TABLE,
    data_dir: Annotated[Path, typer.Option(help="Where the demonstration keeps its data and logs.")] = DEFAULT_DIR,
    size: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
) -> None:
    """A shop, Debezium, Kafka and a target, with bad records and an outage: watch Headrace apply it all, or let it
    prove itself with --once.

    The latencies of --once, from the source's COMMIT to the target's, are those of records that had not to wait for the
    target while the demo kept it away; how many had to, and the longest wait with theirs, stand beside.
    """
    with _told(once):
        from consumer.stack import supervisor
        from consumer.stack.demo import play
        from consumer.stack.demo.console import Console

        sizes = _sizes(once, size or [])
        with supervisor.ended_by_signals(), _scene(data_dir, light, sizes) as scene:
            if not once:
                with closing(Console(scene.line)) as web, _view(scene, web) as show:
                    play.forever(scene, show, web)
            with _view(scene) as show:
                report = play.once(scene, "light" if light else "real", show)
        _print(report, output)
        raise typer.Exit(0 if report.good else _FAILED)


def _sizes(once: bool, words: list[str]) -> Sizes:
    try:
        return tuned(ONCE if once else LIVE, words)
    except ValueError as cause:
        raise typer.BadParameter(str(cause)) from cause


def _scene(data_dir: Path, light: bool, sizes: Sizes) -> "AbstractContextManager[Scene]":
    from consumer.stack.demo import scene
    from consumer.stack.demo.light import recorded
    from consumer.stack.demo.load import Pace
    from consumer.stack.demo.trouble import Plan
    from consumer.stack.progress import Terminal

    plan = Plan(outage=sizes.outage, pause=sizes.pause, endless=sizes.changes is None)
    if light:
        return recorded(data_dir, sizes.rate, plan, Terminal())
    pace = Pace(changes=sizes.changes, rate=sizes.rate, burst_rows=sizes.burst, burst_every=2 * sizes.burst)
    return scene.real(data_dir, sizes.rows, pace, plan, Terminal())


@contextmanager
def _view(scene: "Scene", web: "Console | None" = None) -> Iterator["Show"]:
    """The live view on a terminal that can show it; elsewhere a line for each phase. Always on stderr."""
    from consumer.stack.demo.plain import Plain
    from consumer.stack.demo.view import View, shown_on

    screen = Screen(stderr=True)
    if not shown_on(screen):
        yield Plain(screen, web).show
        return
    view = View(scene, web)
    with Live(view, console=screen, screen=True, refresh_per_second=_REFRESH):
        yield view.show


@contextmanager
def _told(once: bool) -> Iterator[None]:
    """The edge of the command: failures become a message on stderr and an exit code; Ctrl-C ends the live view well."""
    try:
        with told():
            try:
                yield
            except psycopg.Error as cause:
                raise server_failed(cause) from cause
    except KeyboardInterrupt:
        typer.echo("the demo has ended; nothing of it is left running", err=True)
        raise typer.Exit(_FAILED if once else 0) from None


def _print(report: "Report", output: Output) -> None:
    figures = report.as_json()
    if output is Output.JSON:
        typer.echo(json.dumps(figures, indent=1))
        return
    table = Table("figure", "value", box=box.SIMPLE_HEAD, title="headrace demo --once", title_justify="left")
    for name, value in figures.items():
        if name != "tables":
            table.add_row(_named(name), _shown(value))
    for name, counts in figures["tables"].items():
        table.add_row(name, ", ".join(f"{side} {count:,}" for side, count in counts.items()))
    Screen().print(table)


def _named(figure: str) -> str:
    """A figure's name in words; a kind of failures keeps its own."""
    return figure if "." in figure else figure.replace("_", " ")


def _inside(text: str) -> str:
    """Figures within a figure stand below it."""
    return "\n  " + text.replace("\n", "\n  ") if "\n" in text else text


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "\n".join(f"{_named(name)}: {_inside(_shown(part))}" for name, part in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
