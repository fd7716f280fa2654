"""Whether people may change things here: a flag, asked of the database with each change, and at each look for pages."""

from collections.abc import Callable
from typing import Any, TypeVar

from consumer.admin.doors import Doors
from consumer.admin.problems import Locked
from consumer.admin.watching import Watch
from consumer.core.flags import Flag, off_by
from consumer.core.roles import Role

F = TypeVar("F", bound=Callable[..., Any])

_ASKS_ITSELF = "__headrace_asks_itself__"
_CHANGING = "__headrace_changing__"
_STEERING = "__headrace_steering__"


class Lock:
    """The flag console-writes, of one app."""

    def __init__(self, doors: Doors, watch: Watch) -> None:
        self._doors = doors
        self._watch = watch

    @property
    def seen(self) -> bool:
        """Whether changes are refused, as it was seen last."""
        return Flag.CONSOLE_WRITES in self._watch.off

    def look(self, *, steering: bool = False) -> None:
        """See how flags are now; `steering`: as in `Doors.through`. Raises HeadraceError, Busy."""
        with self._doors.through(self._doors.control, steering=steering) as control:
            self._watch.off = off_by(control.flags())

    def require(self, *, steering: bool = False) -> None:
        """Raises Locked while changes are refused, and what the database answers instead."""
        self.look(steering=steering)
        if self.seen:
            raise Locked("changes over the console and the API are switched off (console-writes)")


def changes(method: str, role: Role | None, endpoint: Callable[..., Any]) -> bool:
    """Whether a request changes something: what is sent by those who may only look asks a question, unless marked."""
    if method in ("GET", "HEAD") or role is None:
        return False
    return role >= Role.OPERATOR or getattr(endpoint, _CHANGING, False)


def changing(function: F) -> F:
    """Mark what answers a route of those who may only look as one that changes something all the same."""
    setattr(function, _CHANGING, True)
    return function


def asks_itself(function: F) -> F:
    """Mark what answers a route as one that looks for the lock by itself."""
    setattr(function, _ASKS_ITSELF, True)
    return function


def does_ask(endpoint: Callable[..., Any]) -> bool:
    """Whether it does."""
    return getattr(endpoint, _ASKS_ITSELF, False)


def steering(function: F) -> F:
    """Mark what answers a route as one that pauses, resumes or ends something: places are kept for that."""
    setattr(function, _STEERING, True)
    return function


def does_steer(endpoint: Callable[..., Any]) -> bool:
    """Whether it does."""
    return getattr(endpoint, _STEERING, False)
