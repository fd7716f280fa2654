"""One run of one contender on one dataset, measured and checked."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from consumer.bench import engine, target
from consumer.bench.contender import HEADRACE, ONE_TABLE, Running, headrace, sink
from consumer.bench.rig import Rig
from consumer.bench.sampler import Sampler
from consumer.bench.scenario import MILLION, Dataset
from consumer.bench.store import Result

DEFAULTS = "sink-defaults"
GRID = "sink-grid"
BEST = "sink-best"
WARM_UP = "sink-warm-up"
OUR_WARM_UP = "headrace-warm-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Which run it is: what the result is filed under."""

    scenario: str
    size: int
    contender: str
    settings: Mapping[str, str] = field(default_factory=dict)


def run(rig: Rig, entry: Entry, dataset: Dataset) -> Result:
    """Resets the target, lets the contender apply the dataset, checks the rows, and keeps the result.

    Nothing of a warm-up is kept.
    """
    target.reset(rig, dataset)
    start = _starter(rig, entry, dataset)
    if entry.contender in (WARM_UP, OUR_WARM_UP):
        return _watched(rig, entry, dataset, start)
    return measured(rig, entry, dataset, start, lambda: target.same(rig, dataset))


def measured(
    rig: Rig,
    entry: Entry,
    dataset: Dataset,
    start: Callable[[], AbstractContextManager[Running]],
    right: Callable[[], bool],
) -> Result:
    """Starts a contender on a target that is reset, ends it when the last effect is there, and keeps the result.

    `right` looks afterwards whether the target holds what it should.
    """
    load, version = busy(), engine.version()
    result = _watched(rig, entry, dataset, start)
    kept = replace(result, correct=right(), load_before=load, version=version, finished_at=now())
    rig.store.add(kept)
    return kept


def failed(entry: Entry, kind: str) -> Result:
    """The result of a run that its contender did not survive."""
    return Result(
        scenario=entry.scenario,
        contender=entry.contender,
        size=entry.size,
        rate=0.0,
        seconds=0.0,
        wall_seconds=0.0,
        correct=False,
        settings=dict(entry.settings),
        details={"failed": kind},
        finished_at=now(),
    )


def busy() -> float:
    """How busy the machine is before a run: the load of the last minute."""
    return round(os.getloadavg()[0], 2)


def now() -> str:
    """The time of a result."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _starter(rig: Rig, entry: Entry, dataset: Dataset) -> Callable[[], AbstractContextManager[Running]]:
    if entry.contender in (HEADRACE, ONE_TABLE, OUR_WARM_UP):
        return lambda: headrace(rig, dataset.topics)
    return lambda: sink(rig, dataset.topics, entry.settings)


def _watched(rig: Rig, entry: Entry, dataset: Dataset, start: Callable[[], AbstractContextManager[Running]]) -> Result:
    cpu = [0.0]
    label = f"{entry.scenario}: {entry.contender}"
    with (
        start() as running,
        Sampler(running.pid) as sampler,
        rig.target() as connection,
        rig.bar(label, dataset.events) as progress,
    ):

        def began() -> None:
            cpu[0] = sampler.cpu()

        def tick(written: int) -> None:
            running.check()
            progress(max(0, written - dataset.mix.preloaded * len(dataset.tables)))

        seen = target.Watch(connection, dataset, tick).run(began)
        spent, details = sampler.cpu() - cpu[0], running.details()
    events, seconds = dataset.events - seen.landed, seen.last - seen.first
    return Result(
        scenario=entry.scenario,
        contender=entry.contender,
        size=entry.size,
        rate=round(events / max(seconds, 1e-3), 1),
        seconds=round(seconds, 3),
        wall_seconds=round(seen.last - running.started, 3),
        cpu_per_million=round(spent / max(events, 1) * MILLION, 2),
        peak_mb=round(sampler.peak_mb, 1),
        settings=dict(entry.settings),
        details={"events": dataset.events, "landed_at_first_look": seen.landed, **details},
    )
