"""Each route says which role it needs; one that does not can't be made."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from consumer.admin.locking import changes, does_ask, does_steer
from consumer.admin.problems import Denied
from consumer.core.roles import Person, Role

F = TypeVar("F", bound=Callable[..., Any])

_NEEDS = "__headrace_needs__"


def needs(role: Role) -> Callable[[F], F]:
    """Mark what answers a route: only for people of this role, and higher ones."""
    return _marked(role)


def open_to_all(function: F) -> F:
    """Mark what answers a route as asked without saying who one is."""
    return _marked(None)(function)


def needed(endpoint: Callable[..., Any]) -> Role | None:
    """The role that a route needs, None for one that is open. Raises TypeError where it does not say."""
    if not hasattr(endpoint, _NEEDS):
        raise TypeError(f"{endpoint.__qualname__} says not which role it needs")
    role: Role | None = getattr(endpoint, _NEEDS)
    return role


class GuardedRoute(APIRoute):
    """Looks at who asks before anything else of the request is looked at."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **how: Any) -> None:
        self.role = needed(endpoint)
        super().__init__(path, endpoint, **how)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler, role, admitted = super().get_route_handler(), self.role, self.admitted
        asks, steers = not does_ask(self.endpoint), does_steer(self.endpoint)

        async def guarded(request: Request) -> Response:
            if role is not None:
                # a provider may have to be asked
                person = await run_in_threadpool(request.app.state.gate.asks, request)
                request.state.person = person
                if not person.may(role):
                    raise Denied(person, role)
            await admitted(request)
            if asks and changes(request.method, role, self.endpoint):
                await run_in_threadpool(request.app.state.lock.require, steering=steers)
            return await handler(request)

        return guarded

    async def admitted(self, request: Request) -> None:
        """Called with each request of somebody who may ask. May raise."""


def router(**how: Any) -> APIRouter:
    """A router of guarded routes."""
    return APIRouter(route_class=GuardedRoute, **how)


def _person(request: Request) -> Person:
    person: Person = request.state.person
    return person


Asker = Annotated[Person, Depends(_person)]
"""Who asks."""


def _marked(role: Role | None) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, _NEEDS, role)
        return function

    return mark
