"""What is left of a batch when its records can't be applied together."""

from consumer.applying.cuts import apart, smaller
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.letters import BEHIND
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.reading.handover import Stopped, Work

AT = TopicPartition("t", 0)
HELD = {RecordRef(AT, 0): failed(KINDS[BEHIND], "postgres", "look for letters", "no")}


def work(records: int) -> Work:
    """A batch whose first record was freed before."""
    nothing = [b""] * records
    piece = Slice(at=AT, epoch=1, start=0, end=records, offsets=range(records), keys=nothing, values=nothing)
    return Work(slices=(piece,), freed=frozenset(HELD))


def test_what_is_held_again_after_it_was_freed_comes_in_two_batches() -> None:
    """Each of which may hold it once more."""
    parts = [step for step in apart(work(5), HELD) if isinstance(step, Work)]
    assert [len(part.slices[0]) for part in parts] == [2, 3]
    assert {part.freed for part in parts} == {frozenset()}


def test_a_record_alone_that_is_held_again_stops_its_partition() -> None:
    """Else it would be planned anew without end."""
    (step,) = apart(work(1), HELD)
    assert isinstance(step, Stopped)
    assert (step.at, step.failure.kind) == (AT, BEHIND)


def test_parts_of_a_batch_may_hold_what_was_freed_of_the_whole() -> None:
    """What it need not wait for may be in the other part."""
    assert {part.freed for part in smaller(work(5)) if isinstance(part, Work)} == {frozenset()}
