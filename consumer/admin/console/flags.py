"""What can be switched off while it runs."""

from typing import Annotated, Literal

from fastapi import Form as Sent
from fastapi import Request, Response

from consumer.admin.asking import Doored, Locking
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Text, Word
from consumer.admin.locking import asks_itself
from consumer.admin.roles import Asker, needs
from consumer.admin.switching import Switching, all_flags, switched
from consumer.core.flags import Flag
from consumer.core.roles import Role
from consumer.inspection.flagging import FlagState

routes = pages()

_TO = {"on": True, "off": False, "default": None}


class Setting(Form):
    """A flag, and how it is to be; of a table, where it is by table."""

    flag: Word
    to: Literal["on", "off", "default"]
    table: Text = ""


@routes.get("/flags")
@needs(Role.VIEWER)
def flags(request: Request, doors: Doored, lock: Locking, asker: Asker) -> Response:
    """The page."""
    found = all_flags(doors)

    def may_switch(state: FlagState) -> bool:
        """Also while changes are switched off, that of them."""
        return asker.may(state.kind.role) and (not lock.seen or state.kind.flag is Flag.CONSOLE_WRITES)

    off = [state for state in found if not state.on or state.tables]
    return render(request, "flags.html", flags=found, off=off, may_switch=may_switch)


@routes.post("/flags")
@needs(Role.OPERATOR)
@asks_itself
def put(doors: Doored, lock: Locking, asker: Asker, sent: Annotated[Setting, Sent()]) -> Response:
    """Switch a flag."""
    table = sent.table.strip() or None
    switched(doors, lock, Switching(name=sent.flag, on=_TO[sent.to], table=table, note=sent.note(asker.name)), asker)
    return back("/flags", "switched")
