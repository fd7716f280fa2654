"""What an examination finds: each check says ok, warn or fail, or why it was skipped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from consumer.core.failure import Failure


class Level(StrEnum):
    """How a check ended; the worst first."""

    FAIL = "fail"
    WARN = "warn"
    SKIPPED = "skipped"
    OK = "ok"


class Area(StrEnum):
    """What is examined, in the order of the report."""

    SETTINGS = "settings"
    TARGET = "target"
    KAFKA = "kafka"
    TOPICS = "topics"
    LETTERS = "letters"
    GROUP = "group"
    REGISTRY = "registry"
    CONNECT = "connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line. `subject`: the topic, table or server it is about, if it is about one; `remedy`: what to do.

    `kind`: of `consumer.core.kinds`, where a failure of one is behind it, or is to come.
    """

    check: str
    area: Area
    level: Level
    detail: str
    subject: str = ""
    remedy: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at. `asks`: what, in words; `bad`: what is a warning or a failure, in words."""

    name: str
    area: Area
    asks: str
    bad: str

    def ok(self, detail: str, subject: str = "") -> Finding:
        """Nothing is wrong."""
        return self._found(Level.OK, detail, subject)

    def warn(self, detail: str, remedy: str, subject: str = "") -> Finding:
        """It works, and may not always."""
        return replace(self._found(Level.WARN, detail, subject), remedy=remedy)

    def fail(self, detail: str, remedy: str, subject: str = "", kind: str = "") -> Finding:
        """It does not work, or will not."""
        return replace(self._found(Level.FAIL, detail, subject), remedy=remedy, kind=kind)

    def failed(self, failure: Failure, subject: str = "") -> Finding:
        """It does not work, as a server said."""
        return self.fail(failure.detail, failure.remedy, subject, failure.kind)

    def skipped(self, why: str) -> Finding:
        """It can't be looked at, or there is nothing to look at."""
        return self._found(Level.SKIPPED, why, "")

    def all_ok(self, bad: Sequence[Finding], otherwise: str) -> list[Finding]:
        """What is bad, bounded; one line that says that nothing is, otherwise."""
        if not bad:
            return [self.ok(otherwise)]
        shown = sorted(bad, key=lambda one: list(Level).index(one.level))[:MOST]
        left = len(bad) - len(shown)
        if left:
            more = self.warn(f"and {left} more", "Put those above right, then look again.")
            shown.append(replace(more, level=worst(one.level for one in bad)))
        return shown

    def _found(self, level: Level, detail: str, subject: str) -> Finding:
        return Finding(check=self.name, area=self.area, level=level, detail=detail, subject=subject)


MOST = 20
"""Most lines of one check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, by area and check, in the order of the checks."""

    at: datetime
    seconds: float
    findings: Sequence[Finding]

    @property
    def worst(self) -> Level:
        """The level that stands for all of it; ok where there is nothing."""
        return worst(one.level for one in self.findings)

    def count(self, level: Level) -> int:
        """How many lines are of a level."""
        return sum(one.level is level for one in self.findings)


def worst(levels: Iterable[Level]) -> Level:
    """The worst of them; what was skipped is no worse than ok."""
    return min((one for one in levels if one is not Level.SKIPPED), key=list(Level).index, default=Level.OK)
