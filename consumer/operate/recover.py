"""`headrace recover`: a table rebuilt, a partition set back, a range passed, a topic that was made anew adopted."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from consumer.core.plans import Planned
from consumer.core.steering import Steer
from consumer.operate.listing import Column, Remark, listing
from consumer.operate.looks import console, facts
from consumer.operate.opening import recoveries_of
from consumer.operate.options import Option, also
from consumer.operate.output import (
    PARTIAL,
    Config,
    DryRun,
    Format,
    Limit,
    Output,
    Reason,
    Yes,
    actor,
    agreed,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.operate.workflows import Number, deciding, found, summed, waited
from consumer.ports.desk import Note
from consumer.ports.recovering import BatchRow, Step, Workflow

app = typer.Typer(
    name="recover",
    help="Recoveries that take many steps, and go on after any end of a process, where they were.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="A topic that the group reads.")]
Part = Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition of it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Leave it to workers, and return at once.")]
Compare = Annotated[bool, typer.Option("--compare", help="Compare its tables with their source at the end.")]


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a recovery is about, and what is asked before it is started."""

    subject: Mapping[str, Any]
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """What a person says beside what is meant."""

    reason: str
    dry_run: bool
    yes: bool
    detach: bool
    config: Config
    output: Output


_OPTIONS: Mapping[str, Option] = {
    "reason": (Reason, ""),
    "dry_run": (DryRun, False),
    "yes": (Yes, False),
    "detach": (Detach, False),
    "config": (Config, None),
    "output": (Format, Output.TABLE),
}


def _starts(kind: str) -> Callable[[Callable[..., _Meant]], Callable[..., Any]]:
    """A command that starts a recovery of this kind; the function says what is meant by its own parameters."""

    def registered(meant: Callable[..., _Meant]) -> Callable[..., Any]:
        @wraps(meant)
        def command(**given: Any) -> None:
            how = _How(**{name: given.pop(name) for name in _OPTIONS})
            _start(kind, meant(**given), how)

        return app.command(kind)(also(command, meant, _OPTIONS))

    return registered


def _start(kind: str, meant: _Meant, how: _How) -> None:
    note = because(how.reason, dry_run=how.dry_run)
    with reported(), recoveries_of(how.config) as desk:
        steps = desk.planned(kind, meant.subject)
        if how.dry_run:
            listing([_planned(place, each, how.output) for place, each in enumerate(steps, 1)], _PLANNED, how.output)
            return
        agreed(meant.question, yes=how.yes)
        made = desk.start(kind, meant.subject, note)
        say(f"{kind} {made}")
        if how.detach:
            show([{"number": made}], {}, how.output) if how.output is not Output.TABLE else typer.echo(made)
            return
        _judged(waited(desk, made, how.config, lambda workflow: _show(workflow, how.output)))


def _planned(place: int, step: Planned, output: Output) -> dict[str, Any]:
    subject = _words(step.subject) if output is Output.TABLE else step.subject
    return {"number": place, "act": step.act, "subject": subject}


@_starts("rebuild")
def rebuild(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A target table, as schema.table.")],
) -> _Meant:
    """Have the source send all rows of a table again, delete those that it lacks, and compare.

    The table stays readable, and changes go on meanwhile. Needs source.dsn and a connector that takes signals. Exit
    code 5 when rows still differ.
    """
    question = f"Have the source send {table} again, and delete the rows that it lacks?"
    return _Meant({"table": table}, question)


@_starts("rewind")
def rewind(
    topic: Topic,
    to: Annotated[str, typer.Option("--to", help="An offset, a time with its zone, or earliest.")],
    partition: Part = None,
    compare: Compare = False,
) -> _Meant:
    """Set partitions back and apply what is behind again, in order; the tables end up the same.

    One that stands in front of it already stays there. What histories have of what comes again is deleted first.
    Refused for tables with the mode append or match, where rows would stand twice, and for histories of a topic that
    was made anew.
    """
    subject = {"topic": topic, "partition": partition, "to": to, "compare": compare}
    return _Meant(subject, f"Apply {topic} again from {to}?")


