"""The benchmark works: a tiny race of both contenders on real servers, resumed, and rendered."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.bench import campaign, engine, letters, memory, rig, summary, telemetry, topics, watched
from consumer.bench.cases import CASES, NAME
from consumer.bench.report import page
from consumer.bench.scenario import SCENARIOS, Against
from consumer.stack.options import ALL_PARTS
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack

_EVENTS = 5_000
_FRESH = SCENARIOS["fresh"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, for those that need no settings of it."""
    with Stack.open(tmp_path_factory.mktemp("stack"), progress=Terminal(quiet_steps=True)) as opened:
        yield opened


def test_a_tiny_race_is_run_checked_resumed_and_rendered(fresh_stack: Callable[..., Stack], tmp_path: Path) -> None:
    """Both contenders apply the same topic with the right rows; a second call runs nothing; the page shows them."""
    stack = fresh_stack(ALL_PARTS, rig.options())
    bench = rig.rig(stack, tmp_path / "bench", Terminal(quiet_steps=True))

    campaign.measure(bench, _FRESH, _EVENTS, 1, Against.DEFAULTS)

    lines = {line.contender: line for line in summary.lines(bench.store.results(), "fresh", _EVENTS)}
    assert set(lines) == {"headrace", "sink-defaults", "consume", "plain-copy-upsert", "copy-upsert"}
    assert all(line.correct for line in lines.values())

    before = bench.store.results()
    campaign.measure(bench, _FRESH, _EVENTS, 1, Against.DEFAULTS)
    assert bench.store.results() == before

    shown = page(bench.store, engine.version())
    assert "| headrace | 1 |" in shown
    assert "| sink-defaults | 1 |" in shown


def test_bad_records_are_met_checked_and_not_met_twice(stack: Stack, tmp_path: Path) -> None:
    """Exactly the bad ones are letters, those of other rows stay open, all other rows are there: else it isn't right.

    A second call runs nothing.
    """
    bench = rig.rig(stack, tmp_path, Terminal(quiet_steps=True))
    _, _, bad, others = CASES
    cases = (bad, replace(others, open_letters=50))

    letters.measure(bench, 1_000, 1, cases)

    results = bench.store.results()
    assert [(each.scenario, each.contender, each.correct) for each in results] == [
        (NAME, "1% bad", True),
        (NAME, "10000 open letters", True),
    ]
    letters.measure(bench, 1_000, 1, cases)
    assert bench.store.results() == results


def test_telemetry_is_measured_with_somebody_who_watches(stack: Stack, tmp_path: Path) -> None:
    """With all of it metrics are read and traces come, without any of it nothing does; a second call runs nothing."""
    bench = rig.rig(stack, tmp_path, Terminal(quiet_steps=True))

    telemetry.measure(bench, 1_000, 1)

    results = bench.store.results()
    assert [(each.contender, each.correct) for each in results] == [(watched.OFF, True), (watched.ON, True)]
    assert ["scrapes" in each.details for each in results] == [False, True]
    assert not any("dsn" in name.lower() for each in results for name in each.settings)
    telemetry.measure(bench, 1_000, 1)
    assert bench.store.results() == results
    assert f"| {watched.ON} | 1 |" in page(bench.store, engine.version())


def test_memory_is_measured_twice_in_the_same_directory(stack: Stack, tmp_path: Path) -> None:
    """The second worker applies the whole backlog as well: it is not taken for the first, whose positions are there."""
    bench = rig.rig(stack, tmp_path, Terminal(quiet_steps=True))
    dataset = _FRESH.dataset(1_000)
    topics.ensure(bench, dataset)

    results = [memory.measure(bench, dataset, backlog=3_000, partitions=4) for _ in range(2)]

    assert [(each.correct, each.details.get("records")) for each in results] == [(True, 3_000)] * 2
