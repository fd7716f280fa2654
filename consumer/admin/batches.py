"""Having batches tried again, as API and console do."""

from consumer.core.records import TopicPartition
from consumer.ports.desk import Desk, Note


def again(desk: Desk, number: int, note: Note) -> list[TopicPartition]:
    """Have the partitions of a batch that are not behind it taken anew; returns them."""
    behind = [TopicPartition(part.topic, part.partition) for part in desk.checkpoints(number) if not part.passed]
    return desk.retry(behind, note) if behind else []
