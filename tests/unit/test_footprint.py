"""Between consume and COPY a batch is columns: nothing of Python per record beyond message, value, slice and offset."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.records import Slice
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.ports.decoding import Decoder
from tests.unit.known import Topic, planner, slice_of

COUNT = 20_000
WIDE = 12
FIELDS = [{"name": "id", "type": "long"}, *({"name": f"c{n}", "type": ["null", "string"]} for n in range(WIDE))]
TOPIC = Topic(FIELDS)
GENERATION = 100


@pytest.fixture(scope="module")
def piece() -> Slice:
    """Records of as many different rows, with texts that differ."""
    rows = ({"id": n, **{f"c{c}": f"{n}-{c}" for c in range(WIDE)}} for n in range(COUNT))
    return slice_of([TOPIC.record("u", row) for row in rows])


def planning(decoder: Decoder, piece: Slice) -> Callable[[], object]:
    """Planning the batch; once before, so that caches are warm and polars is there."""
    known = KnownBindings()
    TOPIC.bound_to(known)
    chosen = planner(known, decoder)
    chosen.plan([piece.head(100)])
    return lambda: chosen.plan([piece])


@contextmanager
def small_generations() -> Iterator[None]:
    """The collector's youngest generation fills after few containers, and nothing old is looked at."""
    old = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GENERATION, 1_000_000, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(*old)
        gc.unfreeze()


def containers(work: Callable[[], object]) -> float:
    """Containers per record that were alive at once: the youngest generation counts makings less unmakings."""
    with small_generations():
        before = gc.get_stats()[0]["collections"]
        work()
        return float((gc.get_stats()[0]["collections"] - before) * GENERATION / COUNT)


def peak_bytes(work: Callable[[], object]) -> float:
    """Bytes per record that Python's allocator held at most, beyond what it held before."""
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return (tracemalloc.get_traced_memory()[1] - before) / COUNT
    finally:
        tracemalloc.stop()


def body(piece: Slice) -> float:
    """Bytes of a record's value."""
    return sum(len(value or b"") for value in piece.values) / COUNT


def most(piece: Slice) -> float:
    """One bytes object a record, the joined block, the COPY stream, and some lists of pointers."""
    return 3 * body(piece) + 400


def test_planning_makes_no_container_per_record(piece: Slice) -> None:
    """Fewer than one container in twenty records is alive at any time."""
    assert containers(planning(ColumnarDecoder(RowDecoder()), piece)) < 0.05


def test_planning_makes_no_value_per_column(piece: Slice) -> None:
    """What Python holds for a record at the peak is its bytes a few times over, whatever its columns."""
    assert peak_bytes(planning(ColumnarDecoder(RowDecoder()), piece)) < most(piece)


def test_the_bounds_tell_rows_from_columns(piece: Slice) -> None:
    """Decoded row by row the same batch breaks both bounds, so the bounds can fail."""
    assert containers(planning(RowDecoder(), piece)) > 1
    assert peak_bytes(planning(RowDecoder(), piece)) > most(piece)
