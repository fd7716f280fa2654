"""What people send from pages. Each form repeats its session's word, or it is not looked at."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from consumer.admin.inputs import Reasoned, Text
from consumer.admin.roles import GuardedRoute


class ConsoleRoute(GuardedRoute):
    """A page; or a form, that is of the session it says it is of."""

    async def admitted(self, request: Request) -> None:
        if request.method == "POST":
            form = await request.form(max_files=0, max_fields=3000)
            request.app.state.gate.check_form(request, str(form.get("csrf", "")))


def pages() -> APIRouter:
    """A router of pages and forms."""
    return APIRouter(route_class=ConsoleRoute, include_in_schema=False)


class Form(Reasoned):
    """A change, and why."""

    csrf: Text


def back(path: str, said: str) -> Response:
    """To a page that says what was done."""
    return RedirectResponse(f"{path}{'&' if '?' in path else '?'}said={said}", 303)
