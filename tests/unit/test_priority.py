"""Whose batch is next, and how large one of a lower priority may be."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.priority import Priority, Ration, Turns, highest

CRITICAL, NORMAL, BULK = Priority


@pytest.mark.parametrize(
    ("priorities", "found"),
    [([], NORMAL), ([BULK], BULK), ([BULK, NORMAL], NORMAL), ([NORMAL, CRITICAL, BULK], CRITICAL)],
)
def test_a_topic_of_several_tables_has_the_highest_of_their_priorities(
    priorities: list[Priority], found: Priority
) -> None:
    """What is critical is not held up by what shares its topic."""
    assert highest(priorities) is found


def test_the_highest_goes_first_and_nobody_is_passed_over_for_ever() -> None:
    """As long as all three always wait, each has its share."""
    turns = Turns()
    chosen = [turns.next([BULK, CRITICAL, NORMAL]) for _ in range(60)]

    assert chosen[:3] == [CRITICAL] * 3
    shares = Counter(chosen)
    assert shares[CRITICAL] > shares[NORMAL] >= shares[BULK] >= 10
    bulk = [place for place, each in enumerate(chosen) if each is BULK]
    assert max(later - before for before, later in pairwise(bulk)) <= 6


@given(st.lists(st.sets(st.sampled_from(Priority), min_size=1), max_size=60))
def test_who_waits_all_the_time_has_a_turn_within_a_few_batches(waits: list[set[Priority]]) -> None:
    """Whatever the others do."""
    turns = Turns()
    since: Counter[Priority] = Counter()
    for waiting in waits:
        chosen = turns.next(sorted(waiting))
        for each in Priority:
            since[each] = 0 if each is chosen or each not in waiting else since[each] + 1
        assert max(since.values()) <= 8


@pytest.mark.parametrize(
    ("records", "seconds", "next_one"),
    [
        pytest.param(1_000, 0.06, 1_000, id="as long as it should be"),
        pytest.param(1_000, 0.01, 1_500, id="quick: a larger one"),
        pytest.param(100, 0.001, 1_000, id="one that is not half full says nothing"),
        pytest.param(1_000, 0.4, 200, id="slow: a smaller one"),
        pytest.param(1_000, 0.2, 400, id="as much smaller as it was too slow"),
        pytest.param(10, 30.0, 100, id="but there is a least"),
    ],
)
def test_a_batch_of_a_lower_priority_takes_its_part_of_the_time(records: int, seconds: float, next_one: int) -> None:
    """What the last one took says how large the next one may be."""
    assert Ration(seconds=0.1, records=1_000).applied(records, seconds).records == next_one


def test_a_ration_settles_where_it_takes_its_time() -> None:
    """A target of 20 000 rows a second, with 10 ms for each transaction."""
    ration = Ration(seconds=0.1)
    for _ in range(50):
        took = 0.01 + ration.records / 20_000
        ration = ration.applied(ration.records, took)
    assert 0.05 <= 0.01 + ration.records / 20_000 <= 0.1
