"""Ranges that hung the native decoder: which are marked, and who decodes them then."""

import threading
import time
from collections.abc import Sequence

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.policy import Policy
from consumer.core.records import OffsetRange
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import DecodeWatch, Marks
from consumer.planning.planner import Planner
from consumer.ports.decoding import Sifted
from tests.unit.known import AT, planner, slice_of
from tests.unit.planned import ORDERS, Never, row, shapes


@pytest.mark.parametrize(("start", "end", "marked"), [(90, 100, False), (139, 140, True), (140, 150, False)])
def test_a_marked_range_goes_to_the_row_decoder(start: int, end: int, marked: bool) -> None:
    """A range that hung the native decoder never meets it again; its neighbours do."""
    known, marks = KnownBindings(), Marks()
    ORDERS.bound_to(known)
    marks.learn([OffsetRange(AT, start, end)])
    careful = planner(known, Never(), marks)
    piece = slice_of([ORDERS.record("c", row(n)) for n in range(40)])

    if marked:
        assert shapes(careful.plan([piece])) == [[("upsert", 40)]]
    else:
        with pytest.raises(AssertionError, match="native"):
            careful.plan([piece])


class Watched:
    """A row decoder that notes what is watched while it decodes."""

    def __init__(self) -> None:
        self.watch = DecodeWatch(0)
        self.seen: list[tuple[OffsetRange, ...]] = []

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        """Note it, then decode."""
        self.seen.append(self.watch.overdue())
        return RowDecoder().sift(schema, data, fields, head)


@pytest.mark.parametrize("careful", [False, True])
def test_only_the_native_decoder_has_a_deadline(careful: bool) -> None:
    """The ranges that would be marked are those that the native decoder holds; the row decoder is slow, but it ends."""
    known, marks, decoder = KnownBindings(), Marks(), Watched()
    ORDERS.bound_to(known)
    marks.learn([OffsetRange(AT, 100, 101)] if careful else [])
    # a deadline that is always over
    plans = Planner(Decoders(fast=decoder, careful=decoder, deadline=-1), CopyEncoder(), known, marks, Policy(), 100)
    decoder.watch = plans.watch
    plans.plan([slice_of([ORDERS.record("c", row(1)), ORDERS.record("d", row(2))])])

    assert decoder.seen == [() if careful else (OffsetRange(AT, 100, 102),)] * 2
    assert plans.watch.overdue() == ()


def test_time_in_which_the_process_did_not_run_is_no_decoding() -> None:
    """It was stopped, or its container frozen."""
    watch = DecodeWatch(0.01)
    with watch.over([slice_of([ORDERS.record("c", row(1))])]):
        threading.Event().wait(0.05)
        assert watch.overdue()
        assert watch.overdue(awake=time.monotonic()) == ()
