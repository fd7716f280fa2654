"""Workers told to do something, and what came of it."""

import time
from collections.abc import Sequence

import typer

from consumer.operate.listing import Column, listing
from consumer.operate.output import PARTIAL, Output, nothing, say
from consumer.ports.control import Command, Control, Worker
from consumer.ports.desk import Note

# seconds that workers have to answer, and between looks
_PATIENCE, _LOOK = 10.0, 0.2
_OUTCOMES = (
    Column(title="worker", of="worker"),
    Column(title="told", of="told"),
    Column(title="outcome", of="outcome"),
)


def alive(control: Control) -> list[Worker]:
    """The workers that report themselves."""
    return [worker for worker in control.workers() if not worker.gone]


def carried_out(
    control: Control, order: tuple[str, str], names: Sequence[str], note: Note, output: Output
) -> list[Command]:
    """Have workers do something, by its action and what it is done to, and show and return what they answer.

    Raises typer.Exit without workers, and when some have not answered in time.
    """
    if not names:
        raise nothing("no such worker of this group reports itself")
    action, subject = order
    told = _answered(control, control.tell(action, subject, names, note))
    rows = [{"worker": one.worker, "told": f"{one.action} {one.subject}", "outcome": one.outcome} for one in told]
    listing(rows, _OUTCOMES, output)
    if any(one.outcome is None for one in told):
        say("some have not answered; they will when they look")
        raise typer.Exit(PARTIAL)
    return told


def _answered(control: Control, commands: list[int]) -> list[Command]:
    until = time.monotonic() + _PATIENCE
    while True:
        told = control.told(commands)
        if all(one.outcome is not None for one in told) or time.monotonic() > until:
            return told
        time.sleep(_LOOK)
