"""Coming in and going out, and what tells pages that there is something new."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from consumer.admin.console.forms import pages
from consumer.admin.console.rendering import keep, render
from consumer.admin.gate import COOKIE, Gate
from consumer.admin.inputs import Input, Text
from consumer.admin.problems import Busy, Problem, Unknown
from consumer.admin.roles import needs, open_to_all
from consumer.core.roles import Role

routes = pages()

MOST_STREAMS = 40
"""Pages that are told at a time; others look by themselves."""
# seconds: how often it is looked, how often something is sent so that proxies keep the line, how long one lasts
_LOOK, _BEAT, _LAST = 0.5, 15.0, 300.0


class Login(Input):
    """A token, and where to go on."""

    csrf: Text
    token: Text
    next: Text = "/"


@routes.get("/login")
@open_to_all
def login(request: Request, next: Annotated[str, "where to go on"] = "/") -> Response:
    """The page that asks for a token."""
    if request.app.state.gate.is_open:
        return RedirectResponse("/", 303)
    return render(request, "login.html", next=local(next), wrong=False)


@routes.post("/login")
@open_to_all
def enter(request: Request, sent: Annotated[Login, Form()]) -> Response:
    """Begin a session."""
    gate: Gate = request.app.state.gate
    try:
        person = gate.holder(sent.token.strip())
    except Unknown:
        return render(request, "login.html", 401, next=local(sent.next), wrong=True)
    response = RedirectResponse(local(sent.next), 303)
    keep(response, gate, gate.begin(person)[1])
    return response


@routes.post("/logout")
@needs(Role.VIEWER)
def leave() -> Response:
    """End a session."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
    return response


@routes.get("/events")
@needs(Role.VIEWER)
async def events(request: Request) -> Response:
    """Says `look` whenever there is something new."""
    state = request.app.state
    if state.streams >= MOST_STREAMS:
        raise Busy("too many pages are told already; this one looks by itself")

    async def told() -> AsyncIterator[str]:
        state.streams += 1
        try:
            seen, quiet, left = -1, 0.0, _LAST
            while left > 0 and not state.watch.ended and not state.ending():
                if state.watch.looks != seen:
                    seen, quiet = state.watch.looks, 0.0
                    yield f"event: look\ndata: {seen}\n\n"
                elif quiet >= _BEAT:
                    quiet = 0.0
                    yield ": still here\n\n"
                await asyncio.sleep(_LOOK)
                quiet, left = quiet + _LOOK, left - _LOOK
        finally:
            state.streams -= 1

    return StreamingResponse(told(), media_type="text/event-stream")


def local(path: str) -> str:
    """A path of this site, and no other's."""
    return path if path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable() else "/"


def problem_page(request: Request, found: Problem, error: Exception) -> Response:
    """What went wrong, as a page; who is not known is asked who they are."""
    if isinstance(error, Unknown) and request.method == "GET":
        way = f"/login?next={quote(request.url.path)}"
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"HX-Redirect": way})
        return RedirectResponse(way, 303)
    return render(request, "problem.html", found.status, problem=found)
