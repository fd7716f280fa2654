"""How many records a batch reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.plan import Counts
from consumer.core.sizer import BatchSizer

SIZER = BatchSizer(rows=1000, growth=5)


@pytest.mark.parametrize(
    ("counts", "most"),
    [
        pytest.param(Counts(records=1000, upserts=1000), 1000, id="nothing folds"),
        pytest.param(Counts(records=1000, upserts=400, deletes=100), 2000, id="half folds away"),
        pytest.param(Counts(records=3000, upserts=1000), 3000, id="a grown batch that writes enough"),
        pytest.param(Counts(records=4000, upserts=4000), 1000, id="a grown batch that does not fold any more"),
        pytest.param(Counts(records=1000, upserts=10), 5000, id="never more than growth allows"),
        pytest.param(Counts(records=1000, ignored=1000), 5000, id="nothing to write"),
        pytest.param(Counts(records=999, upserts=1), 1500, id="a small batch changes nothing"),
    ],
)
def test_a_batch_reads_what_folds_into_its_rows(counts: Counts, most: int) -> None:
    """The next bound, after one of 1500."""
    assert SIZER.after(counts, 1500) == most


@given(st.integers(1, 50), st.integers(1, 2_000_000), st.integers(0, 2_000_000))
def test_the_bound_stays_in_its_bounds(growth: int, records: int, written: int) -> None:
    """Whatever a batch was like."""
    sizer = BatchSizer(rows=100, growth=growth)
    most = sizer.after(Counts(records=records, upserts=min(written, records)), sizer.rows)
    assert 100 <= most <= 100 * growth
