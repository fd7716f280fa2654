"""Setting a position: chosen, looked at, agreed to."""

from typing import Annotated, Literal

from fastapi import Form as Sent
from fastapi import Query, Request, Response
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import LARGEST, Input, Partition, Text, Word
from consumer.admin.moving import outlook, set_position
from consumer.admin.roles import Asker, needs
from consumer.core.decision import Undecidable
from consumer.core.records import TopicPartition
from consumer.core.roles import Role
from consumer.recovery.moving import Wish

routes = pages()

_OFFSET = "offset"


class Choice(Input):
    """A partition, and where it is to go on; nothing yet at first. `offset`: where `to` is that."""

    topic: Word
    partition: Partition
    to: Literal["", "earliest", "latest", "skip", "offset"] = ""
    offset: Annotated[str, Field(pattern=r"^[0-9]{0,19}$")] = ""
    discard_letters: bool = False
    said: Text = ""

    @property
    def wish(self) -> Wish:
        """The same for the desk."""
        to = self.offset if self.to == _OFFSET else self.to
        return Wish(at=TopicPartition(self.topic, self.partition), to=to, discard_letters=self.discard_letters)


class Agreed(Choice, Form):
    """The same, agreed to. `expect`, `anew`: what was shown."""

    expect: Annotated[int, Field(ge=0, le=LARGEST)]
    anew: bool = False


@routes.get("/positions")
@needs(Role.OPERATOR)
def choose(request: Request, doors: Doored, wanted: Annotated[Choice, Query()]) -> Response:
    """Where a partition is, the ways that there are, and what the chosen one would do."""
    looked, why = None, ""
    if wanted.to:
        with doors.through(doors.positions) as desk:
            try:
                looked = outlook(desk, wanted.wish)
            except Undecidable as refused:
                why = str(refused)
    return render(request, "position.html", wanted=wanted, looked=looked, why=why)


@routes.post("/positions")
@needs(Role.OPERATOR)
def move(doors: Doored, asker: Asker, sent: Annotated[Agreed, Sent()]) -> Response:
    """Set it."""
    with doors.through(doors.positions) as desk:
        set_position(desk, sent.wish, (sent.expect, sent.anew), sent.note(asker.name))
    return back("/pipeline", "moved")
