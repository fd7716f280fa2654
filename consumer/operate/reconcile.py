"""`headrace reconcile`: tables compared with their source."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from consumer.core.plans import RECONCILE
from consumer.core.steering import Steer
from consumer.operate.listing import Column, Remark, listing
from consumer.operate.looks import console, facts, number, said
from consumer.operate.opening import recoveries_of, repairs_of
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
from consumer.ports.recovering import Recoveries, Step, Workflow

app = typer.Typer(
    name="reconcile",
    help="Tables compared with their source: by sums of key ranges, then by keys, at a common position.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
KIND = RECONCILE


@app.command("start")
def start(
    table: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="As schema.table; all if none.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it to workers, and return at once.")] = False,
    reason: Reason = "",
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Compare tables with their source, and name the rows and columns that differ.

    Nothing is written but what was found. Ended at any moment, it is gone on with by workers whose settings have
    source.dsn, or by `headrace reconcile wait`. Exit code 5 when rows differ or a table could not be compared.
    """
    note = because(reason)
    with reported(), recoveries_of(config) as desk:
        made = desk.start(KIND, {"tables": table or []}, note)
        say(f"comparison {made}")
        if detach:
            show([{"number": made}], {}, output) if output is not Output.TABLE else typer.echo(made)
            return
        _compared(desk, made, config, output)


@app.command("wait")
def wait(at: Number, config: Config = None, output: Format = Output.TABLE) -> None:
    """Go on with a comparison here, beside workers that may, until it has come to its end. Exit codes as `start`."""
    with reported(), recoveries_of(config) as desk:
        _found(desk, at)
        _compared(desk, at, config, output)


@app.command("ls")
def ls(config: Config = None, limit: Limit = 20, output: Format = Output.TABLE) -> None:
    """List comparisons, newest first. Exit code 3 when there are none."""
    with reported(), recoveries_of(config) as desk:
        listed = desk.workflows(limit, KIND)
        if not listed:
            raise nothing("nothing was compared yet")
        rows = [summed(each) for each in listed]
        remarks = [Remark(f"comparison {each.id}", each.why) for each in listed if each.why]
        listing(rows, _LISTED, output, remarks)


@app.command("show")
def show_one(at: Number, config: Config = None, output: Format = Output.TABLE) -> None:
    """Show what came of a comparison, table by table. Exit code 3 when there is no such comparison."""
    with reported(), recoveries_of(config) as desk:
        _show(_found(desk, at), output)


@app.command("keys")
def keys(
    at: Number,
    verdict: Annotated[
        list[str] | None, typer.Option(help="Only these: missing, extra, different, moving, suspected.")
    ] = None,
    config: Config = None,
    limit: Limit = 100,
    output: Format = Output.TABLE,
) -> None:
    """Show the keys of rows that differ, and which columns do. That somebody looked is kept.

    Exit code 3 when there are none.
    """
    with reported(), recoveries_of(config) as desk:
        differing = desk.keys(at, Note(actor(), "headrace reconcile keys"), verdicts=verdict or [], most=limit)
        if not differing:
            raise nothing("no row differs")
        rows = [
            {
                "table": each.table,
                "key": each.key if output is not Output.TABLE else ", ".join(each.key),
                "verdict": each.verdict,
                "columns": each.columns if output is not Output.TABLE else ", ".join(each.columns),
                "found_at": each.found_at,
            }
            for each in differing
        ]
        listing(rows, _KEYS, output)


deciding(
    app,
    {
        Steer.PAUSE: "Read nothing more until it is resumed.",
        Steer.RESUME: "Go on with one that is paused or has stopped, where it was.",
        Steer.CANCEL: "Read nothing more; what was found stays.",
    },
)


