"""What was read is given away whole, in its order, and in nothing that is empty."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.records import Appended, TopicPartition
from consumer.ports.topics import Fetched
from consumer.reading.gathering import Gathering, Stretch

AT = TopicPartition("t", 0)
# records of a stretch, and offsets behind them that hold none
PART = st.tuples(st.integers(0, 6), st.integers(0, 2)).filter(any)


def stretch(start: int, records: int, gap: int) -> Stretch:
    """A part of a log: so many records, and what holds none behind them."""
    values = [b"v"] * records
    fetched = Fetched(
        at=AT,
        offsets=range(start, start + records),
        keys=values,
        values=values,
        appended=[Appended(start, 1)] if records else [],
        leader_epoch=0,
        size=records,
    )
    return Stretch(at=AT, epoch=1, start=start, end=start + records + gap, fetched=fetched if records else None)


def test_of_a_single_part_that_is_larger_than_wanted_nothing_is_left() -> None:
    """A part is not cut; an empty rest would be a slice without a way to go."""
    gathering = Gathering()
    gathering.add(stretch(5, 4, 0))
    (taken,) = gathering.take(most=2)
    assert ((taken.start, taken.end, list(taken.offsets)), bool(gathering)) == ((5, 9, [5, 6, 7, 8]), False)


@given(st.lists(PART, min_size=1, max_size=8), st.lists(st.integers(1, 12), max_size=20))
def test_what_is_taken_follows_one_another_to_the_end(parts: list[tuple[int, int]], wishes: list[int]) -> None:
    """However much is wanted each time: no record twice or never, no slice from a position to itself."""
    gathering, end = Gathering(), 0
    for records, gap in parts:
        gathering.add(stretch(end, records, gap))
        end += records + gap
    written = sum(records for records, _ in parts)

    at, records = 0, 0
    for most in [*wishes, None]:
        for taken in gathering.take(most=most):
            assert (taken.start, taken.end > taken.start) == (at, True)
            at, records = taken.end, records + len(taken.offsets)
    assert (at, records) == (end, written)
    assert (bool(gathering), gathering.rows, gathering.bytes) == (False, 0, 0)
