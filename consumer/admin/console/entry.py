"""Coming in and going out, and what tells pages that there is something new."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from consumer.admin.console.forms import pages
from consumer.admin.console.rendering import keep, render
from consumer.admin.gate import COOKIE, Gate
from consumer.admin.inputs import Input, Text
from consumer.admin.problems import Absent, Busy, Expired, Problem, Unknown, Wrong
from consumer.admin.roles import needs, open_to_all
from consumer.admin.visits import BACK, LASTS, PATH, Visits
from consumer.admin.visits import COOKIE as VISIT
from consumer.core.failure import HeadraceError
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
def login(request: Request, next: Annotated[str, "where to go on"] = "/", left: bool = False) -> Response:
    """The page that asks who somebody is. `left`: they have just logged out."""
    if request.app.state.gate.is_open:
        return RedirectResponse("/", 303)
    return _asking(request, next, left=left)


@routes.get(PATH)
@open_to_all
def visit(request: Request, next: Annotated[str, "where to go on"] = "/") -> Response:
    """To the provider."""
    where, cookie = _visits(request).begin(local(next))
    response = RedirectResponse(where, 303)
    # they come back from another site, which a strict cookie would not
    response.set_cookie(VISIT, cookie, max_age=LASTS, path=PATH, secure=True, httponly=True, samesite="lax")
    return response


@routes.get(BACK)
@open_to_all
def come_back(
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """From the provider: begin a session."""
    if error or not code:
        raise Wrong("the provider did not let them in; log in again, or ask whoever runs it")
    gate: Gate = request.app.state.gate
    person, path = _visits(request).end(request.cookies.get(VISIT, ""), state, code)
    # a page, and not a redirection: what still comes from another site would not have the session's cookie
    request.state.begun = gate.begin(person, visits=True)
    response = render(request, "welcome.html", next=path, name=person.name)
    response.delete_cookie(VISIT, path=PATH, secure=True, httponly=True, samesite="lax")
    return response


@routes.post("/login")
@open_to_all
def enter(request: Request, sent: Annotated[Login, Form()]) -> Response:
    """Begin a session."""
    gate: Gate = request.app.state.gate
    try:
        person = gate.holder(sent.token.strip())
    except Expired as over:
        return _asking(request, sent.next, 401, wrong=str(over))
    except Unknown:
        return _asking(request, sent.next, 401, wrong="no such token is known")
    response = RedirectResponse(local(sent.next), 303)
    keep(response, gate, gate.begin(person)[1])
    return response


@routes.post("/logout")
@needs(Role.VIEWER)
def leave() -> Response:
    """End a session."""
    response = RedirectResponse("/login?left=true", 303)
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


def _asking(request: Request, path: str, status: int = 200, *, wrong: str = "", left: bool = False) -> Response:
    visits, leaving = request.app.state.visits, None
    if visits is not None and left:
        try:
            leaving = visits.leaving()
        except HeadraceError:
            # they have left here, whatever it says
            leaving = None
    title = visits.title if visits is not None else None
    return render(request, "login.html", status, next=local(path), wrong=wrong, left=left, leaving=leaving, title=title)


def _visits(request: Request) -> Visits:
    visits: Visits | None = request.app.state.visits
    if visits is None:
        raise Absent("there is no provider to log in at here")
    return visits


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
