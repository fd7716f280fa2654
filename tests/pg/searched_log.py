"""The log of a scene, as the searcher reads it."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from consumer.core.records import OffsetRange, Slice, TopicPartition
from consumer.ports.topics import Traits
from tests.pg.unplaced import Scene
from tests.unit.known import slice_of


@dataclass
class Log:
    """The scene's log as the searcher reads it; `missing` has left it by compaction, `topic_id` is the topic's now."""

    scene: Scene
    missing: Collection[int] = ()
    topic_id: str = "first"
    partitions: int = 1
    compacted: bool = True
    # the first offset of an hour behind the moment at which it had got more partitions
    later: int = 100

    def since(self, partitions: Sequence[TopicPartition], moment: float) -> dict[TopicPartition, int]:
        """The same, whatever the moment."""
        assert moment > time.time() + 3000
        return dict.fromkeys(partitions, self.later)

    def read(self, wanted: OffsetRange, most: int) -> Slice:
        """As many as are wanted."""
        end = min(wanted.end, wanted.start + most)
        offsets = [offset for offset in range(wanted.start, end) if offset not in self.missing]
        piece = slice_of([self.scene.log[offset] for offset in offsets], wanted.start, wanted.at)
        return replace(piece, end=end, offsets=offsets)

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Of the only one."""
        return dict.fromkeys(topics, self.topic_id)

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        """Of the only one."""
        return dict.fromkeys(topics, Traits(compacted=self.compacted, partitions=self.partitions))
