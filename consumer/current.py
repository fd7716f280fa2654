"""`--until-current`: whether everything that was there at the start has been applied.

Read from the stored positions, so other members of the group may do the work. A partition is current when
its position has reached the end offset noted at the start; at a partition's end the position moves over
what is no record, so the end is always reached.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.core.records import TopicPartition
from consumer.ports import Offsets, Sink, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a group is from the ends noted: records left by partition, and why stopped ones stay."""

    left: Mapping[TopicPartition, int]
    stopped: Mapping[TopicPartition, str]

    @property
    def settled(self) -> bool:
        """Nothing is left but what belongs to stopped partitions."""
        return not (set(self.left) - set(self.stopped))

    @property
    def current(self) -> bool:
        """Nothing is left at all."""
        return not self.left


def noted_ends(offsets: Offsets) -> dict[TopicPartition, int]:
    """The end offsets of every selected partition now."""
    return dict(offsets.ends(sorted(offsets.matching())))


def standing(ends: Mapping[TopicPartition, int], sink: Sink) -> Standing:
    """Compare stored positions with the ends noted. Raises Transient when the target is away."""
    stored: dict[TopicPartition, Stored] = {position.at: position for position in sink.stored()}
    left: dict[TopicPartition, int] = {}
    stopped: dict[TopicPartition, str] = {}
    for at, end in ends.items():
        position = stored.get(at)
        missing = end - (position.next_offset if position else 0)
        if missing > 0:
            left[at] = missing
            if position is not None and position.stopped:
                stopped[at] = f"{position.stopped.get('detail', '')}. {position.stopped.get('remedy', '')}"
    return Standing(left=left, stopped=stopped)
