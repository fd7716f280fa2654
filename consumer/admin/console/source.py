"""Asking the source again for the rows of letters: looked at, agreed to by number, asked."""

from typing import Annotated

from fastapi import Form as Sent
from fastapi import Query, Request, Response
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Chosen, Text
from consumer.admin.roles import Asker, needs
from consumer.core.decision import Undecidable
from consumer.core.letters import State
from consumer.core.roles import Role
from dlq.source_again import MOST_LETTERS, Wanted

routes = pages()


class Meant(Chosen):
    """Letters; without a state those that are dead."""

    said: Text = ""

    @property
    def letters(self) -> Chosen:
        """The same."""
        return self if self.state else self.model_copy(update={"state": [State.DEAD]})


class Agreed(Meant, Form):
    """The same, agreed to. `expect`: the number of rows that a person has typed."""

    expect: Annotated[int, Field(ge=1, le=MOST_LETTERS)]


@routes.get("/source")
@needs(Role.VIEWER)
def look(request: Request, doors: Doored, wanted: Annotated[Meant, Query()]) -> Response:
    """What would be asked for, and the form that has it asked."""
    found: Wanted | None = None
    why = ""
    try:
        with doors.through(doors.source) as desk:
            found = desk.look(wanted.letters.selection)
    except Undecidable as refused:
        why = str(refused)
    return render(request, "source.html", wanted=wanted, found=found, why=why)


@routes.post("/source")
@needs(Role.OPERATOR)
def ask(doors: Doored, asker: Asker, sent: Annotated[Agreed, Sent()]) -> Response:
    """Ask for them."""
    with doors.through(doors.source) as desk:
        desk.ask(sent.letters.selection, sent.expect, sent.note(asker.name))
    return back("/letters", "asked")
