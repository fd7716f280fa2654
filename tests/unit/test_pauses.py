"""What a restart cost is read off the waits of records."""

import pytest

from consumer.bench.modes import MODES
from consumer.bench.pauses import cost, p99
from consumer.bench.tide import Wait, Watermarks


def _steady(*slow: tuple[float, int, float]) -> list[Wait]:
    """Ten seconds of two partitions, a record each 10 ms that takes 20; `slow`: since when, which partition, how long
    nothing of it was applied. Milliseconds.
    """
    waits = [Wait(part, float(at), 20.0) for at in range(0, 10_000, 10) for part in (0, 1)]
    for since, part, pause in slow:
        waits = [
            Wait(part, each.appended, since + pause - each.appended + 20)
            if each.partition == part and since <= each.appended < since + pause
            else each
            for each in waits
        ]
    return waits


@pytest.mark.parametrize(
    ("slow", "pauses", "recovered"),
    [
        ((), (0.02, 0.02), 0.0),
        (((2_000.0, 0, 500.0),), (0.52, 0.02), 0.0),
        # in the last second of the pause one record in a hundred waits a second at most
        (((2_000.0, 0, 3_000.0),), (3.02, 0.02), 2.0),
        # when the replacement comes, others stand still
        (((2_000.0, 0, 2_000.0), (6_000.0, 1, 1_500.0)), (2.02, 1.52), 5.0),
        # what was over before the restart is not its cost
        (((0.0, 1, 1_900.0),), (0.02, 0.02), 0.0),
        # nor is what the next restart has to wait for
        (((9_500.0, 1, 5_000.0),), (0.02, 0.02), 0.0),
        # what stands still when it begins is
        (((1_900.0, 1, 2_600.0),), (0.02, 2.62), 2.0),
    ],
    ids=["nothing", "short", "one", "two", "before", "next", "pending"],
)
def test_pauses_and_recovery(slow: tuple[tuple[float, int, float], ...], pauses: object, recovered: float) -> None:
    """The restart begins after two seconds."""
    found = cost(_steady(*slow), 2_000.0, 10_000.0)
    assert found.pauses == pauses
    assert found.recovered == recovered


def test_what_stood_still_is_counted_and_the_median_partition_is_told() -> None:
    """Longest, typical, and how many were over the limit."""
    waits = [Wait(part, 1.0, took) for part, took in enumerate((100.0, 200.0, 900.0, 1_100.0, 3_000.0))]
    found = cost(waits, 0.0, 10_000.0)
    assert (found.longest, found.typical, found.stood) == (3.0, 0.9, 2)


@pytest.mark.parametrize(("tooks", "wanted"), [([5.0], 5.0), (list(range(1, 101)), 99), (list(range(1, 1_001)), 990)])
def test_one_in_a_hundred_takes_longer(tooks: list[float], wanted: float) -> None:
    """Never an average of two."""
    assert p99(tooks) == wanted


def test_a_mark_counts_from_when_it_or_a_higher_one_was_seen() -> None:
    """And a mark that was seen already changes nothing."""
    marks = Watermarks()
    for mark in (0, 3, 3, 8):
        marks.note(mark)
    assert marks.marks == [0, 3, 8]
    assert [marks.seen_at(wanted) for wanted in (1, 3, 4, 8)] == [marks.times[place] for place in (1, 1, 2, 2)]


def test_each_place_is_a_member_of_its_own() -> None:
    """With static membership two workers must not share an id."""
    static = next(mode for mode in MODES if mode.name == "static")
    assert [static.client_of(place)["group.instance.id"] for place in (1, 2)] == ["place-1", "place-2"]
