"""Looks at many servers at once, each for a bounded time, so that one that is broken hides nothing of the others.

A look is a question with facts as its answer; what these mean is decided elsewhere (`consumer.core.doctor`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from consumer.core.doctor.catalogue import CHECKS
from consumer.core.doctor.finding import Check, Finding, Report
from consumer.core.failure import HeadraceError, failed
from consumer.core.kinds import KINDS

T = TypeVar("T")

_ORDER = {check.name: place for place, check in enumerate(CHECKS)}


class Seen:
    """What looks have found so far."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def of(self, look: "Look[T]") -> T:
        """The facts of a look that came first, as each has that is named in `after`."""
        found: T = self._found[look.name]
        return found

    def maybe(self, look: "Look[T]") -> T | None:
        """The facts of a look in `beside`; None where it found none."""
        return self._found.get(look.name)

    def keep(self, look: "Look[T]", facts: T) -> None:
        """Have them for others."""
        self._found[look.name] = facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Generic[T]):
    """A question, and what is made of its answer.

    `after`: looks without whose facts it is not taken; `beside`: those that it only waits for, for no more than half of
    the time that there is. `checks`: all that it
    decides; the first one says why there was no answer. `who`: whom it asks.
    """

    name: str
    who: str
    checks: Sequence[Check]
    ask: Callable[[Seen], T]
    judge: Callable[[T, Seen], Sequence[Finding]]
    after: "Sequence[Look[Any]]" = ()
    beside: "Sequence[Look[Any]]" = ()


@dataclass(slots=True)
class _Taken:
    """A look that is being taken."""

    look: Look[Any]
    done: threading.Event = field(default_factory=threading.Event)
    findings: Sequence[Finding] | None = None
    # why there are no facts, where there are none
    why: str = ""


def examine(looks: Sequence[Look[Any]], seconds: float) -> Report:
    """Take all looks, each on a thread of its own, and report after so many seconds, whoever has not answered."""
    began, clock = datetime.now(UTC), time.monotonic()
    until = clock + seconds
    taken = {look.name: _Taken(look) for look in looks}
    seen = Seen()
    for each in taken.values():
        threading.Thread(
            target=_take, args=(each, taken, seen, (clock, until)), name=f"look {each.look.name}", daemon=True
        ).start()
    findings: list[Finding] = []
    for each in taken.values():
        in_time = each.done.wait(max(0.0, until - time.monotonic()))
        findings += each.findings if each.findings is not None else _unknown(each.look, in_time, seconds)
    findings.sort(key=lambda one: _ORDER[one.check])
    return Report(at=began, seconds=round((datetime.now(UTC) - began).total_seconds(), 3), findings=findings)


def _take(own: _Taken, taken: dict[str, _Taken], seen: Seen, times: tuple[float, float]) -> None:
    """`times`: when all began, and until when they may take."""
    began, until = times
    try:
        _wait([taken[other.name] for other in own.look.after], until)
        blocked = next((each for each in own.look.after if seen.maybe(each) is None), None)
        if blocked is not None:
            own.why = taken[blocked.name].why or f"{blocked.who} did not answer"
            own.findings = [check.skipped(own.why) for check in own.look.checks]
        else:
            # its own question needs time, too
            _wait([taken[other.name] for other in own.look.beside], (began + until) / 2)
            facts = own.look.ask(seen)
            seen.keep(own.look, facts)
            own.findings = own.look.judge(facts, seen)
    except HeadraceError as error:
        own.why = f"{own.look.who} did not answer"
        first, *others = own.look.checks
        own.findings = [first.failed(error.failure), *(check.skipped(own.why) for check in others)]
    finally:
        own.done.set()


def _wait(others: Sequence[_Taken], until: float) -> None:
    for other in others:
        other.done.wait(max(0.0, until - time.monotonic()))


def _unknown(look: Look[Any], ended: bool, seconds: float) -> list[Finding]:
    """Of a look that did not answer in time, or that ended in a way in which none should."""
    first, *others = look.checks
    if ended:
        failure = failed(
            KINDS["worker.defect"], "doctor", look.name, "the look ended with an error of the program's own"
        )
        return [first.failed(failure), *(check.skipped(failure.detail) for check in others)]
    detail = f"{look.who} did not answer within {seconds:g} s"
    remedy = "Look at it and at the network between; or give it longer: headrace doctor --within."
    return [first.fail(detail, remedy), *(check.skipped(detail) for check in others)]
