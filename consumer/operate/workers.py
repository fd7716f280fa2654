"""`headrace workers`: the worker processes of the group, having them leave, and read their settings again."""

import socket
from dataclasses import asdict
from typing import Annotated, Any

import typer

from consumer.operate.listing import Column, Remark, listing, since, size
from consumer.operate.looks import number
from consumer.operate.opening import control_of
from consumer.operate.output import (
    REFUSED,
    Config,
    Format,
    Output,
    Reason,
    Yes,
    agreed,
    because,
    nothing,
    reported,
    say,
)
from consumer.operate.telling import alive, carried_out
from consumer.ports.control import Worker

app = typer.Typer(
    name="workers", help="Worker processes of the group.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command("ls")
def ls(
    config: Config = None,
    here: Annotated[bool, typer.Option("--here", help="Only those that live on this machine, or container.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """List workers: who lives, what each holds and does, and whether its servers answer it.

    One that ended without leaving in order is shown as gone. Exit code 3 when there are none.
    """
    with reported(), control_of(config) as control:
        found = control.workers()
        if here:
            found = [worker for worker in found if worker.host == socket.gethostname() and not worker.gone]
        if not found:
            raise nothing(f"no worker of this group reports itself{' from here' if here else ''}")
        listing([_row(worker) for worker in found], _COLUMNS, output, _remarks(found))


@app.command("drain")
def drain(
    names: Annotated[list[str], typer.Argument(metavar="WORKER...", help="Workers, as `workers ls` names them.")],
    reason: Reason,
    config: Config = None,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Have workers leave after the batch in hand; others take their partitions. They are not started again by
    `headrace run --workers`, but by whatever else starts workers.

    Exit code 3 when no such worker lives, 4 when it is not agreed to, 5 when some did not answer.
    """
    note = because(reason)
    with reported(), control_of(config) as control:
        living = [worker.name for worker in alive(control)]
        wanted = [name for name in living if name in names]
        for name in sorted(set(names) - set(living)):
            say(f"{name} does not report itself")
        if wanted:
            rest = len(living) - len(wanted)
            agreed(f"Have {', '.join(wanted)} leave? Workers that stay: {rest}.", yes=yes)
        carried_out(control, ("drain", ""), wanted, note, output)


@app.command("reload")
def reload(
    reason: Reason,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[WORKER...]", help="Only these; by default all that live.")
    ] = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Have workers read their settings again, as SIGHUP does: what they say of tables and topics, and which are read.

    Each reads its own file. Where anything else is another way than before, or the file can't be read, nothing is
    taken, and the settings of before go on. Exit code 3 when no such worker lives, 4 when one has refused, 5 when some
    did not answer.
    """
    note = because(reason)
    with reported(), control_of(config) as control:
        wanted = [worker.name for worker in alive(control) if not names or worker.name in names]
        told = carried_out(control, ("reload", ""), wanted, note, output)
    if any(one.outcome and one.outcome.startswith("refused") for one in told):
        raise typer.Exit(REFUSED)


_COLUMNS = (
    Column(title="worker", of="name"),
    Column(title="state", of="condition"),
    Column(title="up", of="up", number=True),
    Column(title="seen", of="seen", number=True),
    Column(title="partitions", of="held", number=True),
    Column(title="batch", of="doing", number=True, wide=True),
    Column(title="queue", of="queue", number=True),
    Column(title="memory", of="memory", number=True),
    Column(title="host", of="host", wide=True),
    Column(title="pid", of="process", number=True, wide=True),
)


def _row(worker: Worker) -> dict[str, Any]:
    batch = worker.batch
    return asdict(worker) | {
        "condition": "gone" if worker.gone else worker.state,
        "up": since(worker.started_at),
        "seen": since(worker.seen_at),
        "held": len(worker.partitions),
        "doing": batch and f"{number(batch['records'])} in {batch['seconds']:.1f} s",
        "queue": size(worker.queue_bytes),
        "memory": size(worker.rss_bytes),
        "process": str(worker.pid),
    }


def _remarks(found: list[Worker]) -> list[Remark]:
    gone = [
        Remark(worker.name, f"has not reported for {since(worker.seen_at)}", "Its partitions are taken by others.")
        for worker in found
        if worker.gone
    ]
    away = [
        Remark(worker.name, f"{breaker['name']} is away: {breaker['detail']}", "headrace breakers ls")
        for worker in found
        for breaker in worker.breakers
        if breaker["state"] != "closed" and not worker.gone
    ]
    yielding = [
        Remark(
            worker.name,
            f"holds {', '.join(worker.held_back['priorities'])} tables back: {worker.held_back['why']}",
            "They go on by themselves, and have turns meanwhile.",
        )
        for worker in found
        if worker.held_back and not worker.gone
    ]
    return gone + away + yielding
