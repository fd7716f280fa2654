"""Pages from templates. What records say is text, in which every character can be seen, whatever it is."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from consumer.admin.console.menu import MENU, SAID
from consumer.admin.gate import COOKIE, Gate
from consumer.core.roles import Person, Role
from consumer.core.wording import ago, clean, lasting

_HERE = Path(__file__).parent
# of a chart, in its own units
_WIDTH, _HEIGHT = 120, 28


def render(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page, and the session's cookie where there was none, or where one has begun (`request.state.begun`)."""
    state = request.app.state
    gate: Gate = state.gate
    begun = getattr(request.state, "begun", None)
    session, cookie = begun or (gate.session(request), None)
    person: Person | None = getattr(request.state, "person", None)
    if session is None or (person is not None and not gate.is_open and session.name != person.name):
        session, cookie = gate.begin(None)
    locked = state.lock.seen
    known = {
        "person": person,
        "may": lambda role: _may(person, Role[role], locked=locked),
        "locked": locked,
        "csrf": session.csrf,
        "is_open": gate.is_open,
        "has_tokens": gate.has_tokens,
        "about": state.doors.about,
        "guides": state.guides and person is not None and person.may(Role.OPERATOR),
        "here": request.url.path,
        "menu": MENU,
        "said": SAID.get(request.query_params.get("said", "")),
        "now": datetime.now(UTC),
    }
    response = HTMLResponse(_TEMPLATES.get_template(template).render(known | values), status)
    if cookie is not None:
        keep(response, gate, cookie)
    return response


def _may(person: Person | None, role: Role, *, locked: bool) -> bool:
    """Whether something is shown that is for people of this role: what nobody may do now is shown to nobody."""
    return person is not None and person.may(role) and not (locked and role >= Role.OPERATOR)


def keep(response: Response, gate: Gate, cookie: str) -> None:
    """Have the browser keep the session."""
    response.set_cookie(COOKIE, cookie, max_age=gate.lifetime, secure=True, httponly=True, samesite="strict")


def _finished(value: Any) -> Any:
    """Of a text each character that would move or hide others is spelled."""
    if value is None:
        return ""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _ago(at: datetime | None) -> Markup:
    if at is None:
        return Markup("–")
    words = ago(at, datetime.now(UTC))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), _second(at), words)


def _second(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if 0 < seconds < 10 else lasting(seconds)


def _number(value: int | None) -> str:
    # a narrow space that does not break
    return "–" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _exact(text: str) -> Markup:
    """As it is, to be sent back."""
    return escape(text)


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _line(values: Sequence[float]) -> Markup:
    """A small chart, for those who would rather look than read."""
    if len(values) < 2:
        return Markup("")
    top = max(*values, 1)
    step = _WIDTH / (len(values) - 1)
    points = " ".join(f"{n * step:.1f},{_HEIGHT - 2 - (_HEIGHT - 4) * v / top:.1f}" for n, v in enumerate(values))
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true" focusable="false">'
        '<polygon points="0,{h} {points} {w},{h}"/><polyline points="{points}"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, points=points)


def _made() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finished,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": _ago,
        "second": _second,
        "span": _span,
        "number": _number,
        "exact": _exact,
        "as_json": _as_json,
        "line": _line,
        "part": lambda text: quote(str(text), safe=""),
    }
    return made


_TEMPLATES = _made()
STATIC = _HERE / "static"
"""Where style, scripts and pictures are."""
