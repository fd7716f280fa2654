"""`headrace breakers`: the servers that workers do not ask for a while, and having them asked at once."""

import time
from typing import Annotated, Any

import typer

from consumer.control import Command, Control, Worker
from consumer.desk import Note
from consumer.operate.listing import Column, Remark, age, listing
from consumer.operate.opening import control_of
from consumer.operate.output import PARTIAL, USAGE, Config, Format, Output, Reason, actor, nothing, reported, say

# seconds that workers have to answer
_PATIENCE = 10.0
_LOOK = 0.1

app = typer.Typer(
    name="breakers",
    help="Servers that workers do not ask while they are away.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("ls")
def ls(config: Config = None, output: Format = Output.TABLE) -> None:
    """List the breakers of each worker: closed ones let every question through, open ones none.

    Exit code 3 when no worker reports itself.
    """
    with reported(), control_of(config) as control:
        rows = [_row(worker, breaker) for worker in _alive(control) for breaker in worker.breakers]
        if not rows:
            raise nothing("no worker of this group reports itself")
        remarks = [
            Remark(f"{row['worker']}, {row['name']}", row["detail"], "headrace breakers reset, when it is back")
            for row in rows
            if row["state"] != "closed"
        ]
        listing(rows, _COLUMNS, output, remarks)


@app.command("reset")
def reset(
    name: Annotated[str, typer.Argument(help="The server: target or registry.")],
    reason: Reason,
    worker: Annotated[str | None, typer.Option(help="Only this worker's; by default all that live.")] = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Have a server that is away asked with the next question, instead of when `breaker.reset` has passed.

    Exit code 3 when no such worker lives, 5 when some did not answer.
    """
    if not reason.strip():
        say("this is done for a reason: --reason")
        raise typer.Exit(USAGE)
    with reported(), control_of(config) as control:
        names = [one.name for one in _alive(control) if worker in (None, one.name)]
        if not names:
            raise nothing("no such worker of this group reports itself")
        told = _answered(control, control.tell("reset breaker", name, names, Note(actor(), reason)))
        rows = [{"worker": one.worker, "breaker": one.subject, "outcome": one.outcome} for one in told]
        listing(rows, _OUTCOMES, output)
        if any(one.outcome is None for one in told):
            say("some have not answered; they will when they look")
            raise typer.Exit(PARTIAL)


def _alive(control: Control) -> list[Worker]:
    return [worker for worker in control.workers() if not worker.gone]


def _answered(control: Control, commands: list[int]) -> list[Command]:
    until = time.monotonic() + _PATIENCE
    while True:
        told = control.told(commands)
        if all(one.outcome is not None for one in told) or time.monotonic() > until:
            return told
        time.sleep(_LOOK)


_COLUMNS = (
    Column(title="worker", of="worker"),
    Column(title="server", of="name"),
    Column(title="state", of="state"),
    Column(title="failures", of="failures", number=True),
    Column(title="last failure", of="kind"),
    Column(title="since", of="since", wide=True),
    Column(title="seen", of="seen", number=True, wide=True),
)
_OUTCOMES = (
    Column(title="worker", of="worker"),
    Column(title="breaker", of="breaker"),
    Column(title="outcome", of="outcome"),
)


def _row(worker: Worker, breaker: dict[str, Any]) -> dict[str, Any]:
    return {"worker": worker.name, **breaker, "seen": age(worker.quiet)}
