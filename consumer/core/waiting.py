"""A partition that a topic got later waits for the older ones: rows whose key moved to it may still change there."""

from collections.abc import Mapping

from consumer.core.records import TopicPartition

REMEDY = "It begins by itself then; if one of them is stopped, follow that one's remedy first."


def unpassed(
    at: TopicPartition, wait_for: Mapping[str, int] | None, positions: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The older partitions that have not reached the end offsets which `at` waits for, with these."""
    ends = {TopicPartition(at.topic, int(older)): end for older, end in (wait_for or {}).items()}
    return {older: end for older, end in sorted(ends.items()) if positions.get(older, end) < end}


def reason(older: Mapping[TopicPartition, int]) -> str:
    """Why a partition waits, in words."""
    named = ", ".join(f"partition {at.partition} offset {end}" for at, end in older.items())
    return f"it is newer than the rest of its topic and waits until they have reached {named}"
