"""Which partitions wait for others when rows are refused because of other rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from consumer.applying.dependents import Dependents
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.ports.target import Stored

CHILD, PARENT, GONE = TopicPartition("child", 0), TopicPartition("parent", 0), TopicPartition("gone", 0)
GRANDCHILD = TopicPartition("grandchild", 0)
EVERYTHING = frozenset({CHILD, PARENT, GONE, GRANDCHILD})
COMES = failed(KINDS["record.reference"], "postgres", "upsert", "its parent is not there")


class Group:
    """Its positions, its topics' ends, and a table that refers to two others, and to which one refers."""

    def __init__(
        self,
        waits: Mapping[TopicPartition, Mapping[str, int]] | None = None,
        unled: Collection[TopicPartition] = (),
    ) -> None:
        self._waits = waits or {}
        self._unled = unled

    def stored(self) -> list[Stored]:
        return [Stored(at=at, next_offset=5, epoch=1, wait_for=self._waits.get(at)) for at in EVERYTHING]

    def relied_on(self, topics: Collection[str], *, leaving: bool = False) -> dict[str, set[str]]:
        others = {"grandchild"} if leaving else {"parent", "gone"}
        return {topic: {topic, *others} for topic in topics}

    def matching(self) -> frozenset[TopicPartition]:
        return EVERYTHING - {GONE}

    def known_ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: 9 for at in partitions if at not in self._unled}


def at(start: int) -> list[Slice]:
    """Records of the child's partition that begin there."""
    return [Slice(at=CHILD, epoch=1, start=start, end=start + 1, offsets=[start], keys=[None], values=[None])]


def made(group: Group) -> Dependents:
    """Those of a group."""
    return Dependents(group, group)


def test_what_is_read_and_behind_is_waited_for_once_at_a_place() -> None:
    """A topic that is not read any more would be waited for for ever."""
    dependents = made(Group())
    assert dependents.of(at(5), COMES) == {CHILD: {PARENT: 9}}
    assert dependents.of(at(5), COMES) == {}
    assert dependents.of(at(6), COMES) == {CHILD: {PARENT: 9}}


def test_nobody_waits_for_who_waits_for_it() -> None:
    """As the stored positions say."""
    assert made(Group({PARENT: {"child:0": 9}})).of(at(5), COMES) == {}


def test_what_has_no_leader_is_not_waited_for() -> None:
    """Nobody knows its end: whoever asked for it until then would hold up every other table too."""
    both = {RecordRef(CHILD, 5): COMES, RecordRef(CHILD, 6): replace(COMES, operation="delete")}

    assert made(Group(unled={PARENT})).of(at(5), COMES) == {}
    assert made(Group(unled={PARENT})).of_records(at(5), both) == {CHILD: {GRANDCHILD: 9}}


@pytest.mark.parametrize(
    ("operations", "others"),
    [
        pytest.param(["upsert"], {PARENT}, id="what it refers to is not there"),
        pytest.param(["delete"], {GRANDCHILD}, id="what refers to it is there"),
        pytest.param(["replace"], {PARENT, GRANDCHILD}, id="it goes and comes"),
        pytest.param(["delete", "upsert"], {PARENT, GRANDCHILD}, id="one goes, one comes"),
    ],
)
def test_who_is_waited_for_is_a_matter_of_what_was_refused(operations: list[str], others: set[TopicPartition]) -> None:
    """Otherwise tables that refer to one another in a row would wait in a circle."""
    refused = {RecordRef(CHILD, 5 + n): replace(COMES, operation=each) for n, each in enumerate(operations)}
    (waits,) = made(Group()).of_records(at(5), refused).values()

    assert waits.keys() == others
