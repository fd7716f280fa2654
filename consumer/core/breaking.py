"""When a server is not asked any more for a while: what counts as its being away. Rules without I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from consumer.core.failure import Failure
from consumer.core.failure_kind import Scope
from consumer.core.kinds import KINDS

AWAY = frozenset(
    {
        "target.connection",
        "target.resources",
        "target.read_only",
        "target.system",
        "target.login",
        "target.tls",
        "registry.away",
        "registry.status",
        "registry.refused",
        "registry.tls",
        "connect.away",
        "connect.tls",
    }
)
"""The kinds that say that a server does not do its work, whatever it is asked."""


class BreakerState(StrEnum):
    """CLOSED: everything is asked. OPEN: nothing is. HALF_OPEN: one question at a time, to see whether it is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """It opens after `failures` in a row, and lets one question through `reset` seconds later."""

    failures: int = 3
    reset: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStatus:
    """A breaker as it is: `since` when it has been closed, or not closed. `failures`: those in a row, up to `last`."""

    name: str
    state: BreakerState
    since: datetime
    failures: int
    last: Failure | None


class Said(Enum):
    """What a failure says of the server that was asked: it is away, it answered, or nothing."""

    AWAY = "away"
    ANSWERED = "answered"
    NOTHING = "nothing"


def said(server: str, failure: Failure) -> Said:
    """What a failure says of a server, whose name its kinds begin with. A refused record or table is an answer."""
    kind = KINDS[failure.kind]
    if kind.name in AWAY and kind.name.startswith(f"{server}."):
        return Said.AWAY
    return Said.NOTHING if kind.scope is Scope.ENVIRONMENT else Said.ANSWERED