@app.command("repair")
def repair(
    at: Number,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Have the source send the rows again that are missing or different, by an incremental snapshot of their keys.

    Rows that only the target has are not touched: `headrace recover rebuild` deletes them. Exit code 3 when nothing
    can be asked for, 4 when it is not agreed to.
    """
    note = because(reason, dry_run=dry_run)
    with reported(), repairs_of(config) as desk:
        wanted = desk.look(at)
        if output is Output.TABLE:
            extra = f"{number(wanted.extra)} rows that only the target has" if wanted.extra else ""
            asked = said(f"{number(wanted.keys)} rows in {wanted.signals} signals", "bold")
            left = [("not", f"{why}: {number(count)}") for why, count in wanted.left.items()]
            console().print(facts([("asked for", asked), ("left", extra), *left]))
        if not wanted.keys:
            raise nothing("no row can be asked for")
        if not dry_run:
            agreed(f"Ask the source for {wanted.keys} rows?", yes=yes)
            desk.ask(at, wanted.keys, note)
        if output is not Output.TABLE:
            show([asdict(wanted) | {"asked": not dry_run}], {}, output)


_LISTED = (
    Column(title="number", of="number", number=True),
    Column(title="state", of="state"),
    Column(title="tables", of="tables", number=True),
    Column(title="rows", of="rows", number=True),
    Column(title="differ", of="differences", number=True),
    Column(title="began", of="created_at", wide=True),
    Column(title="why", of="reason"),
)
_TABLES = (
    Column(title="table", of="table"),
    Column(title="result", of="verdict"),
    Column(title="rows", of="rows", number=True),
    Column(title="missing", of="missing", number=True),
    Column(title="extra", of="extra", number=True),
    Column(title="different", of="different", number=True),
    Column(title="moving", of="moving", number=True, wide=True),
)
_KEYS = (
    Column(title="table", of="table"),
    Column(title="key", of="key"),
    Column(title="what", of="verdict"),
    Column(title="columns", of="columns"),
)


def _table(step: Step, state: str) -> dict[str, Any]:
    counts = {each: step.counts.get(each, 0) for each in ("missing", "extra", "different", "moving", "suspected")}
    return {
        "table": step.subject["table"],
        # of what has stopped nothing runs any more
        "verdict": state if step.verdict == "running" else step.verdict,
        "source": step.progress.get("source", ""),
        "rows": step.rows,
        **counts,
        "columns": step.progress.get("columns", []),
        "left_out": step.progress.get("left_out", {}),
        "not_compared": step.progress.get("not_compared", ""),
        "started_at": step.started_at,
        "ended_at": step.ended_at,
    }


def _show(workflow: Workflow, output: Output) -> None:
    tables = [_table(step, workflow.state) for step in workflow.steps]
    if output is not Output.TABLE:
        show([summed(workflow.summary) | {"results": tables}], {}, output)
        return
    about = [
        ("comparison", f"{workflow.id}, {workflow.state}"),
        ("why", workflow.why),
        ("asked for", f"{workflow.reason} ({workflow.created_by})"),
    ]
    console().print(facts(about))
    listing(tables, _TABLES, output, _remarks(tables))


def _remarks(tables: list[dict[str, Any]]) -> list[Remark]:
    remarks = []
    for one in tables:
        if one["not_compared"]:
            remarks.append(Remark(one["table"], f"not compared: {one['not_compared']}"))
        if one["left_out"]:
            words = "; ".join(f"{name} ({why})" for name, why in one["left_out"].items())
            remarks.append(Remark(one["table"], f"columns that are not compared: {words}"))
        if one["moving"]:
            remarks.append(Remark(one["table"], f"{one['moving']} rows were written between all looks"))
    return remarks


def _found(desk: Recoveries, at: int) -> Workflow:
    known = found(desk, at)
    if known.kind != KIND:
        raise nothing(f"workflow {at} is no comparison: headrace recover show {at}")
    return known


def _compared(desk: Recoveries, at: int, config: Config, output: Output) -> None:
    known = waited(desk, at, config, lambda workflow: _show(workflow, output))
    if any(step.verdict != "equal" for step in known.steps):
        raise typer.Exit(PARTIAL)
