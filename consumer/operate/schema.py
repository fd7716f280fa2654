"""`headrace schema`: changes of target tables that wait, agreeing to them, and what was changed."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from consumer.core.decision import Undecidable
from consumer.operate.opening import desk_of
from consumer.operate.output import (
    PARTIAL,
    Config,
    Format,
    Limit,
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
from consumer.ports.desk import SchemaChange

_MOST = 1000
_PLANNED, _REFUSED = "planned", "refused"

app = typer.Typer(
    name="schema", help="Target tables that follow their source.", no_args_is_help=True, pretty_exceptions_enable=False
)
Table = Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Only this target table, as schema.table.")]


@app.command("plan")
def plan(config: Config = None, table: Table = None, output: Format = Output.TABLE) -> None:
    """Show the changes that wait: their statements, why they are needed, and for what they wait.

    planned ones wait for `headrace schema apply`, approved ones for the next rows that need them, and refused ones for
    a person or other settings. Exit code 3 when there are none.
    """
    with reported(), desk_of(config) as desk:
        found = desk.schema_changes(table, waiting=True, most=_MOST)
        if not found:
            raise nothing("no change waits")
        _show(found, _PLAN, output)
        for reason in _reasons([change for change in found if change.state != "approved"]):
            say(reason)


@app.command("apply")
def apply(
    which: Annotated[str, typer.Argument(metavar="TABLE|ID", help="A target table as schema.table, or a change's id.")],
    reason: Reason,
    config: Config = None,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Agree to planned changes. They are made with the first rows that need them, within seconds where a worker runs.

    Exit code 3 when nothing is planned, 4 when it is refused by the settings or not agreed to, 5 when something of it
    is not planned any more.
    """
    note = because(reason)
    with reported(), desk_of(config) as desk:
        table = None if which.isdecimal() else which
        found = desk.schema_changes(table, waiting=True, most=_MOST)
        found = [change for change in found if table is not None or change.id == int(which)]
        planned = [change for change in found if change.state == _PLANNED]
        if not planned and any(change.state == _REFUSED for change in found):
            raise Undecidable("; ".join(_reasons(found)))
        if not planned:
            raise nothing(f"nothing is planned for {which}")
        for change in planned:
            say(f"{change.id}, table {change.table}: {change.statement}")
        agreed("Change the target so?", yes=yes)
        done = desk.approve([change.id for change in planned], note)
        _show([change for change in planned if change.id in done.changes], _APPROVED, output)
        say(f"partitions that go on: {len(done.partitions)}")
        if len(done.changes) < len(planned):
            raise typer.Exit(PARTIAL)


@app.command("history")
def history(config: Config = None, table: Table = None, limit: Limit = 20, output: Format = Output.TABLE) -> None:
    """List changes of target tables, newest first. Exit code 3 when there are none."""
    with reported(), desk_of(config) as desk:
        found = desk.schema_changes(table, waiting=False, most=limit)
        if not found:
            raise nothing("no change matches")
        _show(found, _HISTORY, output)
        if len(found) == limit:
            say("there may be more: raise --limit, or name a table")


_STEP = {"change": "change", "statement": "statement"}
_PLAN = {"id": "id", "table": "table", "state": "state", "schema id": "schema_id", **_STEP, "why": "why"}
_APPROVED = {"id": "id", "table": "table", **_STEP}
_HISTORY = {
    "id": "id",
    "table": "table",
    "state": "state",
    "schema id": "schema_id",
    **_STEP,
    "approved by": "decided_by",
    "applied": "applied_at",
    "by": "applied_by",
    "failure": "failure",
}


def _reasons(found: Sequence[SchemaChange]) -> list[str]:
    """Why they wait, and what to do; changes of one plan say the same."""
    return list(dict.fromkeys(f"{change.reason}. {change.remedy}" for change in found if change.remedy))


def _show(found: Sequence[SchemaChange], columns: dict[str, str], output: Output) -> None:
    """To programs with all that is known."""
    rows = [asdict(change) for change in found]
    if output is Output.TABLE:
        rows = [row | {"failure": (row["error"] or {}).get("kind")} for row in rows]
    show(rows, columns, output)
