"""A benchmark that was killed goes on: what it had is kept, and nothing of the killed one disturbs what follows."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from consumer.bench import campaign, rig, summary
from consumer.bench.contender import REWRITE
from consumer.bench.race import GRID
from consumer.bench.scenario import SCENARIOS, Against
from consumer.bench.store import Result, Store
from consumer.stack import ownership
from consumer.stack.connectors import connectors
from consumer.stack.layout import Layout
from consumer.stack.status import status
from consumer.stack.waiting import wait_until

_SCENARIO = SCENARIOS["hot-keys"]
_EVENTS = 1_000


def _workers(directory: Path) -> list[psutil.Process]:
    """The workers that this benchmark has started and that still live."""
    settings = str(directory / "runs")
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if any(word.startswith(settings) for word in each.info["cmdline"] or ())
    ]


def _connectors(directory: Path) -> tuple[str, ...]:
    found = status(directory / "stack")
    return connectors(found.endpoints.connect_url) if found is not None and found.up else ()


def _makes_topics(directory: Path) -> bool:
    return any("capture" in name for name in _connectors(directory))


def _runs_headrace(directory: Path) -> bool:
    return bool(_workers(directory))


def _runs_the_sink(directory: Path) -> bool:
    """In the middle of the grid."""
    return len(Store(directory).results()) >= 2 and bool(_connectors(directory))


def _breaks(result: Result) -> bool:
    """Whether the sink can't work so: a key twice in one rewritten INSERT with ON CONFLICT, and nothing folds it."""
    return (result.settings.get(REWRITE), result.settings.get("use.reduction.buffer")) == ("true", "false")


def _kill(directory: Path, against: Against, moment: Callable[[Path], bool]) -> None:
    """Starts the benchmark, kills it with SIGKILL at the moment, and returns when all of its processes are gone."""
    words = ["bench", _SCENARIO.name, "--data-dir", str(directory), "--rows", str(_EVENTS), "--against", str(against)]
    command = [sys.executable, "-m", "consumer", *words, "--runs", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        reached = wait_until(lambda: process.poll() is not None or moment(directory), 180)
        process.kill()
    assert reached
    assert process.returncode < 0, "it ended before the moment"
    layout = Layout(directory / "stack")
    assert wait_until(lambda: not _workers(directory) and ownership.is_free(layout), 30), _workers(directory)


@pytest.mark.timeout(600)
def test_a_benchmark_that_is_killed_anywhere_goes_on_and_runs_nothing_twice(tmp_path: Path) -> None:
    """Killed while topics are made, while Headrace runs, and in the middle of the grid, of which some points fail."""
    _kill(tmp_path, Against.NOBODY, _makes_topics)
    _kill(tmp_path, Against.NOBODY, _runs_headrace)
    _kill(tmp_path, Against.BEST, _runs_the_sink)
    kept = Store(tmp_path).results()

    with rig.opened(tmp_path) as bench:
        assert connectors(bench.endpoints.connect_url) == ()
        with bench.source() as source:
            assert source.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == []
        campaign.grid(bench, _SCENARIO, _EVENTS)
        campaign.measure(bench, _SCENARIO, _EVENTS, 1, Against.BEST)

    results = Store(tmp_path).results()
    assert results[: len(kept)] == kept
    assert all(each.correct is not _breaks(each) for each in results)
    once = {"headrace": 1, "sink-defaults": 1, "sink-best": 1, "consume": 1, "plain-copy-upsert": 1, "copy-upsert": 1}
    assert Counter(each.contender for each in results) == {GRID: len(campaign.POINTS), **once}
    assert [point for point in campaign.POINTS if point not in [each.settings for each in results]] == []
    assert len(summary.grid(results, _SCENARIO.name, _EVENTS)) == len(campaign.POINTS)
