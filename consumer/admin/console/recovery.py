"""Comparisons with the source, and recoveries: started, followed, decided about; what was found."""

from typing import Annotated, Any, Literal

from fastapi import Form as Sent
from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.console.ways import WAYS
from consumer.admin.inputs import Id, Input, Tables, Text
from consumer.admin.locking import steering
from consumer.admin.problems import Absent, there
from consumer.admin.roles import Asker, needs
from consumer.core.decision import Undecidable
from consumer.core.plans import RECONCILE, Planned
from consumer.core.roles import Role
from consumer.core.steering import Steer, offered
from consumer.core.workflow import ACTIVE, WAITING_FOR_A_PERSON
from consumer.ports.desk import Note
from consumer.ports.recovering import Repair

routes = pages()

_LISTED, _KEYS = 50, 500


class Comparing(Form):
    """Tables; none for all."""

    table: Tables = Field(default_factory=list)


class Wanted(Input):
    """What is to be done, as the page's fields say it: those that are left empty say nothing."""

    kind: Literal["rebuild", "rewind", "reapply", "erase", "undo", "skip", "adopt", "move"]
    table: Text = ""
    topic: Text = ""
    batch: Text = ""
    partition: Text = ""
    first: Text = ""
    to: Text = ""
    compare: bool = False
    discard_letters: bool = False

    @property
    def subject(self) -> dict[str, Any]:
        """The same for the desk."""
        if self.kind == "rebuild":
            return {"table": self.table}
        if self.kind == "move":
            return {"table": self.table, "to": self.to}
        if self.kind == "undo":
            return {"batch": _number(self.batch)}
        if self.batch:
            table = {"table": self.table} if self.table else {}
            return {"batch": _number(self.batch), **table, "compare": self.compare}
        numbers = {name: _number(text) for name, text in (("partition", self.partition), ("first", self.first)) if text}
        to: dict[str, Any] = {"to": _number(self.to) if self.kind == "skip" else self.to} if self.to else {}
        letters = {"discard_letters": True} if self.discard_letters else {}
        return {"topic": self.topic, **numbers, **to, **letters, "compare": self.compare}


class Begun(Wanted, Form):
    """The same, agreed to."""


class Asked(Form):
    """Agreed to: the number of rows that a person has typed."""

    expect: Annotated[int, Field(ge=1, le=1_000_000)]


@routes.get("/recovery")
@needs(Role.VIEWER)
def recovery(request: Request, doors: Doored) -> Response:
    """All of them, and the form that starts a comparison."""
    with doors.through(doors.recoveries) as desk:
        return render(request, "recovery.html", workflows=desk.workflows(_LISTED), tables=desk.tables(), ways=WAYS)


@routes.post("/recovery")
@needs(Role.OPERATOR)
def compare(doors: Doored, asker: Asker, sent: Annotated[Comparing, Sent()]) -> Response:
    """Have tables compared."""
    with doors.through(doors.recoveries) as desk:
        number = desk.start(RECONCILE, {"tables": sent.table}, Note(asker.name, sent.reason))
    return back(f"/recovery/{number}", "compared")


@routes.get("/recovery/new")
@needs(Role.VIEWER)
def new(request: Request, doors: Doored, wanted: Annotated[Wanted, Query()]) -> Response:
    """The steps that it would have, and the form that has it done."""
    steps: list[Planned] = []
    why = ""
    try:
        with doors.through(doors.recoveries) as desk:
            steps = desk.planned(wanted.kind, wanted.subject)
    except Undecidable as refused:
        why = str(refused)
    return render(request, "recovery_new.html", wanted=wanted, way=WAYS[wanted.kind], steps=steps, why=why)


@routes.post("/recovery/new")
@needs(Role.OPERATOR)
def recover(doors: Doored, asker: Asker, sent: Annotated[Begun, Sent()]) -> Response:
    """Have it done."""
    with doors.through(doors.recoveries) as desk:
        number = desk.start(sent.kind, sent.subject, Note(asker.name, sent.reason))
    return back(f"/recovery/{number}", "begun")


@routes.get("/recovery/{number}")
@needs(Role.VIEWER)
def workflow(request: Request, doors: Doored, number: Id) -> Response:
    """One of them, step by step."""
    with doors.through(doors.recoveries) as desk:
        found = there(desk.workflow(number), "workflow", number)
    return render(
        request,
        "workflow.html",
        workflow=found,
        decisions=offered(active=found.state in ACTIVE, waits=found.state in WAITING_FOR_A_PERSON),
    )


@routes.get("/recovery/{number}/keys")
@needs(Role.CONTENT)
def keys(request: Request, doors: Doored, asker: Asker, number: Id) -> Response:
    """Rows that differ, by their keys; that somebody looked is kept."""
    with doors.through(doors.recoveries) as desk:
        found = there(desk.workflow(number), "workflow", number)
        rows = desk.keys(number, Note(asker.name, "the console's page of rows that differ"), most=_KEYS)
    return render(request, "differing.html", workflow=found, rows=rows, most=_KEYS)


@routes.get("/recovery/{number}/rows")
@needs(Role.CONTENT)
def rows(request: Request, doors: Doored, asker: Asker, number: Id) -> Response:
    """Rows of a batch that is to be taken back; that somebody looked is kept."""
    with doors.through(doors.recoveries) as desk:
        found = there(desk.workflow(number), "workflow", number)
        listed = desk.rows(number, Note(asker.name, "the console's page of rows of a batch"), _KEYS)
    return render(request, "batch_rows.html", workflow=found, rows=listed, most=_KEYS)


@routes.get("/recovery/{number}/repair")
@needs(Role.VIEWER)
def look(request: Request, doors: Doored, number: Id) -> Response:
    """What the source would be asked for, and the form that has it asked."""
    repair: Repair | None = None
    why = ""
    try:
        with doors.through(doors.repairs) as desk:
            repair = desk.look(number)
    except Undecidable as refused:
        why = str(refused)
    return render(request, "repair.html", number=number, found=repair, why=why)


@routes.post("/recovery/{number}/repair")
@needs(Role.OPERATOR)
def ask(doors: Doored, asker: Asker, number: Id, sent: Annotated[Asked, Sent()]) -> Response:
    """Ask for them."""
    with doors.through(doors.repairs) as desk:
        desk.ask(number, sent.expect, sent.note(asker.name))
    return back(f"/recovery/{number}", "repaired")


@routes.post("/recovery/{number}/{action}")
@needs(Role.OPERATOR)
@steering
def decide(
    doors: Doored,
    asker: Asker,
    number: Id,
    action: Steer,
    sent: Annotated[Form, Sent()],
) -> Response:
    """Pause, resume or cancel it."""
    with doors.through(doors.recoveries, steering=True) as desk:
        if not desk.decide(number, action, sent.note(asker.name)):
            raise Absent.of("workflow", number)
    return RedirectResponse(f"/recovery/{number}?said=decided", 303)


def _number(text: str) -> int | str:
    """A number where it is one; else what is refused as none."""
    return int(text) if text.isascii() and text.isdecimal() else text
