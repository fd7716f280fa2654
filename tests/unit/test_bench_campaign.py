"""Which runs a campaign makes, in which order; what takes a run's place keeps a result as a run does."""

from pathlib import Path

import pytest

from consumer.bench import campaign, engine, references, summary
from consumer.bench.race import OUR_WARM_UP, WARM_UP, Entry
from consumer.bench.rig import Rig
from consumer.bench.scenario import SCENARIOS, Against, Dataset
from consumer.bench.store import Result, Store
from consumer.stack.options import Endpoints
from consumer.stack.progress import Terminal

_FRESH = SCENARIOS["fresh"]
_SIZE = 1_000_000


class _Runs:
    """The runs that were asked for: contender and events."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []

    def __call__(self, rig: Rig, entry: Entry, dataset: Dataset) -> Result:
        self.made.append((entry.contender, dataset.events))
        result = _result(entry.contender, entry.size, entry.scenario, dict(entry.settings))
        if entry.contender not in (WARM_UP, OUR_WARM_UP):
            rig.store.add(result)
        return result


def _result(
    contender: str, size: int = _SIZE, scenario: str = "fresh", settings: dict[str, str] | None = None
) -> Result:
    return Result(
        contender=contender,
        size=size,
        scenario=scenario,
        settings=settings or {},
        rate=1.0,
        seconds=1.0,
        wall_seconds=1.0,
        version=engine.version(),
    )


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Servers that were just started, topics that are made, references that are measured."""
    store = Store(tmp_path)
    for scenario in SCENARIOS.values():
        for size in (_SIZE, summary.grid_size(_SIZE)):
            store.topics_complete(scenario.dataset(size).name, {})
        for name in (references.CONSUME, references.PLAIN, references.APPLY) * 2:
            store.add(_result(name, scenario=scenario.name))
    return Rig(endpoints=Endpoints(), pids={}, store=store, scratch=tmp_path, reporter=Terminal(quiet_steps=True))


def test_a_run_of_the_sink_is_thrown_away_before_the_grid(rig: Rig) -> None:
    """On the grid's own topic, so that its first point is tried as warm as the others; once for all in a session."""
    runs = _Runs()
    campaign.grid(rig, _FRESH, _SIZE, runs)
    campaign.measure(rig, _FRESH, _SIZE, 1, Against.BEST, runs)
    points = [("sink-grid", 200_000)] * len(campaign.POINTS)
    raced = [(name, _SIZE) for name in ("headrace", "sink-defaults", "sink-best")]
    assert runs.made == [(WARM_UP, 200_000), *points, *raced]


def test_it_comes_first_where_there_is_no_grid_to_try(rig: Rig) -> None:
    """As when a race goes on in a new session; nobody's result is of it."""
    runs = _Runs()
    campaign.measure(rig, _FRESH, _SIZE, 1, Against.DEFAULTS, runs)
    assert runs.made == [(WARM_UP, 200_000), ("headrace", _SIZE), ("sink-defaults", _SIZE)]
    assert WARM_UP not in [each.contender for each in rig.store.results()]


def test_nobody_is_warmed_up_for_who_does_not_run(rig: Rig) -> None:
    """Headrace alone, or all that there is to run was run."""
    runs = _Runs()
    campaign.measure(rig, _FRESH, _SIZE, 1, Against.NOBODY, runs)
    campaign.measure(rig, _FRESH, _SIZE, 1, Against.NOBODY, runs)
    assert runs.made == [("headrace", _SIZE)]


def test_many_tables_take_turns_with_one(rig: Rig) -> None:
    """With as many events, behind a small run of each that does not count; the sink is not asked for."""
    runs = _Runs()
    campaign.measure(rig, SCENARIOS["many-tables"], _SIZE, 2, Against.NOBODY, runs)
    raced = [("headrace", _SIZE), ("headrace-one-table", _SIZE)] * 2
    assert runs.made == [(OUR_WARM_UP, 200_000)] * 2 + raced
    assert OUR_WARM_UP not in [each.contender for each in rig.store.results()]
    assert {(each.scenario, each.size) for each in rig.store.results() if "headrace" in each.contender} == {
        ("many-tables", _SIZE)
    }


def test_the_goal_of_many_tables_is_asked_where_work_is_most_of_it() -> None:
    """20,000 rows a table, where 5,000 are start-up for a third of the time."""
    many = SCENARIOS["many-tables"]
    assert many.dataset(many.usual).mix.rows == 20_000 - 1
