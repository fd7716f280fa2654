"""The benchmark's failures."""

from consumer.core.failure import Failure, Persistent, Refused, Transient

_COMPONENT = "bench"


def broken(operation: str, kind: str, detail: str, remedy: str) -> Persistent:
    """A contender or a part of the stack did what makes the measurement worthless."""
    return Persistent(Failure(component=_COMPONENT, operation=operation, kind=kind, detail=detail, remedy=remedy))


def late(operation: str, detail: str, remedy: str) -> Transient:
    """Something did not happen in time."""
    return Transient(Failure(component=_COMPONENT, operation=operation, kind="late", detail=detail, remedy=remedy))


def unusable(detail: str, remedy: str) -> Refused:
    """Options that can't be measured; nothing was started."""
    return Refused(
        Failure(component=_COMPONENT, operation="options", kind="options_invalid", detail=detail, remedy=remedy)
    )
