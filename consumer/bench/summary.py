"""From results to medians, ratios and goals. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from consumer.bench import cases, modes, watched
from consumer.bench.contender import HEADRACE, ONE_TABLE
from consumer.bench.race import BEST, DEFAULTS, GRID
from consumer.bench.references import APPLY, CONSUME, PLAIN
from consumer.bench.scenario import CPU_SECONDS_PER_MILLION, Scenario
from consumer.bench.store import Result

_GRID_EVENTS = 200_000
_CASES = tuple(case.name for case in cases.CASES)
# scenarios of Headrace alone
_ALONE = (modes.ROLLING, modes.SCALE, watched.NAME)
_OF_A_VERSION = (HEADRACE, ONE_TABLE, DEFAULTS, BEST, APPLY, PLAIN, *_CASES)
_NO_CONTENDERS = (GRID, CONSUME, PLAIN, APPLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender of a scenario: medians over its runs."""

    contender: str
    runs: int
    rate: float
    cpu_per_million: float
    peak_mb: float
    correct: bool


class State(StrEnum):
    """What became of a goal."""

    REACHED = "reached"
    NOT_REACHED = "not reached"
    ROWS_DIFFER = "rows differ"
    NOT_IN_TURNS = "not in turns"
    NOT_MEASURED = "not measured"


