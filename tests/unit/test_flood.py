"""The flood guard."""

from dataclasses import replace

import pytest

from consumer.applying.cuts import without_flooded
from consumer.core.failure import failed
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.kinds import KINDS
from consumer.core.letters import Letter, Record, State
from consumer.core.plan import Aside, Plan, Stage
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.reading.handover import Stopped, Work

AT, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def plan(records: int, letters: int, kind: str = "record.decode", at: TopicPartition = AT) -> Plan:
    """A batch of one partition."""
    failure = failed(KINDS[kind], "test", "make", "bad")
    bad = tuple(
        Letter(record=Record(ref=RecordRef(at, n), key=None, value=None), state=State.DEAD, failure=failure)
        for n in range(letters)
    )
    piece = Slice(at=at, epoch=1, start=0, end=records, offsets=range(records))
    return Plan(slices=(piece,), stages=(Stage((), (Aside(letters=bad),)),))


@pytest.mark.parametrize(
    ("before", "now", "flood"),
    [
        ([], (20_000, 1000), {}),
        ([], (20_000, 1001), {AT: 1001}),
        ([], (99, 99), {}),
        ([], (100, 100), {AT: 100}),
        ([(1000, 60)], (1000, 39), {}),
        ([(1000, 60)], (1000, 41), {AT: 101}),
        ([(10_000, 0)], (1000, 500), {}),
        ([(1000, 0)] * 20, (1000, 560), {AT: 560}),
        ([(50, 50), *[(1000, 0)] * 20], (1000, 500), {}),
    ],
)
def test_a_flood_is_a_share_of_the_last_records(
    before: list[tuple[int, int]], now: tuple[int, int], flood: dict[TopicPartition, int]
) -> None:
    """And a least number; what lies far back does not count."""
    guard = FloodGuard(FloodLimits())
    for one in before:
        guard.passed(plan(*one))

    assert guard.flooded(plan(*now)) == flood


def test_what_waits_is_no_flood() -> None:
    """One letter may have many followers."""
    assert FloodGuard(FloodLimits()).flooded(plan(1000, 1000, "record.behind")) == {}


def test_partitions_do_not_answer_for_one_another() -> None:
    """Nor do those that were taken anew for what was before."""
    guard = FloodGuard(FloodLimits())
    guard.passed(plan(99, 99))
    assert guard.flooded(plan(100, 10, at=OTHER)) == {}
    assert guard.flooded(plan(1, 1)) == {AT: 100}
    guard.forget([AT])
    assert guard.flooded(plan(1, 1)) == {}


def test_it_is_said_of_which_kinds_it_is() -> None:
    """The most first, with the reason of one of them; what waits behind a letter is not counted."""
    mixed = plan(1000, 60)
    others = [plan(1000, 3, "record.value"), plan(1000, 9, "record.behind")]
    asides = [aside for one in (*others, mixed) for aside in one.stages[0].letters]
    mixed = replace(mixed, stages=(Stage((), tuple(asides)),))
    (stopped,) = without_flooded(Work(slices=mixed.slices), mixed, {AT: 63})

    assert isinstance(stopped, Stopped)
    assert "60 as record.decode, 3 as record.value; the first: bad" in stopped.failure.detail
