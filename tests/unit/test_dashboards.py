"""The dashboards as files: what they ask for is told, and each panel says what it is for."""

import json
from typing import Any

import pytest

from consumer.alerts.alert import Board
from consumer.telemetry.metrics import METRICS
from tests.unit.promql import grouped_by, known, parsed, selectors
from tools.dashboards.boards import BOARDS

_BOARDS: dict[str, dict[str, Any]] = {name: json.loads(made()) for name, made in BOARDS.items()}
# one name of all of them, of boards of other tools
_ELSEWHERE = "kafka_"
each_board = pytest.mark.parametrize("name", BOARDS)


def panels(name: str) -> list[dict[str, Any]]:
    """Those that ask for something."""
    return [panel for panel in _BOARDS[name]["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Of all panels."""
    return [target["expr"] for name in BOARDS for panel in panels(name) for target in panel["targets"]]


@pytest.mark.parametrize("expr", queries())
def test_a_query_asks_for_what_is_told(expr: str) -> None:
    """By metrics and labels that there are, on the processes that were chosen."""
    tree, told = parsed(expr), known()
    labels: set[str] = set()
    for name, chosen in selectors(tree):
        assert name in told
        assert chosen <= told[name]
        assert chosen & {"instance", "group"}
        labels |= told[name]
    assert set(grouped_by(tree)) <= labels


def test_every_metric_is_on_a_board() -> None:
    """What nobody sees need not be told."""
    shown = {name for expr in queries() for name, _ in selectors(parsed(expr))}
    stems = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in shown} | shown
    assert {metric.name for metric in METRICS if not metric.name.startswith(_ELSEWHERE)} <= stems


@each_board
def test_a_panel_says_what_it_is_and_why(name: str) -> None:
    """With a unit, queries of names of their own, and a legend where there are several series."""
    assert len({panel["title"] for panel in panels(name)}) == len(panels(name))
    for panel in panels(name):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        names = [target["refId"] for target in panel["targets"]]
        assert names == sorted(set(names))
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] for target in panel["targets"])


@each_board
def test_panels_fill_their_rows_and_lie_side_by_side(name: str) -> None:
    """Nothing overlaps, and no row has a hole."""
    taken: dict[tuple[int, int], str] = {}
    for panel in _BOARDS[name]["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
    bottom = 1 + max(y for _, y in taken)
    assert set(taken) == {(x, y) for x in range(24) for y in range(bottom)}


def test_boards_are_found_by_their_ids_and_lead_to_each_other() -> None:
    """The ids that alerts link to."""
    assert [board["uid"] for board in _BOARDS.values()] == [each.value for each in Board]
    for board in _BOARDS.values():
        assert board["tags"] == ["headrace"]
        assert board["links"][0]["tags"] == ["headrace"]
        chosen = [choice["name"] for choice in board["templating"]["list"]]
        assert chosen == ["datasource", "group", "worker", "process"]
