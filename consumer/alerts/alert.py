"""What an alert is, and how its expression names what is told.

A word in angle brackets stands for a setting of `[alerts]`, or for the group: `<lag_seconds>`. Who writes rules puts
values there, so that one text serves settings, the chart and tests.
"""

from dataclasses import dataclass
from enum import StrEnum

from consumer.telemetry.metrics import BUILD, Metric

PREFIX = "Headrace"


class Severity(StrEnum):
    """Who should hear of it."""

    # somebody, now
    CRITICAL = "critical"
    # somebody, in working hours
    WARNING = "warning"


class Board(StrEnum):
    """The dashboards, by their ids in Grafana."""

    OVERVIEW = "headrace-overview"
    PIPELINE = "headrace-pipeline"
    ERRORS = "headrace-errors"
    DATABASE = "headrace-database"
    RESOURCES = "headrace-resources"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `wait`: the setting that says for how long the expression holds first; empty: not at all.

    `summary` is one line with Prometheus' own words for labels and value; `meaning` is what it means for the data.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    meaning: str
    board: Board
    wait: str = ""

    @property
    def page(self) -> str:
        """The runbook."""
        return f"docs/runbooks/{self.name}.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A series that is kept by rule, since an alert asks what it was."""

    name: str
    expr: str

    @property
    def here(self) -> str:
        """The group's own."""
        return f'{self.name}{{group="<group>"}}'


def ours(metric: Metric, matchers: str = "") -> str:
    """A metric of the group's processes: which group a process is of stands in one of its series."""
    chosen = f"{{{matchers}}}" if matchers else ""
    return f"({metric.name}{chosen} {OF_GROUP})"


OF_GROUP = f'and on (job, instance) {BUILD.name}{{group="<group>"}}'

# of a process that is away at this moment, too
OF_GROUP_LATELY = f'and on (job, instance) last_over_time({BUILD.name}{{group="<group>"}}[<window>s])'
