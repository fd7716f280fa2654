"""What can go wrong, as a value: where it happened, of which kind, and what a person can do.

HeadraceError
├── Transient        time heals it: retried in place with backoff
├── Persistent       the same input will fail again
└── Refused          a setting or an environment that cannot work; the start ends with the remedy
"""

import traceback
from dataclasses import dataclass, replace
from pathlib import PurePath

from consumer.core.failure_kind import FailureKind
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition, correlation_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure. `detail` never holds row values; `remedy` is a sentence a person can follow.

    `kind` is a name of `consumer.core.kinds` (tools around the service have names of their own). `code` is what the
    server called it: a SQLSTATE, librdkafka's name, an HTTP status. `field`: the path of the field that is to blame, as
    `after.price`, if one is.
    """

    component: str
    operation: str
    kind: str
    detail: str
    remedy: str
    correlation_id: str = "-"
    code: str = ""
    field: str = ""

    def __str__(self) -> str:
        where = f"{self.component}.{self.operation}"
        at = "" if self.correlation_id == "-" else f" at {self.correlation_id}"
        return f"{self.detail} [{where}: {self.kind}{at}]. {self.remedy}"


def failed(
    kind: FailureKind, component: str, operation: str, detail: str, *, remedy: str = "", code: str = ""
) -> Failure:
    """A failure of a kind; `remedy` where more can be said than the kind says."""
    return Failure(
        component=component,
        operation=operation,
        kind=kind.name,
        detail=detail,
        remedy=remedy or kind.remedy,
        code=code,
    )


def blaming(failure: Failure, field: str) -> Failure:
    """The failure as that of one field of the record, by its path."""
    return replace(failure, field=field)


def located(failure: Failure, at: TopicPartition, offset: int) -> Failure:
    """The failure as that of one place in a log, which its detail and its correlation id name."""
    where = f"topic {at.topic}, partition {at.partition}, offset {offset}"
    return replace(failure, detail=f"{where}: {failure.detail}", correlation_id=correlation_id(at, offset))


def told(failure: Failure) -> dict[str, str]:
    """A failure as the fields of a line of the log; the same wherever one is logged."""
    kind = KINDS.get(failure.kind)
    fields = {
        "component": failure.component,
        "operation": failure.operation,
        "error_type": kind.type.value if kind else "unknown",
        "kind": failure.kind,
        "reason": failure.detail,
        "remedy": failure.remedy,
    }
    if failure.correlation_id != "-":
        fields["correlation_id"] = failure.correlation_id
    return fields | {name: value for name, value in (("code", failure.code), ("field", failure.field)) if value}


def reason(failure: Failure) -> str:
    """The failure as the reason why something does not go on, for people."""
    return f"{failure.detail} [{failure.kind}]. {failure.remedy}"


def unforeseen(component: str, operation: str, error: BaseException | None) -> Failure:
    """An error that should not be, by its kind and place: its words may quote rows."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    place = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    return failed(KINDS["worker.defect"], component, operation, f"it ended with {type(error).__name__} at {place}")


class HeadraceError(Exception):
    """A failure that crossed an edge, translated there from its cause."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Transient(HeadraceError):
    """Time heals it: a server is away, a lock was held, a resource ran out."""


class Persistent(HeadraceError):
    """The same input will fail again."""


class Refused(HeadraceError):
    """A setting or an environment that can't work; nothing was changed."""
