"""The page about several workers shows what was measured, and what follows from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from consumer.bench import rolled, scaling
from consumer.bench.modes import ROLLING, SCALE
from consumer.bench.remarks import MARK, read
from consumer.bench.store import Result, Store

_THIS, _OTHER = "0.1.0.dev0+11111111", "0.1.0.dev0+00000000"


def _result(scenario: str, contender: str, details: Mapping[str, Any], **more: Any) -> Result:
    fields = {"size": 1_000_000, "rate": 5_000.0, "seconds": 1.0, "wall_seconds": 1.0, "version": _THIS, **more}
    return Result(scenario=scenario, contender=contender, details=dict(details), **fields)


def _rolled(contender: str, recovered: float, **more: Any) -> Result:
    restarts = [{"left": 0.5, "settled": 4.0}, {"left": 0.7, "settled": 3.0}]
    details = {"workers": 4, "partitions": 64, "calm_p99": 80.5, "typical": 0.4, "longest": 1.5, "recovered": recovered}
    return _result(ROLLING, contender, {**details, "restarts": restarts}, **more)


def _grown(workers: int, rate: float, **more: Any) -> Result:
    units = {"server_cpu": 8.0, "broker_cpu": 1.0, "event_bytes": 500.0, "wal_bytes": 400.0, "batch_records": 20_000.0}
    held = {str(place): 64 // workers for place in range(1, workers + 1)}
    records = {str(place): 1_000 * place for place in range(1, workers + 1)}
    details = {"workers": workers, "partitions": 64, "rebalance": 3.2, "held": held, "records": records, **units}
    return _result(SCALE, f"{workers} workers", details, rate=rate, cpu_per_million=4.0, **more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Without any result."""
    return Store(tmp_path)


def _with(store: Store, *results: Result) -> Store:
    for each in results:
        store.add(each)
    return store


def _page(store: Store, *results: Result) -> str:
    return scaling.page(_with(store, *results), _THIS)


def test_without_results_there_is_no_figure(store: Store) -> None:
    """Only what to run; the sections stay, since pages lead to them."""
    shown = _page(store)
    assert "| " not in shown
    assert shown.count("Not measured yet.") == 3
    assert "headrace bench rolling" in shown


def test_the_last_run_in_each_mode_is_shown_and_judged(store: Store) -> None:
    """What is beyond the limit says so; what is of another engine is not there."""
    shown = _page(
        store,
        _rolled("static", 3.0),
        _rolled("cooperative", 2.0),
        _rolled("static", 16.0),
        _rolled("KIP-848", 1.0, version=_OTHER),
    )
    assert "| cooperative | 4 | 64 | 5,000 | 80.5 | 0.4 | 1.5 | 2 | 0.7 | 4 | 0 | yes |" in shown
    assert "- cooperative: 2 seconds until p99 is under 1 s again (asked: at most 15): reached" in shown
    assert "- static: 16 seconds until p99 is under 1 s again (asked: at most 15): **not reached**" in shown
    assert "| KIP-848" not in shown


def test_a_run_with_a_change_that_was_lost_or_done_twice_is_marked(store: Store) -> None:
    """However fast it was."""
    assert _page(store, _rolled("static", 1.0, correct=False)).count("**no**") == 1


def test_growth_is_shown_by_workers_with_its_fairness(store: Store) -> None:
    """The largest backlog alone, since rates of others do not compare."""
    shown = _page(store, _grown(2, 150_000.0), _grown(1, 100_000.0), _grown(3, 1.0, size=1_000))
    assert "| 1 workers | 100,000 | 3.2 | 64 | 100 % | yes | 0 |" in shown
    assert "| 2 workers | 150,000 | 3.2 | 32 | 33 to 67 % | yes | 0 |" in shown
    assert "3 workers" not in shown


def test_what_a_rate_takes_follows_from_one_worker(store: Store) -> None:
    """And is said to be extrapolated."""
    shown = _page(store, _grown(1, 100_000.0), _grown(4, 90_000.0))
    assert "extrapolated" in shown
    assert "| 1,000,000 | 100 tables of 10 000 each | 4.0 | 20 | 8.0 | 400 | 4 | 1.0 | 500 |" in shown


def test_what_was_measured_with_an_earlier_engine_stays_and_says_so(store: Store) -> None:
    """Until the section is measured anew; sections are apart in that."""
    shown = _page(store, _rolled("static", 2.0, version=_OTHER), _grown(1, 100_000.0))
    assert shown.count(f"**Of an earlier engine**, `{_OTHER}`") == 1
    assert "| static | 4 | 64 |" in shown
    anew = _page(store, _rolled("cooperative", 2.0))
    assert "earlier engine" not in anew
    assert "| static" not in anew


def test_what_people_wrote_outlives_a_report(store: Store) -> None:
    """Behind the mark of its section, up to the next heading; nothing else of the page before does."""
    first = _page(store, _rolled("static", 2.0))
    title = "A rolling restart under load"
    head, mark, rest = first.partition(MARK)
    by_hand = f"{head} lost{mark}\n\nOther work had the machine.\n\nTwice.\n{rest}"
    again = scaling.page(store, _THIS, by_hand)
    assert read(again).remarks == {title: "Other work had the machine.\n\nTwice."}
    assert "lost" not in again
    assert scaling.page(store, _THIS, again) == again


def test_a_section_without_any_run_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    """As after a look at another machine's store: nothing that was measured is lost, and whose it was is said once."""
    elsewhere = scaling.page(_with(Store(tmp_path / "other"), _rolled("static", 2.0, version=_OTHER)), _OTHER)
    shown = scaling.page(_with(store, _grown(1, 100_000.0)), _THIS, elsewhere)
    assert shown.count(f"**Of an earlier engine**, `{_OTHER}`") == shown.count("| static | 4 | 64 |") == 1
    assert "Not measured yet." not in shown
    assert scaling.page(store, _THIS, shown) == shown


def test_only_the_last_run_of_a_mode_counts() -> None:
    """In the order in which modes are told."""
    results = [_rolled("static", 1.0), _rolled("cooperative", 2.0), _rolled("static", 3.0)]
    assert [(each.contender, each.details["recovered"]) for each in rolled.newest(results)] == [
        ("cooperative", 2.0),
        ("static", 3.0),
    ]
