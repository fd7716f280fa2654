"""How comparisons and recoveries are followed and decided about: what `reconcile` and `recover` have in common."""

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from consumer.core.failure import Transient
from consumer.core.steering import Steer
from consumer.core.workflow import State
from consumer.operate.looks import number
from consumer.operate.opening import recoveries_of, turns_of
from consumer.operate.output import FAILED, Config, Reason, because, nothing, reported, say
from consumer.ports.recovering import Recoveries, Workflow, WorkflowSummary
from consumer.ports.workflows import Turned

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `ls` shows it.")]

# looks after which somebody would have begun
_NOBODY = 15
# seconds between looks while others take turns
_EVERY = 0.2
# and after a turn that failed, which may do so at once
_AGAIN = 1.0


def waited(desk: Recoveries, at: int, config: Config, shown: Callable[[Workflow], None]) -> Workflow:
    """Take turns, or wait for those who do, until it is over, and show it then. Raises typer.Exit where it stopped.

    What fails and is healed by time is taken again by whoever is first.
    """
    with turns_of(config) as turn, _bar() as bar:
        task = bar.add_task("", total=1.0, said="")
        looks = 0
        while True:
            turned = _turned(turn, at, bar.console) if turn is not None else None
            known = found(desk, at)
            _draw(bar, task, known)
            if known.is_over:
                break
            looks += 1
            if looks == _NOBODY and known.state == State.PLANNED:
                say("nobody has begun it: it waits for a worker whose settings have what it needs (source.dsn)")
            time.sleep(_EVERY if turned is None else min(turned.turn.wait, _EVERY))
    shown(known)
    if known.state != State.DONE:
        say(f"{known.state}: {known.why}")
        raise typer.Exit(FAILED)
    return known


def _turned(turn: Callable[[int], Turned | None], at: int, told: Console) -> Turned | None:
    """A turn; None where others take them, or where it failed and is taken again after a while, which is said."""
    try:
        return turn(at)
    except Transient as error:
        told.print(f"{error.failure.detail} [{error.failure.kind}]", markup=False, highlight=False, soft_wrap=True)
        time.sleep(_AGAIN)
        return None


def deciding(app: typer.Typer, words: Mapping[Steer, str]) -> None:
    """Commands that pause, resume and cancel workflows, with what each says of itself."""
    for decision, said in words.items():
        app.command(decision.value, help=f"{said} Exit code 3 when there is no such one, 4 when that can't be.")(
            _deciding(decision)
        )


def _deciding(decision: Steer) -> Callable[..., None]:
    def decide(at: Number, reason: Reason, config: Config = None) -> None:
        note = because(reason)
        with reported(), recoveries_of(config) as desk:
            found(desk, at)
            desk.decide(at, decision, note)
            say(f"workflow {at} is {found(desk, at).state}")

    return decide


def found(desk: Recoveries, at: int) -> Workflow:
    """The workflow. Raises typer.Exit when there is none."""
    known = desk.workflow(at)
    if known is None:
        raise nothing(f"there is no workflow {at} in this group")
    return known


def summed(workflow: WorkflowSummary) -> dict[str, Any]:
    """A workflow as a row."""
    return {
        "number": workflow.id,
        "kind": workflow.kind,
        "state": workflow.state,
        "tables": workflow.steps,
        "steps": f"{workflow.done} of {workflow.steps}",
        "rows": workflow.rows,
        "differences": workflow.differences,
        "subject": workflow.subject,
        "why": workflow.why,
        "reason": workflow.reason,
        "created_by": workflow.created_by,
        "created_at": workflow.created_at,
        "ended_at": workflow.ended_at,
    }


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[said]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _draw(bar: Progress, task: TaskID, known: Workflow) -> None:
    step = next((each for each in known.steps if each.state != "done"), known.steps[-1])
    about = step.subject.get("table") or step.subject.get("topic") or ""
    words = f"{number(step.rows)} rows" if step.rows else ""
    if step.progress.get("round"):
        words += ", waits for the source's position"
    if step.progress.get("watched"):
        words += f"waits for {step.progress['watched']} rows that are watched"
    if known.why:
        words += f"; {known.why.partition('.')[0]}"
    bar.update(task, description=f"{step.act} {about}", completed=step.share or 0.0, said=words)
