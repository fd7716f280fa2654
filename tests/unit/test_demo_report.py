"""The figures of a closed demonstration: those of the engine, and beside them what its target's outage did."""

from collections.abc import Sequence

from consumer.stack.demo.journal import Journal, Wait
from consumer.stack.demo.letters import Held
from consumer.stack.demo.play import Report
from consumer.stack.demo.target import Absence
from consumer.stack.demo.troubled import Troubled
from consumer.stack.demo.watch import Totals

TOPIC = "demo.shop.orders"


def waits() -> list[Wait]:
    """A commit of ten records each second for 20 seconds; the target is away from 4 to 16, and applies again at 17."""
    journal = Journal([TOPIC])
    found = []
    for second in range(20):
        journal.committed({TOPIC: 10}, float(second))
    for second in (0, 1, 2, 3, 17, 18, 19):
        found += journal.waits(TOPIC, 10 * second, 10 * second + 10, second + 0.1)
    return found + journal.waits(TOPIC, 40, 170, 17.0)


def report(waits: Sequence[Wait], *absences: Absence, exact: bool = True) -> Report:
    """With nothing else in it that matters."""
    return Report(
        mode="light",
        snapshot_rows=0,
        changes=200,
        seconds=20.0,
        snapshot_seconds=0.1,
        totals=Totals(waits=list(waits)),
        exact=exact,
        trouble=Troubled(held=Held((), {}), absences=absences, copies={}),
        compared={"equal": True},
    )


def test_what_waited_for_the_target_is_in_no_quantile() -> None:
    """Twelve seconds that the demo itself makes are no latency of the engine; they are reported beside it."""
    figures = report(waits(), Absence(since=4.0, until=16.0, applied=17.0)).as_json()

    assert figures["p50_commit_to_apply_ms"] == figures["p99_commit_to_apply_ms"] == 100.0
    assert figures["max_commit_to_apply_ms"] == 100.0
    assert figures["max_commit_to_apply_with_outage_ms"] == 13_000.0
    assert figures["records_delayed_by_outage"] == 130


def test_without_an_absence_every_wait_counts() -> None:
    """A wait that the engine alone made stays in the figures, however long it is."""
    figures = report(waits()).as_json()

    assert figures["p99_commit_to_apply_ms"] == figures["max_commit_to_apply_with_outage_ms"] == 13_000.0
    assert figures["records_delayed_by_outage"] == 0


def test_an_absence_that_is_not_over_has_all_that_comes_after_it() -> None:
    """Nothing has been applied since, as far as was seen."""
    figures = report(waits(), Absence(since=4.0)).as_json()

    assert figures["p99_commit_to_apply_ms"] == 100.0
    assert figures["records_delayed_by_outage"] == 160


def test_what_is_not_exact_has_no_latency() -> None:
    """Records that nobody can assign have no figure, and none that says zero."""
    figures = report(waits(), exact=False).as_json()

    assert [value for name, value in figures.items() if "commit_to_apply" in name or "delayed" in name] == [None] * 5
