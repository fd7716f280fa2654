"""`headrace connectors`: Kafka Connect's connectors, and starting again what has failed."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from consumer.core.connectors import Connector
from consumer.operate.listing import Column, Remark, listing
from consumer.operate.opening import connectors_of
from consumer.operate.output import Config, Format, Output, Reason, because, nothing, reported, say

app = typer.Typer(
    name="connectors", help="Connectors of Kafka Connect.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command("ls")
def ls(config: Config = None, output: Format = Output.TABLE) -> None:
    """List the connectors of `connect.url` and their tasks' states; of failures only the exceptions' classes.

    Exit code 3 when there are none, or no `connect.url` is set.
    """
    with reported(), connectors_of(config) as connect:
        found = connect.all()
        if found is None:
            raise nothing("connect.url is not set")
        if not found:
            raise nothing("Kafka Connect has no connectors")
        remarks = [Remark(one.name, one.why, one.remedy) for one in found if one.why]
        listing([_row(one) for one in found], _COLUMNS, output, remarks)


@app.command("restart")
def restart(
    name: Annotated[str, typer.Argument(help="The connector.")],
    reason: Reason,
    task: Annotated[int | None, typer.Option(min=0, help="Only this task of it, failed or not.")] = None,
    config: Config = None,
) -> None:
    """Start a connector and its tasks again, as far as they have failed. Exit code 3 when there is no such one."""
    note = because(reason)
    with reported(), connectors_of(config) as connect:
        if not connect.restart(name, task, note):
            of = "" if task is None else f" with a task {task}"
            raise nothing(f"Kafka Connect has no connector {name}{of}, or connect.url is not set")
        say("asked; headrace connectors ls says what becomes of it")


_COLUMNS = (
    Column(title="connector", of="name"),
    Column(title="kind", of="kind"),
    Column(title="state", of="condition"),
    Column(title="tasks", of="running", number=True),
    Column(title="topics", of="many", number=True, wide=True),
    Column(title="failure", of="said"),
)


def _row(one: Connector) -> dict[str, Any]:
    running = sum(task.state == "RUNNING" for task in one.tasks)
    return asdict(one) | {
        "topics": sorted(one.topics),
        "condition": one.condition,
        "running": f"{running} of {len(one.tasks)}",
        "many": len(one.topics),
        "said": "; ".join(one.failures) or None,
    }
