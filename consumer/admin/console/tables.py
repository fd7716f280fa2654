"""Tables and schema plans."""

from typing import Annotated

from fastapi import Form as Sent
from fastapi import Request, Response
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Numbers
from consumer.admin.roles import Asker, needs
from consumer.core.decision import Undecidable
from consumer.core.roles import Role

routes = pages()

_MOST = 200


class Approving(Form):
    """Changes to agree to."""

    change: Annotated[Numbers, Field(min_length=1)]


@routes.get("/tables")
@needs(Role.VIEWER)
def tables(request: Request, doors: Doored) -> Response:
    """The page."""
    with doors.through(doors.control) as control:
        states, pauses = control.tables(), control.pauses()
    with doors.through(doors.desk) as desk:
        waiting = desk.schema_changes(None, waiting=True, most=_MOST)
        history = desk.schema_changes(None, waiting=False, most=_MOST)
    there = {change.id for change in waiting}
    paused = {pause.of.table: pause for pause in pauses if pause.of.table}
    past = [change for change in history if change.id not in there]
    return render(request, "tables.html", tables=states, paused=paused, waiting=waiting, history=past)


@routes.post("/tables/approve")
@needs(Role.OPERATOR)
def approve(doors: Doored, asker: Asker, sent: Annotated[Approving, Sent()]) -> Response:
    """Agree to planned changes."""
    with doors.through(doors.desk) as desk:
        if not desk.approve(sent.change, sent.note(asker.name)).changes:
            raise Undecidable("none of these changes is planned any more")
    return back("/tables", "approved")
