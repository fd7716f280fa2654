"""How many records a batch reads."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.plan import Counts
from consumer.core.sizer import IN_THE_WAY, TOO_MUCH, BadSize, BatchSizer, NoTime, Pace, fitting

SIZER = BatchSizer(rows=1000, growth=5, target_seconds=2.0, deadline=6.0)
QUICK, SLOW = 0.5, 3.0


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
    assert SIZER.most(SIZER.folded(Pace(rows=1000, folding=1.5), counts)) == most


@pytest.mark.parametrize(
    ("kind", "records", "rows"),
    [
        pytest.param("target.timeout", 1000, 500, id="too slow"),
        pytest.param("target.resources", 1000, 500, id="too large"),
        pytest.param("target.timeout", 300, 150, id="what failed was smaller than it might have been"),
        pytest.param("target.locked", 300, 500, id="in another's way"),
        pytest.param("target.conflict", 1000, 500, id="a conflict"),
        pytest.param("target.connection", 1000, 1000, id="a lost connection says nothing of sizes"),
        pytest.param("record.value", 1000, 1000, id="nor does a bad record"),
    ],
)
def test_a_failure_halves_what_may_have_caused_it(kind: str, records: int, rows: int) -> None:
    """Only failures that smaller batches meet less often."""
    assert SIZER.failed(SIZER.first(), records, kind).rows == rows


def test_batches_recover_from_failures_step_by_step() -> None:
    """A quarter more with each full batch that takes little time, up to where they were."""
    pace = Pace(rows=400)
    sizes = []
    while pace.rows < SIZER.rows:
        pace = SIZER.committed(pace, pace.rows, QUICK)
        sizes.append(pace.rows)
    assert sizes == [500, 625, 781, 976, 1000]


@pytest.mark.parametrize(
    ("records", "seconds"),
    [
        pytest.param(100, QUICK, id="a batch that is not full says nothing of full ones"),
        pytest.param(100, SLOW, id="nor when it was slow"),
        pytest.param(400, 1.5, id="a batch that takes half of the time does not grow"),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_what_says_nothing_changes_nothing(records: int, seconds: float, full: bool) -> None:
    """The size stays; that its bytes had closed it counts only where a batch is slow."""
    assert SIZER.committed(Pace(rows=400), records, seconds, full=full and seconds < SLOW).rows == 400


def test_a_slow_batch_that_its_bytes_had_closed_makes_the_next_ones_smaller_than_it_was() -> None:
    """It is far from having as many records as it may; only if that helps nothing the bound of before is back."""
    pace = SIZER.committed(Pace(rows=1000), 100, SLOW, full=True)
    assert pace.rows == 50
    assert SIZER.committed(pace, 50, 0.8 * SLOW, full=True).rows == 1000
    assert SIZER.committed(pace, 50, SLOW / 2).rows == 50


def applied(seconds: Callable[[int], float], commits: int) -> list[int]:
    """The sizes of full batches on a target that takes so long for a number of rows."""
    pace, sizes = SIZER.first(), []
    for _ in range(commits):
        pace = SIZER.committed(pace, pace.rows, seconds(pace.rows))
        sizes.append(pace.rows)
    return sizes


def test_batches_get_smaller_while_their_rows_take_the_time() -> None:
    """Each row takes 8 ms: a quarter of the rows fits into the time."""
    assert applied(lambda rows: rows * 0.008, 4) == [500, 250, 250, 250]


def test_a_slow_but_healthy_target_is_not_throttled() -> None:
    """Each commit takes 3 s whatever is in it: small batches would only make it slower, so it is tried rarely."""
    sizes = applied(lambda rows: SLOW, 100)
    assert sizes[:3] == [500, 1000, 1000]
    assert sum(size < 1000 for size in sizes) == 3


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        pytest.param({"growth": 0}, "batch.growth", id="no growth"),
        pytest.param({"least": 0}, "batch.min_rows", id="an empty batch"),
        pytest.param({"least": 1001}, "batch.min_rows", id="the least above the most"),
        pytest.param({"target_seconds": 0.0}, "batch.target_seconds", id="no time"),
        pytest.param({"target_seconds": 3.1}, "batch.target_seconds", id="beyond half of the deadline"),
    ],
)
def test_bounds_that_exclude_one_another_name_the_setting(changed: dict[str, float], setting: str) -> None:
    """No sizer is made of them."""
    with pytest.raises(BadSize) as caught:
        replace(SIZER, **changed)
    assert caught.value.setting == setting
    assert str(caught.value).startswith(setting)


@pytest.mark.parametrize(
    ("records", "seconds", "left", "most"),
    [
        pytest.param(1000, 1.0, 10.0, 8000, id="ten times the time, with some caution"),
        pytest.param(1000, 10.0, 1.0, 80, id="a tenth of it"),
        pytest.param(1000, 10.0, 0.0, None, id="no time left"),
        pytest.param(1, 10.0, 1.0, None, id="less than a record"),
        pytest.param(10, 0.0, 1.0, 10, id="too quick to be measured"),
    ],
)
def test_what_fits_into_the_time_left(records: int, seconds: float, left: float, most: int | None) -> None:
    """By the rate of the last batch; nothing is begun that can't be finished."""
    if most is None:
        with pytest.raises(NoTime):
            fitting(records, seconds, left)
    else:
        assert fitting(records, seconds, left) == most


sizers = st.builds(
    lambda least, more, growth, target: BatchSizer(
        least=least, rows=least + more, growth=growth, target_seconds=target, deadline=2 * target
    ),
    st.integers(1, 50),
    st.integers(0, 2000),
    st.integers(1, 20),
    st.floats(0.01, 100),
)
kinds = st.sampled_from([*sorted(TOO_MUCH | IN_THE_WAY), "target.connection"])
records = st.integers(0, 60_000)
events = st.lists(
    st.one_of(
        st.tuples(st.just("folded"), records, st.integers(0, 60_000)),
        st.tuples(st.sampled_from(["committed", "committed full"]), records, st.floats(0, 1000)),
        st.tuples(st.just("failed"), records, kinds),
    ),
    max_size=60,
)


def after(sizer: BatchSizer, pace: Pace, event: tuple[str, int, float | str]) -> Pace:
    """The pace after something has happened."""
    what, count, detail = event
    if what == "folded":
        return sizer.folded(pace, Counts(records=count, upserts=min(count, int(detail))))
    if what.startswith("committed"):
        return sizer.committed(pace, count, float(detail), full=what.endswith("full"))
    return sizer.failed(pace, count, str(detail))


@given(sizers, events)
def test_the_bound_stays_in_its_bounds(sizer: BatchSizer, happened: list[tuple[str, int, float | str]]) -> None:
    """Whatever happens; and each failure and each commit in time moves it in its one direction only."""
    pace = sizer.first()
    for event in happened:
        before, pace = pace, after(sizer, pace, event)
        assert sizer.least <= pace.rows <= sizer.rows
        assert sizer.least <= sizer.most(pace) <= sizer.rows * sizer.growth
        if event[0] == "failed":
            assert pace.rows <= before.rows
        if event[0].startswith("committed") and float(event[2]) <= sizer.target_seconds:
            assert pace.rows >= before.rows


@given(sizers, events)
def test_the_most_is_reached_again_when_all_is_well(
    sizer: BatchSizer, happened: list[tuple[str, int, float | str]]
) -> None:
    """From wherever failures and slowness have led."""
    pace = sizer.first()
    for event in happened:
        pace = after(sizer, pace, event)
    for _ in range(60):
        pace = sizer.committed(pace, sizer.most(pace), 0.0)
    assert pace.rows == sizer.rows