@_starts("skip")
def skip(
    topic: Topic,
    partition: Annotated[int, typer.Option("--partition", min=0, help="The partition.")],
    first: Annotated[int, typer.Option("--first", min=0, help="The first offset that is passed.")],
    to: Annotated[int, typer.Option("--to", min=1, help="The offset behind the last one.")],
) -> _Meant:
    """Pass a range of offsets without applying it, once the position has come to it."""
    subject = {"topic": topic, "partition": partition, "first": first, "to": to}
    question = f"Pass offsets {first} to {to - 1} of partition {partition} of {topic} without applying them?"
    return _Meant(subject, question)


@_starts("adopt")
def adopt(
    topic: Topic,
    discard_letters: Annotated[
        bool, typer.Option("--discard-letters", help="Give up its open letters, whose offsets mean nothing any more.")
    ] = False,
    compare: Compare = False,
) -> _Meant:
    """Read a topic that was deleted and made again from its start, all its partitions."""
    subject = {"topic": topic, "discard_letters": discard_letters, "compare": compare}
    return _Meant(subject, f"Read {topic}, which was made anew, from its start?")


@_starts("reapply")
def reapply(
    batch: Annotated[int, typer.Argument(metavar="BATCH", min=1, help="As `headrace batches ls` shows it.")],
    compare: Compare = False,
) -> _Meant:
    """Apply the records of a batch again, and all behind them. Rows that they have added to histories are deleted with
    the positions' going back, so that each is there once.
    """
    question = f"Apply the records of batch {batch} again, and all behind them?"
    return _Meant({"batch": batch, "compare": compare}, question)


@_starts("erase")
def erase(
    batch: Annotated[int, typer.Argument(metavar="BATCH", min=1, help="As `headrace batches ls` shows it.")],
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A history, as schema.table.")],
) -> _Meant:
    """Delete the rows that a batch has added to a history; nothing is applied again."""
    return _Meant({"batch": batch, "table": table}, f"Delete the rows that batch {batch} has added to {table}?")


