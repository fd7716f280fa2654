"""The benchmark works: a tiny race of both contenders on real servers, resumed, and rendered."""

from collections.abc import Callable
from pathlib import Path

from consumer.bench import campaign, rig, summary
from consumer.bench.report import page
from consumer.bench.scenario import SCENARIOS, Against
from consumer.stack.options import ALL_PARTS
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack

_EVENTS = 5_000
_FRESH = SCENARIOS["fresh"]


def test_a_tiny_race_is_run_checked_resumed_and_rendered(fresh_stack: Callable[..., Stack], tmp_path: Path) -> None:
    """Both contenders apply the same topic with the right rows; a second call runs nothing; the page shows them."""
    stack = fresh_stack(ALL_PARTS, rig.options())
    bench = rig.rig(stack, tmp_path / "bench", Terminal(quiet_steps=True))

    campaign.measure(bench, _FRESH, _EVENTS, 1, Against.DEFAULTS)

    lines = {line.contender: line for line in summary.lines(bench.store.results(), "fresh", _EVENTS)}
    assert set(lines) == {"headrace", "sink-defaults", "consume", "copy-upsert"}
    assert all(line.correct for line in lines.values())

    before = bench.store.results()
    campaign.measure(bench, _FRESH, _EVENTS, 1, Against.DEFAULTS)
    assert bench.store.results() == before

    shown = page(bench.store)
    assert "| headrace | 1 |" in shown
    assert "| sink-defaults | 1 |" in shown
