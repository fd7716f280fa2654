"""From results to medians, ratios and goals. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from consumer.bench.contender import HEADRACE
from consumer.bench.race import BEST, DEFAULTS, GRID
from consumer.bench.references import APPLY, CONSUME
from consumer.bench.scenario import CPU_SECONDS_PER_MILLION, SCENARIOS, Scenario
from consumer.bench.store import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender of a scenario: medians over its runs."""

    contender: str
    runs: int
    rate: float
    cpu_per_million: float
    peak_mb: float
    correct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One goal: what was asked, what was measured. `measured` is None before there are runs."""

    what: str
    asked: float
    measured: float | None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached."""
        if self.measured is None:
            return None
        return self.measured <= self.asked if self.at_most else self.measured >= self.asked


def sizes(results: Sequence[Result], scenario: str) -> list[int]:
    """The sizes at which a scenario was run, but for its grid."""
    return sorted({each.size for each in results if each.scenario == scenario and each.contender != GRID})


def lines(results: Sequence[Result], scenario: str, size: int) -> list[Line]:
    """The contenders and references of a scenario at one size."""
    groups: dict[str, list[Result]] = {}
    for each in results:
        if (each.scenario, each.size) == (scenario, size) and each.contender != GRID:
            groups.setdefault(each.contender, []).append(each)
    order = (HEADRACE, DEFAULTS, BEST, CONSUME, APPLY)
    return [_line(name, groups[name]) for name in order if name in groups]


def verdicts(results: Sequence[Result], scenario: Scenario, size: int) -> list[Verdict]:
    """The goals of a scenario."""
    found = {line.contender: line for line in lines(results, scenario.name, size)}
    ours = found.get(HEADRACE)
    goal, rate = scenario.goal, ours.rate if ours else None
    answers = []
    if goal.defaults:
        answers.append(
            Verdict(what="times the sink's defaults", asked=goal.defaults, measured=_ratio(rate, found.get(DEFAULTS)))
        )
    if goal.best:
        answers.append(Verdict(what="times the sink's best", asked=goal.best, measured=_ratio(rate, found.get(BEST))))
    if goal.one_table:
        alone = {line.contender: line for line in lines(results, "fresh", size)}.get(HEADRACE)
        answers.append(Verdict(what="of our own rate on one table", asked=goal.one_table, measured=_ratio(rate, alone)))
    cpu = ours.cpu_per_million if ours else None
    answers.append(
        Verdict(what="client CPU seconds per million events", asked=CPU_SECONDS_PER_MILLION, measured=cpu, at_most=True)
    )
    return answers


def shares(results: Sequence[Result], scenario: str, size: int) -> dict[str, float]:
    """Headrace's share of the rates of the two ends."""
    found = {line.contender: line.rate for line in lines(results, scenario, size)}
    ours = found.get(HEADRACE)
    return {name: ours / found[name] for name in (CONSUME, APPLY) if ours and found.get(name)}


def letter(scenario: str) -> str:
    """The letter of a scenario, as in `(a)`."""
    return f"({SCENARIOS[scenario].letter})"


def _ratio(rate: float | None, other: Line | None) -> float | None:
    return round(rate / other.rate, 2) if rate and other and other.rate else None


def _line(contender: str, runs: Sequence[Result]) -> Line:
    return Line(
        contender=contender,
        runs=len(runs),
        rate=median(each.rate for each in runs),
        cpu_per_million=median(each.cpu_per_million for each in runs),
        peak_mb=max(each.peak_mb for each in runs),
        correct=all(each.correct for each in runs),
    )
