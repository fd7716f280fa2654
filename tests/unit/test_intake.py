"""What one poll of the client brought."""

from confluent_kafka import Message

from consumer.core.frames import Frames
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
