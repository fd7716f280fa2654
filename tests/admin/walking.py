"""All routes of the app, as it has them."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount

from consumer.admin.app import make_app
from consumer.admin.roles import GuardedRoute
from consumer.core.roles import Role
from consumer.settings.admin import Admin

Walked = tuple[str, str, Role | None]


def walk(app: FastAPI) -> list[Walked]:
    """Method and path, with something in place of its parameters, and the role that it says it needs.

    Raises AssertionError for a route of another kind, which nobody would guard.
    """
    return sorted(
        ((method, re.sub(r"\{\w+\}", "1", path), role) for method, path, role in _walk(app.routes, "")), key=str
    )


def readable(role: Role) -> list[str]:
    """The paths, with their parameters, that somebody of this role may read."""
    nobody: Any = SimpleNamespace(provider=None, offsets=None, ages=None, lane=None)
    app = make_app(Admin(), nobody)
    return sorted(
        path for method, path, needed in _walk(app.routes, "") if method == "GET" and (needed or role) <= role
    )


def _walk(routes: Any, prefix: str) -> Iterator[Walked]:
    for route in routes:
        if isinstance(route, Mount):
            assert route.path == "/static", route.path
        elif isinstance(route, GuardedRoute):
            path = re.sub(r"\{action\}", "pause", prefix + route.path)
            for method in sorted(set(route.methods or ()) - {"HEAD"}):
                yield method, path, route.role
        else:
            # a router that was included
            yield from _walk(route.original_router.routes, prefix + route.include_context.prefix)
