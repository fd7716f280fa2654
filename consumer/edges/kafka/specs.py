"""Which offset of a partition is asked for. The client's library tells no types of these."""

from confluent_kafka.admin._listoffsets import OffsetSpec

__all__ = ["EARLIEST", "LATEST", "NEWEST", "OffsetSpec", "since"]

EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
# of the record with the largest time
NEWEST: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]


def since(milliseconds: float) -> OffsetSpec:
    """The first record that is not older than a time."""
    spec: OffsetSpec = OffsetSpec.for_timestamp(max(0, int(milliseconds)))
    return spec
