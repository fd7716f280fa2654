"""Rows that are refused because of other rows: what stands in the logs of those is applied first.

A row may come before the one that it refers to, go before those that refer to it, or take a value that another row
still has, since only the changes of one row are kept in order. So its partition waits until what was in the logs then,
and may change that, is applied. It waits once at a place: what is refused there again becomes a letter.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from consumer.core import waiting
from consumer.core.failure import Failure
from consumer.core.kinds import DEPENDENT
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.writes import Action
from consumer.ports.target import Sink
from consumer.ports.topics import Barriers

# what a refused row was to do; a row that is replaced goes and comes
_COMING = {Action.UPSERT.value, Action.UPDATE.value, Action.REPLACE.value, Action.TAKE.value}
_LEAVING = {Action.DELETE.value, Action.REPLACE.value, "truncate"}


class Dependents:
    """Says which partitions have to wait, and for what. Belongs to the apply thread, whose session it uses."""

    def __init__(self, sink: Sink, offsets: Barriers) -> None:
        self._sink = sink
        self._offsets = offsets
        # where partitions waited last
        self._waited: dict[TopicPartition, int] = {}

    def of_records(
        self, slices: Sequence[Slice], refused: Mapping[RecordRef, Failure]
    ) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """What the partitions of refused records wait for, with the end offsets. Raises Transient."""
        operations: dict[TopicPartition, set[str]] = defaultdict(set)
        for ref, why in refused.items():
            if why.kind in DEPENDENT:
                operations[ref.at].add(why.operation)
        return self._of(slices, operations)

    def of(self, slices: Sequence[Slice], fault: Failure) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """The same of a failure for which all of them have to wait."""
        return self._of(slices, {piece.at: {fault.operation} for piece in slices})

    def _of(
        self, slices: Iterable[Slice], operations: Mapping[TopicPartition, Collection[str]]
    ) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """What partitions wait for, by what was refused of them, if they have not waited at their place before."""
        places = {piece.at: piece.start for piece in slices if piece.at in operations}
        new = sorted(at for at, start in places.items() if self._waited.get(at) != start)
        if not new:
            return {}
        relied_on = self._relied_on({at: operations[at] for at in new})
        found = barriers(self._sink, self._offsets, {at: relied_on[at.topic] for at in new})
        self._waited |= {at: places[at] for at in found}
        return found

    def _relied_on(self, operations: Mapping[TopicPartition, Collection[str]]) -> dict[str, set[str]]:
        """By topic, whose records come first: where rows go those of other tables than where rows come."""
        found: dict[str, set[str]] = defaultdict(set)
        for leaving, these in ((False, _COMING), (True, _LEAVING)):
            topics = {at.topic for at, those in operations.items() if these & set(those)}
            for topic, others in self._sink.relied_on(topics, leaving=leaving).items() if topics else ():
                found[topic] |= set(others)
        return found


def barriers(
    sink: Sink, offsets: Barriers, relied_on: Mapping[TopicPartition, Collection[str]]
) -> dict[TopicPartition, dict[TopicPartition, int]]:
    """What partitions have to wait for, each for what now stands in the logs of such topics, with the end offsets.

    None waits for itself, or for one that waits for it. Raises Transient.
    """
    stored = sink.stored()
    positions = {position.at: position.next_offset for position in stored}
    waits = {position.at: set(waiting.unpassed(position.at, position.wait_for, positions)) for position in stored}
    asked = {topic for topics in relied_on.values() for topic in topics}
    # what is not read any more would be waited for for ever
    read = offsets.matching() & positions.keys()
    # what nobody can tell the end of is not waited for: all tables would stand until somebody can
    ends = offsets.known_ends([at for at in read if at.topic in asked])
    behind = {at: end for at, end in ends.items() if positions[at] < end}
    found = {}
    for at, topics in relied_on.items():
        mine = {other: end for other, end in behind.items() if other.topic in topics}
        if barrier := waiting.barrier(at, mine, waits):
            found[at] = barrier
            waits[at] = set(barrier)
    return found
