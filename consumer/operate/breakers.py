"""`headrace breakers`: the servers that workers do not ask for a while, and having them asked at once."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from consumer.operate.listing import Column, Remark, age, listing
from consumer.operate.opening import control_of
from consumer.operate.output import Config, Format, Output, Reason, because, nothing, reported
from consumer.operate.telling import alive, carried_out
from consumer.ports.control import Worker

app = typer.Typer(
    name="breakers",
    help="Servers that workers do not ask while they are away.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Server(StrEnum):
    """Whom workers do not ask while it is away."""

    TARGET = "target"
    REGISTRY = "registry"


@app.command("ls")
def ls(config: Config = None, output: Format = Output.TABLE) -> None:
    """List the breakers of each worker: closed ones let every question through, open ones none.

    Exit code 3 when no worker reports itself.
    """
    with reported(), control_of(config) as control:
        rows = [_row(worker, breaker) for worker in alive(control) for breaker in worker.breakers]
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
    name: Annotated[Server, typer.Argument(help="The server.")],
    reason: Reason,
    worker: Annotated[str | None, typer.Option(help="Only this worker's; by default all that live.")] = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Have a server that is away asked with the next question, instead of when `breaker.reset` has passed.

    Exit code 3 when no such worker lives, 5 when some did not answer.
    """
    note = because(reason)
    with reported(), control_of(config) as control:
        names = [one.name for one in alive(control) if worker in (None, one.name)]
        carried_out(control, ("reset breaker", name.value), names, note, output)


_COLUMNS = (
    Column(title="worker", of="worker"),
    Column(title="server", of="name"),
    Column(title="state", of="state"),
    Column(title="failures", of="failures", number=True),
    Column(title="last failure", of="kind"),
    Column(title="since", of="since", wide=True),
    Column(title="seen", of="seen", number=True, wide=True),
)


def _row(worker: Worker, breaker: dict[str, Any]) -> dict[str, Any]:
    return {"worker": worker.name, **breaker, "seen": age(worker.quiet)}
