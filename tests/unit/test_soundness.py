"""What must hold of a batch before it is planned."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.binding.known import KnownBindings
from consumer.core.records import Slice, TopicPartition, halves
from consumer.core.soundness import Unsound, check
from tests.unit.known import planner

AT = TopicPartition("t", 3)
MOST = 10


def piece(*offsets: int, **changed: Any) -> Slice:
    """A slice of these offsets, which leads from 10 to 20 unless changed."""
    nothing = [None] * len(offsets)
    made = Slice(at=AT, epoch=1, start=10, end=20, offsets=list(offsets), keys=nothing, values=nothing)
    return replace(made, **changed)


@pytest.mark.parametrize(
    "slices",
    [
        pytest.param([piece(10, 11, 19)], id="from the start to the end, with gaps"),
        pytest.param([piece()], id="a position that moves over no record"),
        pytest.param([piece(end=10)], id="nothing at all"),
        pytest.param([piece(*range(10, 16)), piece(*range(16, 20), at=TopicPartition("t", 4))], id="just not too many"),
    ],
)
def test_a_sound_batch_passes(slices: list[Slice]) -> None:
    """Nothing is raised."""
    check(slices, MOST)


@pytest.mark.parametrize(
    ("slices", "offset"),
    [
        pytest.param([piece(11, 11)], 11, id="an offset twice"),
        pytest.param([piece(11, 13, 12, 15)], 12, id="an offset that goes back"),
        pytest.param([piece(9, 10)], 9, id="a record in front of the start"),
        pytest.param([piece(10, 20)], 20, id="a record at the end"),
        pytest.param([piece(start=21)], 21, id="a start behind the end"),
        pytest.param([piece(start=-1)], -1, id="no offset"),
        pytest.param([piece(10, 11, values=[None])], 10, id="a record without its value"),
        pytest.param([piece(10), piece(11, start=11)], 11, id="a partition twice"),
        pytest.param([piece(*range(10, 21), end=21)], 10, id="too many records"),
    ],
)
def test_a_defect_stops_in_front_of_planning_and_names_its_place(slices: list[Slice], offset: int) -> None:
    """A failure of the program, which ends the worker: nothing of the batch is planned or written."""
    with pytest.raises(Unsound) as caught:
        planner(KnownBindings(), most=MOST).plan(slices)
    failure = caught.value.failure
    assert failure.kind == "worker.defect"
    assert failure.detail.startswith(f"topic t, partition 3, offset {offset}: ")
    assert failure.correlation_id == f"t-3-{offset}"


@given(st.lists(st.integers(0, 30), min_size=2, unique=True), st.integers(0, 30))
def test_whatever_is_cut_from_a_sound_batch_is_sound(numbers: list[int], count: int) -> None:
    """Heads, tails and halves."""
    offsets = sorted(numbers)
    whole = piece(*offsets, start=0, end=31)
    for part in (whole.head(count), whole.tail(count), *(part for half in halves([whole]) for part in half)):
        check([part], len(offsets))
