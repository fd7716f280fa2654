"""Partitions that wait for others, and until when.

A partition that a topic got later waits for the older ones, because rows whose key moved to it may still change there.
A partition whose rows are refused because of other rows waits for what stands in the logs of those. What is waited for
is stored with the position: end offsets by partition number, in another topic by `topic:number`.
"""

from collections.abc import Collection, Mapping

from consumer.core.records import TopicPartition

REMEDY = "It goes on by itself then; if one of them is stopped, follow that one's remedy first."

Waits = Mapping[TopicPartition, Collection[TopicPartition]]
"""For each partition those that it waits for now."""


def named(at: TopicPartition, ends: Mapping[TopicPartition, int]) -> dict[str, int]:
    """What `at` waits for, as it is stored."""
    return {str(o.partition) if o.topic == at.topic else f"{o.topic}:{o.partition}": end for o, end in ends.items()}


def unpassed(
    at: TopicPartition, wait_for: Mapping[str, int] | None, positions: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The partitions that have not reached the end offsets which `at` waits for, with these."""
    ends = {_partition(at, name): end for name, end in (wait_for or {}).items()}
    return {other: end for other, end in sorted(ends.items()) if positions.get(other, end) < end}


def barrier(at: TopicPartition, behind: Mapping[TopicPartition, int], waits: Waits) -> dict[TopicPartition, int]:
    """Those of the partitions behind their ends that `at` may wait for: not itself, and none that waits for it."""
    return {other: end for other, end in behind.items() if other != at and at not in _reached(other, waits)}


def goes_first(at: TopicPartition, waits: Waits) -> bool:
    """Whether `at` waits for itself through others, and is the first of those in this circle: it has to go on."""
    circle = {other for other in _reached(at, waits) if at in _reached(other, waits)}
    return at in circle and at == min(circle)


def reason(others: Mapping[TopicPartition, int]) -> str:
    """Why a partition waits, in words."""
    ends = ", ".join(f"topic {at.topic}, partition {at.partition}, offset {end}" for at, end in others.items())
    return f"its rows depend on what stands in other partitions, and these have not reached {ends} yet"


def _partition(at: TopicPartition, name: str) -> TopicPartition:
    topic, colon, number = name.rpartition(":")
    return TopicPartition(topic if colon else at.topic, int(number))


def _reached(at: TopicPartition, waits: Waits) -> set[TopicPartition]:
    """Everything that it waits for, directly or through others."""
    found: set[TopicPartition] = set()
    todo = list(waits.get(at, ()))
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += waits.get(one, ())
    return found
