"""`--until-current`: whether everything that was there at the start has been applied.

Read from the stored positions, so other members of the group may do the work. A partition is current when
its position has reached the end offset noted at the start; at a partition's end the position moves over
what is no record, so the end is always reached. What belongs to a stopped partition is not waited for, nor
what belongs to a partition that itself waits for a stopped one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.core import waiting
from consumer.core.records import TopicPartition
from consumer.ports.target import Overview, Stored
from consumer.ports.topics import Offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a group is from the ends noted: records left by partition, and why some of these do not go on.

    `letters`: records that were passed and are not applied yet.
    """

    left: Mapping[TopicPartition, int]
    held: Mapping[TopicPartition, str]
    letters: int = 0

    @property
    def settled(self) -> bool:
        """Nothing is left but what belongs to partitions that do not go on."""
        return not (set(self.left) - set(self.held))

    @property
    def current(self) -> bool:
        """Nothing is left at all."""
        return not self.left and not self.letters


def noted_ends(offsets: Offsets) -> dict[TopicPartition, int]:
    """The end offsets of every selected partition now."""
    return dict(offsets.ends(sorted(offsets.matching())))


def standing(ends: Mapping[TopicPartition, int], overview: Overview) -> Standing:
    """Compare stored positions with the ends noted. Raises Transient when the target is away."""
    stored = overview.stored()
    positions = {position.at: position.next_offset for position in stored}
    left = {at: end - positions.get(at, 0) for at, end in ends.items() if end > positions.get(at, 0)}
    held = _held(stored, positions)
    return Standing(left=left, held={at: held[at] for at in left if at in held}, letters=overview.open_letters())


def _held(stored: Sequence[Stored], positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, str]:
    """Partitions that are stopped, and those that wait for one that does not go on, with the reasons."""
    held = {
        position.at: f"{position.stopped.get('detail', '')}. {position.stopped.get('remedy', '')}"
        for position in stored
        if position.stopped
    }
    waits = {position.at: waiting.unpassed(position.at, position.wait_for, positions) for position in stored}
    while more := {at: older for at, older in waits.items() if at not in held and older.keys() & held.keys()}:
        held |= {at: f"{waiting.reason(older)}. {waiting.REMEDY}" for at, older in more.items()}
    return held
