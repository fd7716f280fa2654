"""A slice is cut where a schema changes, and nowhere else."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.runs import runs
from tests.unit.known import slice_of

_ONE, _OTHER = b"\0\0\0\0\1", b"\0\0\0\0\2"
_DATA = st.sampled_from([_ONE, _ONE + b"body", _OTHER + b"body", b"\0\0", b"", None])
_FULL = st.sampled_from([_ONE, _ONE + b"a", _ONE + b"body"])
_RECORDS = st.lists(st.tuples(_DATA, _DATA), min_size=1, max_size=8)
_ALIKE = st.lists(st.tuples(_FULL, _FULL), min_size=1, max_size=8)


def head(raw: bytes | None) -> bytes | None:
    """What stands in front of a datum."""
    return None if raw is None else raw[:5]


@given(_RECORDS | _ALIKE)
def test_each_record_is_in_a_run_of_its_schemas(records: list[tuple[bytes | None, bytes | None]]) -> None:
    """In order; a tombstone is in whatever run is around it, and keys that lack or are empty are one."""
    found = runs(slice_of(records))
    assert [at for run in found for at in range(run.start, run.end)] == list(range(len(records)))
    for run in found:
        for key, value in records[run.start : run.end]:
            assert (head(key) or None) == (run.key_frame or None)
            assert value is None or head(value) == run.value_frame


@given(_ALIKE, st.sampled_from([None, _OTHER, _ONE[:4]]), st.integers(0, 8))
def test_records_that_are_all_alike_are_one_run(
    records: list[tuple[bytes, bytes]], other: bytes | None, place: int
) -> None:
    """Another key among them ends it."""
    (run,) = runs(slice_of(records))
    assert (run.start, run.end, run.key_frame, run.value_frame) == (0, len(records), _ONE, _ONE)
    at = place % (len(records) + 1)
    assert len(runs(slice_of([*records[:at], (other, _ONE), *records[at:]]))) > 1
