"""What one poll of the client brought."""

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from consumer.core.frames import Frames
from consumer.core.schema_ref import SchemaIds
from consumer.edges.kafka.intake import intake_of


def test_records_of_two_leaders_are_told_apart() -> None:
    """Within a partition; each run says which leader it was appended under."""
    places = [(0, 5, 1), (0, 6, 1), (0, 7, 3), (1, 2, 3), (1, 3, 3)]
    messages = [
        Message(topic="t", partition=partition, offset=offset, value=b"x", leader_epoch=epoch)
        for partition, offset, epoch in places
    ]
    fetched = intake_of(messages, Frames()).fetched
    assert [(run.at.partition, list(run.offsets), run.leader_epoch) for run in fetched] == [
        (0, [5, 6], 1),
        (0, [7], 3),
        (1, [2, 3], 3),
    ]


@pytest.mark.parametrize(
    ("records", "asked"), [(1, [0]), (3, [0, 1, 2]), (8, [*range(8)]), (20, [0, 3, 6, 9, 12, 15, 18])]
)
def test_a_few_records_of_a_run_say_when_they_were_appended(records: int, asked: list[int]) -> None:
    """Evenly, and the first one always; each record would be too dear."""
    messages = [
        Message(topic="t", partition=0, offset=10 + n, value=b"x", timestamp=(TIMESTAMP_CREATE_TIME, 1000 + n))
        for n in range(records)
    ]
    (run,) = intake_of(messages, Frames()).fetched
    assert [tuple(each) for each in run.appended] == [(10 + n, 1000 + n) for n in asked]


@pytest.mark.parametrize("records", [1, 3, 20])
@pytest.mark.parametrize("ids", SchemaIds)
def test_headers_count_among_the_bytes_of_records(records: int, ids: SchemaIds) -> None:
    """They are held as long as the records; the first and the last of a run stand for all of it."""
    headers = [("name", b"x" * 96), ("none", None)]
    messages = [
        Message(topic="t", partition=0, offset=n, key=b"k", value=b"vv", headers=headers) for n in range(records)
    ]
    (run,) = intake_of(messages, Frames(ids)).fetched
    assert (run.size, run.headers(0)) == (records * 107, tuple(headers))
