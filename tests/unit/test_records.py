"""Slices, their cuts, and the runs of one schema in them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.records import Appended, Slice, TopicPartition, correlation_id, halves
from consumer.core.runs import Run, origin, runs

AT = TopicPartition("shop.public.orders", 0)
frames = st.sampled_from([b"\x00\x00\x00\x00\x01", b"\x00\x00\x00\x00\x02", b"\x00\x00\x00\x00\x03"])


@st.composite
def slices(draw: st.DrawFn, partition: int = 0) -> Slice:
    """A slice with gaps in its offsets, tombstones, missing keys and changing schemas."""
    steps = draw(st.lists(st.integers(1, 3), max_size=12))
    start = draw(st.integers(0, 5))
    offsets = [start + sum(steps[: place + 1]) - 1 for place in range(len(steps))]
    body = frames.map(lambda frame: frame + b"body")
    keys = draw(st.lists(st.none() | body, min_size=len(steps), max_size=len(steps)))
    values = draw(st.lists(st.none() | body, min_size=len(steps), max_size=len(steps)))
    end = (offsets[-1] + 1 if offsets else start) + draw(st.integers(0, 3))
    return Slice(
        at=TopicPartition("t", partition), epoch=1, start=start, end=end, offsets=offsets, keys=keys, values=values,
        size=draw(st.integers(0, 10_000)),
    )  # fmt: skip


@given(slices(), st.integers(0, 14))
def test_head_and_tail_are_the_slice(piece: Slice, count: int) -> None:
    """Nothing is lost, doubled or left between a head and its tail, and their positions meet."""
    head, tail = piece.head(count), piece.tail(count)

    assert [*head.offsets, *tail.offsets] == list(piece.offsets)
    assert [*head.keys, *tail.keys] == list(piece.keys)
    assert [*head.values, *tail.values] == list(piece.values)
    assert len(head) == min(count, len(piece))
    if 0 < count < len(piece):
        assert head.size + tail.size == piece.size
    if len(tail):
        assert (head.start, head.end, tail.end) == (piece.start, tail.start, piece.end)
        assert count == 0 or head.end == tail.offsets[0]


@given(slices(), st.data())
def test_each_record_is_as_old_as_the_last_one_in_front_of_it_that_says(piece: Slice, data: st.DataObject) -> None:
    """Whatever is cut off; of some nobody says how old they are."""
    said = data.draw(st.sets(st.sampled_from(piece.offsets) if piece.offsets else st.nothing()))
    said |= set(piece.offsets[:1])
    times = {offset: data.draw(st.integers(-1, 3)) for offset in sorted(said)}
    piece = replace(piece, appended=[Appended(*each) for each in times.items()])

    part = data.draw(st.sampled_from([piece.head, piece.tail]))(data.draw(st.integers(0, 14)))

    ages = [times[max(each for each in said if each <= offset)] for offset in part.offsets]
    assert [ms for ms, count in part.ages() for _ in range(count)] == [ms for ms in ages if ms > 0]
    # as the ledger has it, also of the halves of a batch that was cut
    assert part.appended_ms == min((ms for ms in ages if ms > 0), default=None)


@given(slices(), st.integers(0, 14))
def test_a_head_never_passes_a_record_left_out(piece: Slice, count: int) -> None:
    """The position after a head leads to the first record that it left out, or nowhere."""
    head = piece.head(count)
    left = piece.offsets[count:]

    assert not left or head.end <= left[0]
    assert all(offset < head.end for offset in head.offsets)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4).flatmap(
        lambda ns: st.tuples(*(slices(n) for n in range(len(ns))))
    )
)
def test_halves_hold_every_record_once(pieces: Sequence[Slice]) -> None:
    """Both halves have records, each partition's order is kept, and the second half continues the first."""
    total = sum(map(len, pieces))
    if total < 2:
        with pytest.raises(ValueError, match="no halves"):
            halves(pieces)
        return
    first, second = halves(pieces)
    assert sum(map(len, first)) == total // 2
    assert sum(map(len, second)) == total - total // 2
    for piece in pieces:
        parts = [part for part in (*first, *second) if part.at == piece.at]
        assert [offset for part in parts for offset in part.offsets] == list(piece.offsets)
        assert (parts[0].start, parts[-1].end) == (piece.start, piece.end)
        assert all(a.end == b.start for a, b in pairwise(parts))


@given(slices())
def test_runs_cover_a_slice_in_order(piece: Slice) -> None:
    """Runs lie end to end, and each has one key schema and at most one value schema."""
    found = runs(piece)
    assert [run.start for run in found] == [0, *(run.end for run in found)][: len(found)]
    assert sum(run.end - run.start for run in found) == len(piece)
    for run in found:
        keys = {key and key[:5] for key in piece.keys[run.start : run.end]}
        values = {value[:5] for value in piece.values[run.start : run.end] if value is not None}
        assert keys == {run.key_frame}
        assert values == ({run.value_frame} if run.value_frame else set())


@given(slices())
def test_neighbouring_runs_could_not_be_one(piece: Slice) -> None:
    """A slice is cut only where a schema changes, so blocks are as large as they can be."""
    found = runs(piece)
    for left, right in pairwise(found):
        assert left.key_frame != right.key_frame or (
            left.value_frame and right.value_frame and left.value_frame != right.value_frame
        )


@given(slices())
def test_the_origin_of_a_record_is_its_place_in_the_topic(piece: Slice) -> None:
    """Counting through runs end to end gives each record's own offset, and nothing beyond the last."""
    found = runs(piece)

    assert [origin(found, place).offset for place in range(len(piece))] == list(piece.offsets)
    with pytest.raises(IndexError):
        origin(found, len(piece))


def test_tombstones_belong_to_the_run_around_them() -> None:
    """A value of nothing has no schema, so it never cuts a block."""
    key, value = b"\x00\x00\x00\x00\x01k", b"\x00\x00\x00\x00\x02v"
    piece = Slice(at=AT, epoch=1, start=0, end=4, offsets=range(4), keys=[key] * 4, values=[None, value, None, value])

    assert runs(piece) == [Run(piece=piece, start=0, end=4, key_frame=key[:5], value_frame=value[:5])]


def test_a_correlation_id_is_a_function_of_the_origin() -> None:
    """The same record has the same name on every retry."""
    assert correlation_id(AT, 42) == "shop.public.orders-0-42"
