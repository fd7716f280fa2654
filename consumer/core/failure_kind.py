"""What a kind of failure is: what it touches, whether time heals it, what a person can do."""

from dataclasses import dataclass
from enum import StrEnum


class ErrorType(StrEnum):
    """Whether doing the same again may end otherwise."""

    TRANSIENT = "transient"
    PERSISTENT = "persistent"
    UNKNOWN = "unknown"


class Scope(StrEnum):
    """What a failure costs: one record, one table, or time for everything."""

    RECORD = "record"
    TABLE = "table"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureKind:
    """One kind. `sign` is what happened, in words; `remedy` is a sentence that a person can follow."""

    name: str
    scope: Scope
    type: ErrorType
    sign: str
    remedy: str

    @property
    def page(self) -> str:
        """The page that says more: how it shows, how to put it right, how to see that it is."""
        return f"docs/runbooks/{self.name}.md"


_SCOPES = {"record": Scope.RECORD, "table": Scope.TABLE, "log": Scope.TABLE}
TRANSIENT, PERSISTENT, UNKNOWN = ErrorType.TRANSIENT, ErrorType.PERSISTENT, ErrorType.UNKNOWN


def kind(name: str, error_type: ErrorType, sign: str, remedy: str) -> FailureKind:
    """One kind, whose scope its name says."""
    scope = _SCOPES.get(name.split(".")[0], Scope.ENVIRONMENT)
    return FailureKind(name=name, scope=scope, type=error_type, sign=sign, remedy=remedy)
