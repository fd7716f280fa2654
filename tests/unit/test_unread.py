"""Retry topics that nobody reads are noticed, and the group is joined anew for them, once."""

from collections.abc import Callable

import pytest

from consumer.core.healing import Act
from consumer.core.records import TopicPartition
from consumer.ports.facts import Healed
from consumer.reading.unread import Unread

ONE, TWO = TopicPartition("g.retry.1", 0), TopicPartition("g.retry.2", 0)


class Group:
    """The retry topics that there are, those of them that have positions, and a clock."""

    def __init__(self) -> None:
        self.there: set[TopicPartition] = {ONE, TWO}
        self.taken: set[TopicPartition] = {ONE}
        self.now = 0.0
        self.joins = 0
        self.unread = Unread(self, lambda: self.taken, self.join, lambda: self.now)

    def matching(self) -> frozenset[TopicPartition]:
        """All that there are."""
        return frozenset(self.there)

    def join(self) -> None:
        """Somebody joins anew."""
        self.joins += 1

    def look(self) -> Healed | None:
        """The next look that is due."""
        self.now += Unread.EVERY
        return self.unread.look()


def test_what_nobody_has_taken_by_the_next_look_is_joined_for_once() -> None:
    """Who would read it may be joining just now."""
    group = Group()
    assert (group.look(), group.joins) == (None, 0)
    assert group.look() == Healed(Act.CLIENT_ANEW, "kafka", "nobody read g.retry.2")
    assert [group.look() for _ in range(5)] == [None] * 5
    assert group.joins == 1


@pytest.mark.parametrize(
    "change",
    [lambda group: group.taken.add(TWO), lambda group: group.there.discard(TWO), lambda group: group.there.clear()],
    ids=["taken", "gone", "all gone"],
)
def test_what_is_taken_or_gone_meanwhile_is_not(change: Callable[[Group], None]) -> None:
    """Nor is what was never there."""
    group = Group()
    group.look()
    change(group)

    assert [group.look() for _ in range(3)] == [None] * 3
    assert group.joins == 0


def test_it_is_not_asked_for_in_between() -> None:
    """Kafka is asked now and then."""
    group = Group()
    group.look()
    assert group.unread.look() is None
    assert group.look() is not None
