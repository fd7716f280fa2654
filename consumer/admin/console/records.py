"""What was done here: the audit; and what this is: version, group and settings."""

from typing import Annotated

from fastapi import Query, Request, Response

from consumer.admin.asking import Doored
from consumer.admin.console.forms import pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Number, Text
from consumer.admin.roles import Asker, needs
from consumer.core.roles import Role

routes = pages()

_PAGE = 50


@routes.get("/audit")
@needs(Role.VIEWER)
def audit(
    request: Request,
    doors: Doored,
    actor: Annotated[Text, Query()] = "",
    action: Annotated[Text, Query()] = "",
    before: Number | None = None,
) -> Response:
    """What people decided and looked at, newest first."""
    with doors.through(doors.desk) as desk:
        found = desk.deeds(actor=actor or None, action=action or None, before=before, most=_PAGE)
    more = found[-1].id if len(found) == _PAGE else None
    return render(request, "audit.html", deeds=found, actor=actor, action=action, more=more)


@routes.get("/about")
@needs(Role.VIEWER)
def about(request: Request, doors: Doored, asker: Asker) -> Response:
    """Version and group; settings for admins."""
    settings = doors.settings() if asker.may(Role.ADMIN) else {}
    return render(request, "about.html", settings=settings)
