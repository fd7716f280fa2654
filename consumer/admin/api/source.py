"""The source is asked for the rows of letters again."""

from typing import Annotated

from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.inputs import Chosen, Input, Reasoned
from consumer.admin.roles import Asker, needs, router
from consumer.core.roles import Role
from dlq.source_again import MOST_LETTERS, Wanted

routes = router(tags=["source"])


class Look(Input):
    """Letters whose rows are wanted again."""

    letters: Chosen


class Asking(Look, Reasoned):
    """The same, agreed to. `expect`: how many rows the preview says are asked for."""

    expect: Annotated[int, Field(ge=1, le=MOST_LETTERS)]


@routes.post("/source/preview")
@needs(Role.VIEWER)
def preview(doors: Doored, wanted: Look) -> Wanted:
    """What the source would be asked for; nothing is asked."""
    with doors.through(doors.source) as desk:
        return desk.look(wanted.letters.selection)


@routes.post("/source/ask")
@needs(Role.OPERATOR)
def ask(doors: Doored, asker: Asker, wanted: Asking) -> Wanted:
    """Have Debezium read the rows again, through its signal topic; what arrives closes their letters."""
    with doors.through(doors.source) as desk:
        return desk.ask(wanted.letters.selection, wanted.expect, wanted.note(asker.name))
