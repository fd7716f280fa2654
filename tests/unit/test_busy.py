"""How a record is found for whose sake a table is busy, and how many are tried at a time meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.busy import Busy, of_record
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.plan import TableName
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.handover import Work
from consumer.ports.refusals import TableBusy

ONE, TWO, OTHER = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)


def busy(kind: str = "target.timeout") -> TableBusy:
    """What the target says of a table."""
    return TableBusy(failed(KINDS[kind], "postgres", "upsert", "too long", code="57014"), TableName("public", "t"))


def piece(at: TopicPartition, start: int, end: int) -> Slice:
    """Records from one offset to in front of another."""
    keys, values = [None] * (end - start), [b""] * (end - start)
    return Slice(at=at, epoch=1, start=start, end=end, offsets=range(start, end), keys=keys, values=values)


def work(*slices: Slice, tries: int = 0) -> Work:
    """A batch."""
    return Work(slices=slices, tries=tries)


def ranges(parts: list[Work]) -> list[list[tuple[TopicPartition, int, int]]]:
    """Where the parts of a batch lie."""
    return [[(one.at, one.start, one.end) for one in part.slices] for part in parts]


def test_a_partition_that_was_given_up_is_tried_apart_and_in_part() -> None:
    """What is of others comes first; what only moves a position is nobody's record."""
    told = Busy()
    batch = work(piece(ONE, 0, 800), piece(TWO, 7, 7), piece(OTHER, 0, 5))
    assert told.apart(batch) == [batch]
    told.failed(work(piece(ONE, 0, 800), piece(TWO, 7, 7)), busy())

    parts = [[(TWO, 7, 7), (OTHER, 0, 5)], [(ONE, 0, 25)], [(ONE, 25, 800)]]
    assert ranges(told.apart(batch)) == parts


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=20), st.integers(1, 3000))
def test_no_record_is_lost_or_moved(history: list[tuple[int, bool]], count: int) -> None:
    """Whatever was given up before, and applied again."""
    told = Busy()
    for records, well in history:
        if well:
            told.passed([piece(ONE, 0, records)])
        else:
            told.failed(work(piece(ONE, 0, records)), busy())
    todo, done = [work(piece(ONE, 0, count))], []
    while todo:
        now, *then = told.apart(todo.pop(0))
        told.passed(now.slices)
        done += [offset for one in now.slices for offset in one.offsets]
        todo = [*then, *todo]

    assert done == list(range(count))


def test_what_is_applied_lets_more_be_tried() -> None:
    """Until the partition is one like any other."""
    told = Busy()
    told.failed(work(piece(ONE, 0, 320)), busy())
    sizes = []
    while len(parts := told.apart(work(piece(ONE, 0, 20_000)))) > 1:
        sizes.append(len(parts[0].slices[0]))
        told.passed(parts[0].slices)

    assert sizes == [10 * 2**n for n in range(9)]


@pytest.mark.parametrize(
    ("kind", "found"), [("target.timeout", True), ("target.conflict", True), ("target.locked", False)]
)
def test_a_record_that_fails_alone_again_and_again_is_at_fault(kind: str, found: bool) -> None:
    """Not so for a lock, and not when another one was applied meanwhile."""
    told, alone = Busy(), work(piece(ONE, 5, 6))
    assert told.failed(alone, busy(kind)) is None
    told.passed(alone.slices)
    assert told.failed(alone, busy(kind)) is None
    assert told.failed(work(piece(ONE, 5, 7)), busy(kind)) is None

    assert told.failed(alone, busy(kind)) == (RecordRef(ONE, 5) if found else None)


@pytest.mark.parametrize(("kind", "tries"), [("target.timeout", 2), ("target.locked", 2), ("target.conflict", 10)])
def test_a_table_is_tried_a_few_times_at_once(kind: str, tries: int) -> None:
    """What is of others first, its own in halves; then it stops, and the next time at once."""
    told, error = Busy(), busy(kind)
    batch = work(piece(ONE, 0, 8), piece(OTHER, 0, 9))
    assert told.again(batch, {"t"}, error)
    rest, its = told.instead(batch, {"t"}, error, 1.0)
    assert ranges([rest, its]) == [[(OTHER, 0, 9)], [(ONE, 0, 8)]]
    for _ in range(tries - 2):
        assert told.again(its, {"t"}, error)
        its, *_ = told.instead(its, {"t"}, error, 1.0)
    assert not told.again(its, {"t"}, error)
    stops = told.instead(its, {"t"}, error, 1.0)
    assert [(one.at, one.failure.kind) for one in stops] == [(ONE, "table.busy")]

    assert not told.again(work(piece(ONE, 0, 9)), {"t"}, error)
    assert told.again(work(piece(OTHER, 0, 9)), {"u"}, error)


def test_a_table_that_was_given_up_rests_as_long_as_it_cost() -> None:
    """Three times as long, for all of its partitions; so others have the most of the time."""
    now = [100.0]
    told = Busy(lambda: now[0])
    told.failed(work(piece(ONE, 0, 9)), busy())
    told.instead(work(piece(ONE, 0, 9)), {"t"}, busy(), 30.0)
    batch = work(piece(TWO, 0, 9), piece(OTHER, 0, 9), piece(ONE, 3, 3))

    now[0] = 189.0
    left, (stop,) = told.rested(batch)
    assert left is not None
    assert ranges([left]) == [[(OTHER, 0, 9), (ONE, 3, 3)]]
    assert (stop.at, stop.failure.kind) == (TWO, "table.busy")
    assert told.rested(work(piece(TWO, 0, 9))) == (None, [stop])
    now[0] = 190.0
    assert told.rested(batch) == (batch, [])


def test_why_says_whose_matter_it_is() -> None:
    """With what the server called it."""
    assert of_record(busy()).kind == "record.timeout"
    assert of_record(busy("target.locked")).kind == "table.busy"
    assert of_record(busy()).code == "57014"
