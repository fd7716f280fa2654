"""Which partitions wait for which, and that none waits for itself for ever."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.records import TopicPartition
from consumer.core.waiting import barrier, goes_first, named, unpassed

A, B, C = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b:c" * 2, 7)
SEVERAL = st.sampled_from([TopicPartition(topic, number) for topic in "ab" for number in range(3)])


@given(st.dictionaries(SEVERAL, st.integers(1, 9)), st.dictionaries(SEVERAL, st.integers(0, 9)))
def test_what_is_stored_says_what_is_waited_for(
    ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int]
) -> None:
    """In any topic, also where its name is hostile; whoever has reached its end is not waited for any more."""
    left = {other: end for other, end in ends.items() if positions.get(other, end) < end}

    assert unpassed(A, named(A, ends), positions) == left
    assert unpassed(A, named(A, {B: 1, C: 2}), {B: 0, C: 0}) == {B: 1, C: 2}


@pytest.mark.parametrize(
    ("behind", "waits", "found"),
    [
        pytest.param({B: 1, C: 2}, {}, {B: 1, C: 2}, id="everything that is behind"),
        pytest.param({A: 3, B: 1}, {}, {B: 1}, id="not itself"),
        pytest.param({B: 1, C: 2}, {B: {A}}, {C: 2}, id="not what waits for it"),
        pytest.param({B: 1, C: 2}, {B: {C}, C: {A}}, {}, id="also through others"),
        pytest.param({B: 1}, {B: {C}}, {B: 1}, id="but what waits for somebody else"),
    ],
)
def test_nobody_waits_for_who_waits_for_it(
    behind: Mapping[TopicPartition, int],
    waits: Mapping[TopicPartition, set[TopicPartition]],
    found: Mapping[TopicPartition, int],
) -> None:
    """Whatever is left over is no reason to wait."""
    assert barrier(A, behind, waits) == found


@given(st.dictionaries(SEVERAL, st.sets(SEVERAL, max_size=3)))
def test_of_every_circle_one_goes_first(waits: Mapping[TopicPartition, set[TopicPartition]]) -> None:
    """Two workers may decide at once, so a circle can come about; letting its first go on dissolves it in the end."""
    left = dict(waits)
    while left:
        free = [at for at, others in left.items() if not others & left.keys() or goes_first(at, left)]
        assert free, left
        for at in free:
            del left[at]
