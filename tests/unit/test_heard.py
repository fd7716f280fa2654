"""The last heartbeat of the source, as a lookout hears it."""

import pytest

from consumer.ports.outlook import Heartbeat
from tests.unit.test_lookout import BEATS, Group, group, lookout, whole

__all__ = ["group"]


def test_the_newest_heartbeat_is_looked_for(group: Group) -> None:
    """It is the last record that is read of its topic; none where the topic is not there."""
    look = lookout(group, heartbeats="beats")
    whole(look)
    assert group.kept[-1][1] == Heartbeat("beats", 8.0)
    look = lookout(group, heartbeats="none")
    whole(look)
    assert group.kept[-1][1] is None


def test_a_heartbeat_is_heard_in_front_of_its_mark(group: Group) -> None:
    """As a connector writes it that delivers exactly once; the end of its topic is never a record."""
    group.logs[BEATS], group.beats = 40, [30, 38]
    look = lookout(group, heartbeats="beats")
    whole(look)
    assert group.kept[-1][1] == Heartbeat("beats", 38.0)


def test_the_last_heartbeat_stays_while_none_comes(group: Group) -> None:
    """Nothing is read again for it, and one that is not read of is as old as the one before."""
    look = lookout(group, heartbeats="beats")
    whole(look)
    whole(look)
    assert group.beats_asked == 1
    group.logs[BEATS], group.beats = 11, []
    whole(look)
    assert (group.beats_asked, group.kept[-1][1]) == (2, Heartbeat("beats", 8.0))


@pytest.mark.parametrize("lost", ["no leader", "the beats"])
def test_what_was_heard_is_told_by_whoever_looks_next_while_its_topic_tells_nothing(group: Group, lost: str) -> None:
    """A silence goes on while nobody leads the topic, and behind what its log keeps; also past a new process."""
    whole(lookout(group, heartbeats="beats"))
    if lost == "no leader":
        del group.logs[BEATS]
    else:
        group.beats = []
    look = lookout(group, heartbeats="beats")
    whole(look)
    assert look.seen is not None
    assert look.seen.heartbeat == Heartbeat("beats", 8.0)


def test_what_was_heard_of_another_topic_is_not_told(group: Group) -> None:
    """Nor of any, where none is to be listened to."""
    whole(lookout(group, heartbeats="beats"))
    for topic in ("", "others"):
        look = lookout(group, heartbeats=topic)
        whole(look)
        assert look.seen is not None
        assert look.seen.heartbeat is None
