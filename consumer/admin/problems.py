"""What goes wrong with a request, as RFC 9457 documents for programs and as pages for people.

No value that was sent is repeated.
"""

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from consumer.core.decision import Undecidable
from consumer.core.failure import HeadraceError, Transient
from consumer.core.roles import Person, Role
from dlq.edit import NotEdited

T = TypeVar("T")

API = "/api/"


class Unknown(Exception):
    """Nobody said who they are, or nobody that is known."""


class Expired(Unknown):
    """Somebody whose token was known here, and whose time is over."""

    remedy = "Have a new one made (headrace admin token), and put into admin.tokens."


class Denied(Exception):
    """It is for other roles."""

    def __init__(self, person: Person, role: Role) -> None:
        super().__init__(f"{person.name} is {person.role.words}; this needs {role.words}")


class Roleless(Exception):
    """Somebody whom a provider knows, and who has no role here."""


class Absent(Exception):
    """There is no such thing in this group."""

    @classmethod
    def of(cls, what: str, number: int) -> "Absent":
        """What is asked for by its number."""
        return cls(f"there is no {what} {number} in this group")


class Locked(Exception):
    """People have switched changes off."""


class Wrong(Exception):
    """What was sent can't be taken; the words say what can."""


class Costly(Exception):
    """More is asked for than one question may cost."""


class Busy(Exception):
    """Too many ask at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document. `kind`: of `docs/reference/failures.md`, or `request.…`; `remedy`: what to do."""

    status: int
    title: str
    detail: str
    kind: str
    remedy: str


def there(found: T | None, what: str, number: int) -> T:
    """What was found by its number. Raises Absent where nothing was."""
    if found is None:
        raise Absent.of(what, number)
    return found


def problem(error: Exception) -> Problem:
    """What to tell of a failure."""
    if isinstance(error, HeadraceError):
        failure = error.failure
        status = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, Transient) else HTTPStatus.BAD_GATEWAY
        return _problem(status, failure.detail, failure.kind, failure.remedy)
    if isinstance(error, RequestValidationError):
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, _mistakes(error), "request.invalid", "Correct what is named.")
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        return _problem(status, status.description or status.phrase, "request.http", "Look at the address.")
    for kind, (status, name, remedy) in _KNOWN.items():
        if isinstance(error, kind):
            return _problem(status, str(error), name, getattr(error, "remedy", remedy))
    raise error


_KNOWN: dict[type[Exception], tuple[HTTPStatus, str, str]] = {
    Unknown: (HTTPStatus.UNAUTHORIZED, "request.unknown", "Send a token: Authorization: Bearer …"),
    Denied: (HTTPStatus.FORBIDDEN, "request.denied", "Ask somebody who has the role, or for it (admin.tokens)."),
    Roleless: (HTTPStatus.FORBIDDEN, "request.denied", "Have a group of theirs named in admin.oidc.roles."),
    Absent: (HTTPStatus.NOT_FOUND, "request.absent", "Look at the list of what there is."),
    Wrong: (HTTPStatus.UNPROCESSABLE_ENTITY, "request.invalid", "Correct what is named."),
    Busy: (HTTPStatus.SERVICE_UNAVAILABLE, "request.busy", "Ask again in a moment, or raise admin.sessions."),
    Locked: (
        HTTPStatus.LOCKED,
        "request.locked",
        "Look, or have an admin switch them on again: headrace flags set console-writes on",
    ),
    Costly: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "request.costly",
        "Choose fewer letters, or raise admin.export_letters.",
    ),
    Undecidable: (HTTPStatus.CONFLICT, "request.refused", "Look again at what is there now."),
    NotEdited: (HTTPStatus.CONFLICT, "request.refused", "Correct the patch."),
}


def install(app: FastAPI) -> None:
    """Have the app answer so."""

    def answer(request: Request, error: Exception) -> Response:
        found = problem(error)
        if request.url.path.startswith(API):
            return document(found)
        page: Response = app.state.problem_page(request, found, error)
        return page

    for kind in (*_KNOWN, HeadraceError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def document(found: Problem) -> Response:
    """As RFC 9457 has it."""
    headers = {"WWW-Authenticate": "Bearer"} if found.status == HTTPStatus.UNAUTHORIZED else None
    body = {"type": "about:blank", **asdict(found)}
    return JSONResponse(body, found.status, headers, media_type="application/problem+json")


def _problem(status: HTTPStatus, detail: str, kind: str, remedy: str) -> Problem:
    return Problem(status=status, title=status.phrase, detail=detail, kind=kind, remedy=remedy)


def _mistakes(error: RequestValidationError) -> str:
    """Where, and what is allowed there; never what was sent."""
    said = []
    for each in error.errors()[:20]:
        # names of what was sent beyond what is known are the sender's
        known = [str(part) for part in each["loc"] if each["type"] != "extra_forbidden"]
        said.append(f"{'.'.join(known) or 'a name'}: {each['type'].replace('_', ' ')}")
    return "; ".join(said)
