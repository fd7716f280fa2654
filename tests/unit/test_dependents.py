"""Which partitions wait for others when rows are refused because of other rows."""

from collections.abc import Collection, Mapping, Sequence

from consumer.core.records import Slice, TopicPartition
from consumer.dependents import Dependents
from consumer.ports.target import Stored

CHILD, PARENT, GONE = TopicPartition("child", 0), TopicPartition("parent", 0), TopicPartition("gone", 0)


class Group:
    """Its positions, its topics' ends, and a table that refers to all others."""

    def __init__(self, waits: Mapping[TopicPartition, Mapping[str, int]] | None = None) -> None:
        self._waits = waits or {}

    def stored(self) -> list[Stored]:
        return [Stored(at=at, next_offset=5, epoch=1, wait_for=self._waits.get(at)) for at in (CHILD, PARENT, GONE)]

    def relied_on(self, topics: Collection[str]) -> dict[str, set[str]]:
        return {topic: {"child", "parent", "gone"} for topic in topics}

    def matching(self) -> frozenset[TopicPartition]:
        return frozenset({CHILD, PARENT})

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 9)


def at(start: int) -> list[Slice]:
    """Records of the child's partition that begin there."""
    return [Slice(at=CHILD, epoch=1, start=start, end=start + 1, offsets=[start], keys=[None], values=[None])]


def made(group: Group) -> Dependents:
    """Those of a group."""
    return Dependents(group, group)  # type: ignore[arg-type]


def test_what_is_read_and_behind_is_waited_for_once_at_a_place() -> None:
    """A topic that is not read any more would be waited for for ever."""
    dependents = made(Group())
    assert dependents.of(at(5)) == {CHILD: {PARENT: 9}}
    assert dependents.of(at(5)) == {}
    assert dependents.of(at(6)) == {CHILD: {PARENT: 9}}


def test_nobody_waits_for_who_waits_for_it() -> None:
    """As the stored positions say."""
    assert made(Group({PARENT: {"child:0": 9}})).of(at(5)) == {}
