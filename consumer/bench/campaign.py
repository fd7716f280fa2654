"""A whole scenario: topics, the grid of the sink's settings, runs in turns. What is done is not done again."""

from collections.abc import Callable, Iterator, Sequence

from consumer.bench import engine, race, references, summary, topics
from consumer.bench.contender import HEADRACE, ONE_TABLE, REWRITE
from consumer.bench.race import BEST, DEFAULTS, GRID, OUR_WARM_UP, WARM_UP, Entry
from consumer.bench.rig import Rig
from consumer.bench.scenario import SCENARIOS, Against, Dataset, Scenario
from consumer.bench.store import Result, Store
from consumer.core.failure import Persistent

# the scenario whose one table many are held against
_ONE = SCENARIOS["fresh"]

Run = Callable[[Rig, Entry, Dataset], Result]

_FETCH = {
    "consumer.override.max.partition.fetch.bytes": "16777216",
    "consumer.override.fetch.max.bytes": "67108864",
}


def _point(batch: int, reduction: bool, rewrite: bool) -> dict[str, str]:
    return {
        "batch.size": str(batch),
        "consumer.override.max.poll.records": str(batch),
        "use.reduction.buffer": str(reduction).lower(),
        REWRITE: str(rewrite).lower(),
        **_FETCH,
    }


# batch size and max.poll.records go together: a batch never spans two polls
POINTS: tuple[dict[str, str], ...] = (
    _point(500, reduction=False, rewrite=True),
    _point(2_000, reduction=False, rewrite=False),
    _point(2_000, reduction=True, rewrite=True),
    _point(5_000, reduction=False, rewrite=False),
    _point(5_000, reduction=True, rewrite=False),
    _point(5_000, reduction=True, rewrite=True),
    _point(10_000, reduction=False, rewrite=True),
    _point(10_000, reduction=True, rewrite=True),
)


def entries(store: Store, scenario: Scenario, size: int, runs: int, against: Against) -> Iterator[Entry]:
    """The runs that are still missing, in turns: Headrace (on one table too, where that is the goal), the sink's
    defaults, the sink's best, and again.
    """
    contenders = [(HEADRACE, engine.overrides())]
    if scenario.goal.one_table:
        contenders.append((ONE_TABLE, engine.overrides()))
    if against is not Against.NOBODY:
        contenders.append((DEFAULTS, {}))
    if against is Against.BEST:
        contenders.append((BEST, best(store, scenario, size) or POINTS[-1]))
    each = [Entry(scenario=scenario.name, size=size, contender=name, settings=tuning) for name, tuning in contenders]
    return turns(store, each, runs)


def turns(store: Store, wanted: Sequence[Entry], runs: int) -> Iterator[Entry]:
    """So many runs of each entry, in turns, but for those that have been run."""
    for number in range(1, runs + 1):
        for entry in wanted:
            if _done(store, entry.scenario, entry.size, entry.contender) < number:
                yield entry


def warm(rig: Rig, scenario: Scenario, size: int, run: Run = race.run) -> None:
    """One run of the sink that is thrown away, on the grid's topic, unless it has run since Connect was started.

    A JVM that was just started takes half as much time again for its first run, whichever that is.
    """
    if rig.sink_ran.is_set():
        return
    rig.say(f"  {scenario.name}: a run of the sink to warm up, which does not count")
    _thrown_away(rig, scenario, size, WARM_UP, run)
    rig.sink_ran.set()


def warm_servers(rig: Rig, scenario: Scenario, size: int, run: Run = race.run) -> None:
    """One run of Headrace on many tables and one on a single table, both thrown away.

    Registry and broker are JVMs too, and what many tables ask of them a run on one table does not warm up.
    """
    rig.say(f"  {scenario.name}: runs on many tables and on one to warm up, which do not count")
    for each in (scenario, _ONE):
        _thrown_away(rig, each, size, OUR_WARM_UP, run)


def _thrown_away(rig: Rig, scenario: Scenario, size: int, contender: str, run: Run) -> None:
    smaller = summary.grid_size(size)
    dataset = scenario.dataset(smaller)
    topics.ensure(rig, dataset)
    run(rig, Entry(scenario=scenario.name, size=smaller, contender=contender), dataset)


def grid(rig: Rig, scenario: Scenario, size: int, run: Run = race.run) -> None:
    """Runs every point of the grid once on a smaller dataset of the scenario, unless it has been run.

    A point at which the sink fails is an answer as well and kept as one, else the grid would never come to its end.
    """
    smaller = summary.grid_size(size)
    dataset = scenario.dataset(smaller)
    tried = [each.settings for each in summary.grid(rig.store.results(), scenario.name, size)]
    missing = [point for point in POINTS if point not in tried]
    if missing:
        topics.ensure(rig, dataset)
        warm(rig, scenario, size, run)
    for point in missing:
        entry = Entry(scenario=scenario.name, size=smaller, contender=GRID, settings=point)
        try:
            run(rig, entry, dataset)
        except Persistent as failure:
            rig.say(f"  {scenario.name}: the sink fails with batch.size {point['batch.size']} ({failure.failure.kind})")
            rig.store.add(race.failed(entry, failure.failure.kind))


def best(store: Store, scenario: Scenario, size: int) -> dict[str, str] | None:
    """The settings of the fastest correct point of the grid, or None before there is one."""
    tried = [each for each in summary.grid(store.results(), scenario.name, size) if each.correct]
    return max(tried, key=lambda each: each.rate).settings if tried else None


def measure(rig: Rig, scenario: Scenario, size: int, runs: int, against: Against, run: Run = race.run) -> None:
    """The missing runs of the scenario, then its reference rates."""
    dataset, alone = scenario.dataset(size), _ONE.dataset(size)
    topics.ensure(rig, dataset)
    missing = [*entries(rig.store, scenario, size, runs, against)]
    if any(entry.contender in (DEFAULTS, BEST) for entry in missing):
        warm(rig, scenario, size, run)
    if any(entry.contender == ONE_TABLE for entry in missing):
        topics.ensure(rig, alone)
        warm_servers(rig, scenario, size, run)
    for entry in missing:
        run(rig, entry, alone if entry.contender == ONE_TABLE else dataset)
        rig.say(told(rig.store.results()[-1]))
    _references(rig, scenario, size, dataset, runs)


def _references(rig: Rig, scenario: Scenario, size: int, dataset: Dataset, runs: int) -> None:
    for name, reference in (
        (references.CONSUME, references.consume),
        (references.PLAIN, references.plain),
        (references.APPLY, references.apply),
    ):
        while _done(rig.store, scenario.name, size, name) < runs:
            rig.say(told(reference(rig, scenario.name, size, dataset)))


def told(result: Result) -> str:
    """A run in one line."""
    mark = "" if result.correct else ", ROWS DIFFER"
    return f"  {result.scenario}: {result.contender} {result.rate:,.0f} events/s{mark}"


def _done(store: Store, scenario: str, size: int, contender: str) -> int:
    wanted = (scenario, size, contender)
    counting = summary.counting(store.results(), engine.version())
    return sum((each.scenario, each.size, each.contender) == wanted for each in counting)
