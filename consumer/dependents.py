"""Rows that are refused because of other rows: what stands in the logs of those is applied first.

A row may come before the one that it refers to, or take a value that another row still has, since only the changes of
one row are kept in order. So its partition waits until what was in the logs then, and may change that, is applied. It
waits once at a place: what is refused there again becomes a letter.
"""

from collections.abc import Iterable, Mapping, Sequence

from consumer.core import waiting
from consumer.core.failure import Failure
from consumer.core.kinds import DEPENDENT
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.ports.target import Sink
from consumer.ports.topics import Offsets


class Dependents:
    """Says which partitions have to wait, and for what. Belongs to the apply thread, whose session it uses."""

    def __init__(self, sink: Sink, offsets: Offsets) -> None:
        self._sink = sink
        self._offsets = offsets
        # where partitions waited last
        self._waited: dict[TopicPartition, int] = {}

    def of_records(
        self, slices: Sequence[Slice], refused: Mapping[RecordRef, Failure]
    ) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """What the partitions of refused records wait for, with the end offsets. Raises Transient."""
        dependent = {ref.at for ref, why in refused.items() if why.kind in DEPENDENT}
        return self.of(piece for piece in slices if piece.at in dependent)

    def of(self, slices: Iterable[Slice]) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """What these partitions wait for, if they have not waited at their place before. Raises Transient."""
        places = {piece.at: piece.start for piece in slices if self._waited.get(piece.at) != piece.start}
        if not places:
            return {}
        found = self._barriers(sorted(places))
        self._waited |= {at: places[at] for at in found}
        return found

    def _barriers(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, dict[TopicPartition, int]]:
        stored = self._sink.stored()
        positions = {position.at: position.next_offset for position in stored}
        relied_on = self._sink.relied_on({at.topic for at in partitions})
        waits = {position.at: set(waiting.unpassed(position.at, position.wait_for, positions)) for position in stored}
        asked = {topic for others in relied_on.values() for topic in others}
        # what is not read any more would be waited for for ever
        read = self._offsets.matching() & positions.keys()
        ends = self._offsets.ends([at for at in read if at.topic in asked])
        behind = {at: end for at, end in ends.items() if positions[at] < end}
        found = {}
        for at in partitions:
            mine = {other: end for other, end in behind.items() if other.topic in relied_on[at.topic]}
            if barrier := waiting.barrier(at, mine, waits):
                found[at] = barrier
                waits[at] = set(barrier)
        return found
