"""Batches: the ledger, and one batch."""

from typing import Annotated, Literal

from fastapi import Form as Sent
from fastapi import Query, Request, Response

from consumer.admin.asking import Doored
from consumer.admin.batches import again
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Id, Number, Word
from consumer.admin.problems import there
from consumer.admin.roles import Asker, needs
from consumer.core.decision import Undecidable
from consumer.core.outcomes import told
from consumer.core.roles import Role
from consumer.ports.desk import Page

routes = pages()

_PAGE, _LETTERS = 30, 100


@routes.get("/batches")
@needs(Role.VIEWER)
def batches(
    request: Request,
    doors: Doored,
    state: Literal["started", "applied", "failed", "abandoned", ""] = "",
    topic: Annotated[Word | None, Query()] = None,
    before: Number | None = None,
) -> Response:
    """The list, newest first."""
    with doors.through(doors.desk) as desk:
        found = desk.batches(Page(state=state or None, topic=topic, before=before, most=_PAGE))
    more = found[-1].id if len(found) == _PAGE else None
    return render(request, "batches.html", batches=found, state=state, topic=topic, more=more)


@routes.get("/batches/{number}")
@needs(Role.VIEWER)
def batch(request: Request, doors: Doored, number: Id) -> Response:
    """One batch."""
    with doors.through(doors.desk) as desk:
        found = there(desk.batch(number), "batch", number)
        parts, letters = desk.checkpoints(number), desk.letters_of(number, _LETTERS)
    return render(request, "batch.html", batch=found, parts=parts, letters=letters, told=told)


@routes.post("/batches/{number}/retry")
@needs(Role.OPERATOR)
def retry(doors: Doored, asker: Asker, number: Id, sent: Annotated[Form, Sent()]) -> Response:
    """Have its partitions tried again now."""
    with doors.through(doors.desk) as desk:
        if not again(desk, number, sent.note(asker.name)):
            raise Undecidable(f"the records of batch {number} are applied by now")
    return back(f"/batches/{number}", "retried")
