"""Records of which none decodes say nothing of others with their schemas."""

from dataclasses import replace

import pytest

from consumer.core.plan import BindingKey, Plan, frame
from consumer.core.records import OffsetRange, Slice
from consumer.planner import Unbound
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.test_binder import SOURCE, Bound

FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
ORDERS = Topic(FIELDS)
GOOD = ORDERS.record("c", {"id": 1, "word": "w"})
KEY, VALUE = ORDERS.record("c", {"id": 2, "word": "cut"})
CUT = (KEY, (VALUE or b"")[:12])


def planned(bound: Bound, *pieces: Slice) -> Plan:
    """The plan of slices, whatever has to be bound for it."""
    plans = planner(bound.known)
    for _ in range(10):
        try:
            return plans.plan(pieces)
        except Unbound as unbound:
            bound.binder.bind(unbound.wanted)
    raise AssertionError("nothing becomes bound")


def told(plan: Plan) -> tuple[int, int]:
    """How many letters and rows."""
    return plan.counts.letters, plan.counts.upserts


def test_a_first_record_that_is_cut_spoils_none_behind_it() -> None:
    """In another batch, or in the same one."""
    bound = Bound()
    assert told(planned(bound, slice_of([CUT], 0))) == (1, 0)
    assert told(planned(bound, slice_of([GOOD], 1))) == (0, 1)
    assert told(planned(bound, slice_of([CUT], 2))) == (1, 0)


@pytest.mark.parametrize("order", [(CUT, GOOD), (GOOD, CUT)])
def test_what_is_cut_in_one_partition_spoils_nothing_in_another(
    order: tuple[tuple[bytes | None, bytes | None], ...],
) -> None:
    """Though they are planned together."""
    pieces = [slice_of([record], 0, AT._replace(partition=number)) for number, record in enumerate(order)]
    assert told(planned(Bound(), *pieces)) == (1, 1)


def test_ranges_of_which_nothing_decodes_are_letters_each() -> None:
    """Several together, and parts of them when the batch is halved."""
    bound = Bound()
    pieces = [slice_of([CUT, CUT], 0, AT._replace(partition=number)) for number in range(3)]
    assert told(planned(bound, *pieces)) == (6, 0)
    assert told(planned(bound, slice_of([CUT], 1, pieces[1].at))) == (1, 0)


def test_what_lies_between_letters_that_are_cut_is_not_spoiled() -> None:
    """They are planned together, and the position may be set back to what is between them."""
    bound = Bound()
    letters = replace(slice_of([CUT, CUT], 5), offsets=[5, 100], end=101)
    assert told(planned(bound, letters)) == (2, 0)
    assert told(planned(bound, slice_of([GOOD] * 3, 50))) == (0, 1)


def test_what_is_known_to_be_spoiled_is_of_the_last_batch() -> None:
    """Else it would become more with each one."""
    bound = Bound()
    for offset in range(50):
        assert told(planned(bound, slice_of([CUT], offset))) == (1, 0)
    binding = bound.known.find(BindingKey(AT.topic, frame(CUT[0]), frame(CUT[1])))
    assert binding is not None
    assert binding.spoiled == (OffsetRange(AT, 49, 50),)


def test_a_table_that_is_known_needs_no_sound_record() -> None:
    """As behind a restart, or for a letter that comes back: the record is judged alone, and its row is known."""
    bound = Bound()
    bound.bind(GOOD)
    bound.start()
    assert bound.world.sources[AT.topic, 1] == SOURCE
    binding = bound.bind(CUT)
    assert (binding.unreadable, binding.spoiled) == (None, ())
    assert told(planned(bound, slice_of([CUT, GOOD], 0))) == (1, 1)
