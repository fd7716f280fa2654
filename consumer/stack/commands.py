"""`headrace stack up`, `down` and `status`. stdout is data, stderr is progress.

Importing this module needs nothing of the extra `headrace[stack]`; without it the commands end with the remedy.
"""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from consumer.stack import options
from consumer.stack.failures import told

if TYPE_CHECKING:
    from consumer.stack.status import StackStatus

DEFAULT_DIR = Path(".headrace/stack")
_FAILED, _NOTHING = 1, 3
_WIDTH = 120

app = typer.Typer(
    name="stack",
    help="A real stack on this machine: PostgreSQL, Kafka, schema registry and Debezium, without Docker or root.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Output(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"


class Part(StrEnum):
    """A part of the stack."""

    SOURCE = options.SOURCE
    TARGET = options.TARGET
    KAFKA = options.KAFKA
    REGISTRY = options.REGISTRY
    CONNECT = options.CONNECT


DataDir = Annotated[Path, typer.Option(help="Where the stack keeps its data and logs.")]
Parts = Annotated[list[Part] | None, typer.Option("--part", help="Only this part; may be repeated. [default: all]")]
Format = Annotated[Output, typer.Option("--output", help="How data is written to stdout.")]


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DIR,
    part: Parts = None,
    detach: Annotated[bool, typer.Option(help="Return when ready; `stack down` ends it.")] = False,
    exactly_once: Annotated[bool, typer.Option(help="Exactly-once support for source connectors.")] = False,
    jdbc_sink: Annotated[bool, typer.Option(help="Also provide the Debezium JDBC sink connector.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Start the stack and keep it until Ctrl-C. Data of an earlier one in the same directory is used again."""
    chosen = frozenset(str(each) for each in part) if part else options.ALL_PARTS
    wanted = options.StackOptions(exactly_once_source=exactly_once, with_jdbc_sink=jdbc_sink)
    with told():
        if detach:
            _up_detached(data_dir, chosen, wanted, output)
        else:
            _up_here(data_dir, chosen, wanted, output)


@app.command()
def prepare() -> None:
    """Download all programs, and keep the classes that Java loads: a start takes half the time then. Not needed."""
    with told():
        from consumer.stack import assembly, classes
        from consumer.stack.artifacts import Artifacts
        from consumer.stack.progress import Terminal

        reporter = Terminal()
        Artifacts(reporter).fetch(assembly.bundles(options.ALL_PARTS, options.StackOptions(with_jdbc_sink=True)))
        _say(f"archives of loaded classes: {', '.join(classes.archive(reporter)) or 'none'}")


@app.command()
def down(data_dir: DataDir = DEFAULT_DIR) -> None:
    """End the stack; its data stays. Exit code 3 when nothing runs there."""
    with told():
        from consumer.stack import supervisor

        if not supervisor.end(data_dir):
            _say(f"nothing runs in {data_dir}")
            raise typer.Exit(_NOTHING)
        _say(f"the stack in {data_dir} has ended; its data stays")


@app.command()
def status(data_dir: DataDir = DEFAULT_DIR, output: Format = Output.TABLE) -> None:
    """Show each part. Exit code 0: all up, 1: not all, 3: there is no stack in this directory."""
    with told():
        from consumer.stack.status import status as look

        found = look(data_dir)
        if found is None:
            _say(f"there is no stack in {data_dir}; start one with: headrace stack up --data-dir {data_dir}")
            raise typer.Exit(_NOTHING)
        _show(found, output, _console())
        if not found.up:
            raise typer.Exit(_FAILED)


def _up_here(data_dir: Path, parts: frozenset[str], wanted: options.StackOptions, output: Output) -> None:
    from consumer.stack import supervisor
    from consumer.stack.progress import Terminal
    from consumer.stack.stack import Stack
    from consumer.stack.status import status as look

    found = None
    try:
        with supervisor.ended_by_signals(), Stack.open(data_dir, parts, wanted, Terminal()) as stack:
            found = look(data_dir)
            if found is not None:
                _show_ready(found, output)
            _say("Ctrl-C ends it.")
            supervisor.hold(stack, _say)
    except KeyboardInterrupt:
        _say(f"the stack in {data_dir} has ended; its data stays")
        if found is None:
            raise typer.Exit(_FAILED) from None


def _up_detached(data_dir: Path, parts: frozenset[str], wanted: options.StackOptions, output: Output) -> None:
    from consumer.stack import assembly, supervisor
    from consumer.stack.artifacts import Artifacts
    from consumer.stack.progress import Terminal
    from consumer.stack.status import status as look

    # Downloads happen here, where their progress is seen.
    Artifacts(Terminal()).fetch(assembly.bundles(assembly.check(parts), wanted))
    words = [word for name in sorted(parts) for word in ("--part", name)]
    words += ["--exactly-once"] if wanted.exactly_once_source else []
    words += ["--jdbc-sink"] if wanted.with_jdbc_sink else []
    with Console(stderr=True).status("starting"):
        supervisor.detach(data_dir, words)
    found = look(data_dir)
    if found is not None:
        _show_ready(found, output)
    _say(f"End it with: headrace stack down --data-dir {data_dir}")


def _show_ready(found: "StackStatus", output: Output) -> None:
    """Once ready: the table for people on stderr, and JSON for programs on stdout where it was asked for."""
    _show(found, Output.TABLE, _console(stderr=True))
    if output is Output.JSON:
        _show(found, output, _console())


def _console(stderr: bool = False) -> Console:
    """A console wide enough that an address is never cut, so that it can be copied."""
    console = Console(stderr=stderr)
    console.width = max(console.width, _WIDTH)
    return console


def _show(found: "StackStatus", output: Output, console: Console) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(_as_json(found), indent=1))
        return
    table = Table(
        "part", "state", "address", "pid", box=box.SIMPLE_HEAD, title=f"stack in {found.data_dir}", title_justify="left"
    )
    addresses = _addresses(found)
    for part in found.parts:
        state = "[green]up[/green]" if part.up else "[yellow]starting[/yellow]" if part.running else "[red]down[/red]"
        table.add_row(part.name, state, addresses[part.name], str(part.pid or "-"))
    console.print(table)


def _addresses(found: "StackStatus") -> dict[str, str]:
    where = found.endpoints
    names = (options.SOURCE, options.TARGET, options.KAFKA, options.REGISTRY, options.CONNECT)
    values = (where.source_dsn, where.target_dsn, where.kafka, where.registry_url, where.connect_url)
    return dict(zip(names, values, strict=True))


def _as_json(found: "StackStatus") -> dict[str, object]:
    parts = [asdict(part) | {"up": part.up} for part in found.parts]
    return {
        "data_dir": str(found.data_dir),
        "up": found.up,
        "supervisor": found.supervisor,
        "parts": parts,
        "endpoints": asdict(found.endpoints),
    }


def _say(text: str) -> None:
    typer.echo(text, err=True)


if __name__ == "__main__":
    app()
