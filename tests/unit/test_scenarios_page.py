"""The page about the scenarios has the table by which they are judged."""

from pathlib import Path

from tests.scenarios.table import EXPECTED

PAGE = Path(__file__).parents[2] / "docs/how-to/run-the-scenarios.md"


def test_the_page_says_what_is_expected() -> None:
    """Word for word, and of no other scenario."""
    rows = [f"| {name} | {one.fault} | {one.keeps} | {one.sees} | {one.heals} |" for name, one in EXPECTED.items()]
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert table[2:] == rows


def test_each_dependency_is_down_slow_and_lying_and_two_are_at_once() -> None:
    """Twelve and more."""
    faults = {f"{server} {how}" for server in ("target", "broker", "registry") for how in ("down", "slow", "lies")}
    assert faults | {"broker and target", "registry and target"} <= EXPECTED.keys()
    assert len(EXPECTED) >= 12