_REACHED = {State.REACHED: True, State.NOT_REACHED: False, State.ROWS_DIFFER: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One goal: what was asked, what was measured. `measured` is None before there are runs.

    `right`: whether all rows were, in every run that it is of. `in_turns`: whether these runs alternated, where they
    are of several contenders.
    """

    what: str
    asked: float
    measured: float | None
    at_most: bool = False
    right: bool = True
    in_turns: bool = True

    @property
    def state(self) -> State:
        """What became of the goal. Wrong rows reach nothing, and of runs that were not in turns it is not known."""
        if self.measured is None:
            return State.NOT_MEASURED
        if not self.right:
            return State.ROWS_DIFFER
        if not self.in_turns:
            return State.NOT_IN_TURNS
        is_reached = self.measured <= self.asked if self.at_most else self.measured >= self.asked
        return State.REACHED if is_reached else State.NOT_REACHED

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where that is not known."""
        return _REACHED.get(self.state)


def is_of_a_version(result: Result) -> bool:
    """Whether it stands and falls with one version of Headrace: what was measured is Headrace, as a whole or its
    database session, or rows that it had prepared, or the sink in turns with it.
    """
    return result.contender in _OF_A_VERSION or result.scenario in _ALONE


def counting(results: Sequence[Result], version: str) -> list[Result]:
    """The results that may stand together: all but those that are of another version of Headrace than this."""
    return [each for each in results if not is_of_a_version(each) or each.version == version]


def sizes(results: Sequence[Result], scenario: str) -> list[int]:
    """The sizes at which a scenario was run, but for its grid."""
    return sorted({each.size for each in results if each.scenario == scenario and each.contender != GRID})


def main_size(results: Sequence[Result], scenario: str) -> int | None:
    """The size at which most contenders of a scenario were run, of several the largest; None before there is one."""
    found = sizes(results, scenario)
    return max(found, key=lambda size: (len(lines(results, scenario, size)), size), default=None)


def grid_size(size: int) -> int:
    """The events of the runs that look for the sink's best settings at a size."""
    return min(_GRID_EVENTS, size)


def grid(results: Sequence[Result], scenario: str, size: int) -> list[Result]:
    """The points of the sink's grid that were run for a size."""
    wanted = (scenario, grid_size(size), GRID)
    return [each for each in results if (each.scenario, each.size, each.contender) == wanted]


def lines(results: Sequence[Result], scenario: str, size: int) -> list[Line]:
    """The contenders and references of a scenario at one size."""
    groups: dict[str, list[Result]] = {}
    for each in results:
        if (each.scenario, each.size) == (scenario, size) and each.contender != GRID:
            groups.setdefault(each.contender, []).append(each)
    order = (HEADRACE, ONE_TABLE, DEFAULTS, BEST, CONSUME, PLAIN, APPLY, *_CASES, *watched.SETTINGS)
    return [_line(name, groups[name]) for name in order if name in groups]


def in_turns(results: Sequence[Result], scenario: str, size: int) -> bool | None:
    """Whether the contenders' runs alternated: in the order in which they ended, each round has each of them once.

    None of a single contender. References take no part; the last round may be incomplete.
    """
    runs = [each for each in results if (each.scenario, each.size) == (scenario, size)]
    order = [each.contender for each in sorted(runs, key=lambda each: each.finished_at)]
    order = [name for name in order if name not in _NO_CONTENDERS]
    number = len(set(order))
    if number < 2:
        return None
    rounds = [order[start : start + number] for start in range(0, len(order), number)]
    return all(len(set(each)) == len(each) for each in rounds)


def verdicts(results: Sequence[Result], scenario: Scenario, size: int) -> list[Verdict]:
    """The goals of a scenario."""
    goal = scenario.goal
    cpu = Verdict(
        what="client CPU seconds per million events",
        asked=CPU_SECONDS_PER_MILLION,
        measured=ours.cpu_per_million if (ours := _line_of(results, scenario, size, HEADRACE)) else None,
        at_most=True,
        right=ours is None or ours.correct,
    )
    return [
        *_times(results, scenario, size, ("times the sink's defaults", DEFAULTS, goal.defaults)),
        *_times(results, scenario, size, ("times the sink's best", BEST, goal.best)),
        *one_table(results, scenario, size),
        cpu,
    ]


def one_table(results: Sequence[Result], scenario: Scenario, size: int) -> list[Verdict]:
    """The goal of a scenario of many tables, held against our own rate on one table with as many events."""
    goal = ("of our own rate on one table", ONE_TABLE, scenario.goal.one_table)
    return _times(results, scenario, size, goal)


def _times(
    results: Sequence[Result], scenario: Scenario, size: int, goal: tuple[str, str, float | None]
) -> list[Verdict]:
    """How many times as fast as another contender; `goal`: its words, that contender, what is asked if anything is."""
    what, contender, asked = goal
    if asked is None:
        return []
    ours, other = (_line_of(results, scenario, size, name) for name in (HEADRACE, contender))
    return [
        Verdict(
            what=what,
            asked=asked,
            measured=_ratio(ours.rate if ours else None, other),
            right=all(line is None or line.correct for line in (ours, other)),
            in_turns=in_turns(results, scenario.name, size) is not False,
        )
    ]


def _line_of(results: Sequence[Result], scenario: Scenario, size: int, contender: str) -> Line | None:
    found = lines(results, scenario.name, size)
    return next((line for line in found if line.contender == contender), None)


def costs(results: Sequence[Result], size: int) -> list[Verdict]:
    """What bad records cost of the clean rate, in percent."""
    found = {line.contender: line.rate for line in lines(results, cases.NAME, size)}
    clean = next((found.get(case.name) for case in cases.CASES if case.most is None), None)
    right, alternated = _are_right(results, cases.NAME, size), in_turns(results, cases.NAME, size) is not False
    return [
        Verdict(
            what=f"{case.name}: percent of the clean rate that they cost",
            asked=case.most,
            measured=round(100 - 100 * found[case.name] / clean, 1) if clean and case.name in found else None,
            at_most=True,
            right=right,
            in_turns=alternated,
        )
        for case in cases.CASES
        if case.most is not None
    ]


def watched_ratios(results: Sequence[Result], size: int) -> dict[str, float]:
    """Medians with all telemetry over those without any, of rate and CPU; none before both were run."""
    found = {line.contender: line for line in lines(results, watched.NAME, size)}
    off, on = found.get(watched.OFF), found.get(watched.ON)
    if off is None or on is None:
        return {}
    pairs = {"rate": (on.rate, off.rate), "CPU": (on.cpu_per_million, off.cpu_per_million)}
    return {name: round(one / other, 3) for name, (one, other) in pairs.items() if other}


def watching(results: Sequence[Result], size: int) -> list[Verdict]:
    """What telemetry costs of the rate without it, in percent."""
    ratio = watched_ratios(results, size).get("rate")
    cost = None if ratio is None else round(100 - 100 * ratio, 1)
    what = "percent of the rate without telemetry that all of it costs"
    return [
        Verdict(
            what=what,
            asked=watched.MOST,
            measured=cost,
            at_most=True,
            right=_are_right(results, watched.NAME, size),
            in_turns=in_turns(results, watched.NAME, size) is not False,
        )
    ]


def shares(results: Sequence[Result], scenario: str, size: int) -> dict[str, float]:
    """Headrace's share of the rates of the two ends, the database's by itself and with Headrace's own session."""
    found = {line.contender: line.rate for line in lines(results, scenario, size)}
    ours = found.get(HEADRACE)
    return {name: ours / found[name] for name in (CONSUME, PLAIN, APPLY) if ours and found.get(name)}


def _are_right(results: Sequence[Result], scenario: str, size: int) -> bool:
    return all(line.correct for line in lines(results, scenario, size))


def _ratio(rate: float | None, other: Line | None) -> float | None:
    # three digits, so that nothing just below a goal is rounded up to it
    return round(rate / other.rate, 3) if rate and other and other.rate else None


def _line(contender: str, runs: Sequence[Result]) -> Line:
    return Line(
        contender=contender,
        runs=len(runs),
        rate=median(each.rate for each in runs),
        cpu_per_million=median(each.cpu_per_million for each in runs),
        peak_mb=max(each.peak_mb for each in runs),
        correct=all(each.correct for each in runs),
    )