@_starts("undo")
def undo(
    batch: Annotated[int, typer.Argument(metavar="BATCH", min=1, help="As `headrace batches ls` shows it.")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it at once, if every row can be taken back.")] = False,
) -> _Meant:
    """Make the rows of a batch what they were before it, by the before images of its records.

    Rows are looked at first, and listed by `recover rows` with what would be done or why it can't be; it goes on with
    `recover resume`. Done only when every row can be, in one transaction. Positions stay: nothing is applied again.
    """
    question = (
        f"Take batch {batch} back, if every row of it can be?" if apply else f"Look at the rows of batch {batch}?"
    )
    return _Meant({"batch": batch, "apply": apply}, question)


@_starts("move")
def move(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A target table, as schema.table.")],
    to: Annotated[str, typer.Option("--to", help="Its new name, as schema.table.")],
) -> _Meant:
    """Give a table another name, with its letters and all that is known of it. Its topic is paused until the settings
    say the name and every worker has read them; the workflow stops there, and goes on with `recover resume`.
    """
    question = f"Rename {table} to {to}, and pause its topic until the workers know?"
    return _Meant({"table": table, "to": to}, question)


@app.command("wait")
def wait(at: Number, config: Config = None, output: Format = Output.TABLE) -> None:
    """Go on with one here, beside workers that may, until it has come to its end."""
    with reported(), recoveries_of(config) as desk:
        found(desk, at)
        _judged(waited(desk, at, config, lambda workflow: _show(workflow, output)))


@app.command("ls")
def ls(config: Config = None, limit: Limit = 20, output: Format = Output.TABLE) -> None:
    """List recoveries and comparisons, newest first. Exit code 3 when there are none."""
    with reported(), recoveries_of(config) as desk:
        listed = desk.workflows(limit)
        if not listed:
            raise nothing("nothing was recovered or compared yet")
        remarks = [Remark(f"{each.kind} {each.id}", each.why) for each in listed if each.why]
        listing([summed(each) for each in listed], _LISTED, output, remarks)


@app.command("show")
def show_one(at: Number, config: Config = None, output: Format = Output.TABLE) -> None:
    """Show one, step by step. Exit code 3 when there is no such one."""
    with reported(), recoveries_of(config) as desk:
        _show(found(desk, at), output)


@app.command("rows")
def rows(at: Number, config: Config = None, limit: Limit = 100, output: Format = Output.TABLE) -> None:
    """List the rows of a batch that is to be taken back, first those that can't be. Exit code 3 when there are none."""
    with reported(), recoveries_of(config) as desk:
        found(desk, at)
        listed = desk.rows(at, Note(actor(), "headrace recover rows"), limit)
        if not listed:
            raise nothing("it has looked at no rows of a batch")
        listing([_row(each, output) for each in listed], _ROWS, output)


deciding(
    app,
    {
        Steer.PAUSE: "Do nothing more until it is resumed.",
        Steer.RESUME: "Go on with one that is paused or has stopped, where it was.",
        Steer.CANCEL: "Do nothing more; what was done stays.",
    },
)

_LISTED = (
    Column(title="number", of="number", number=True),
    Column(title="what", of="kind"),
    Column(title="state", of="state"),
    Column(title="steps", of="steps"),
    Column(title="rows", of="rows", number=True),
    Column(title="differ", of="differences", number=True),
    Column(title="why", of="reason"),
)
_STEPS = (
    Column(title="step", of="number", number=True),
    Column(title="what", of="act"),
    Column(title="of", of="about"),
    Column(title="result", of="verdict"),
    Column(title="how far", of="progress"),
)
_ROWS = (
    Column(title="topic", of="topic"),
    Column(title="partition", of="partition", number=True),
    Column(title="offset", of="offset", number=True),
    Column(title="table", of="table"),
    Column(title="row", of="key"),
    Column(title="is", of="effect"),
    Column(title="why not", of="why"),
)
_PLANNED = (
    Column(title="step", of="number", number=True),
    Column(title="what", of="act"),
    Column(title="with", of="subject"),
)


def _row(row: BatchRow, output: Output) -> dict[str, Any]:
    told = asdict(row)
    return told | {"key": _words(row.key)} if output is Output.TABLE else told


def _judged(workflow: Workflow) -> None:
    if workflow.differences:
        say(f"{workflow.differences} rows differ: headrace reconcile keys {workflow.id}")
        raise typer.Exit(PARTIAL)


def _show(workflow: Workflow, output: Output) -> None:
    steps = [_step(step, output) for step in workflow.steps]
    if output is not Output.TABLE:
        show([summed(workflow.summary) | {"results": steps}], {}, output)
        return
    about = [
        (workflow.kind, f"{workflow.id}, {workflow.state}"),
        ("why", workflow.why),
        ("asked for", f"{workflow.reason} ({workflow.created_by})"),
    ]
    console().print(facts(about))
    listing(steps, _STEPS, output)


def _step(step: Step, output: Output) -> dict[str, Any]:
    about = str(step.subject.get("table") or step.subject.get("topic") or "")
    if (batch := step.subject.get("batch")) is not None:
        about = f"batch {batch}"
    if (partition := step.subject.get("partition")) is not None:
        about += f" {partition}"
    # rows that are watched are known by their keys
    told = {name: value for name, value in step.progress.items() if name in _TOLD and value not in ({}, [], "", None)}
    return {
        "number": step.number,
        "act": step.act,
        "about": about,
        "verdict": step.verdict,
        "progress": _words({**told, **step.counts}) if output is Output.TABLE else told,
        "counts": step.counts,
        "started_at": step.started_at,
        "ended_at": step.ended_at,
    }


_TOLD = frozenset(
    {"rows", "from", "to", "position", "goal", "positions", "goals", "deleted", "taken_back", "written_since"}
    | {"stopped", "not_compared", "restore", "insert", "delete", "nothing", "cannot"}
)


def _words(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in said.items())
