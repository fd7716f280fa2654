"""The group member that reads, on a real broker."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.source import KafkaSource
from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .worker import eventually

# what the client takes by itself is a second, less the time for which it has been quiet
_QUIET = 0.3
_SOON = 0.4
_TRIES = 20


class Member:
    """A member of a group of its own. Implements `consumer.ports.topics.Listener`."""

    def __init__(self, at: Endpoints, topic: str) -> None:
        settings = KafkaSettings(bootstrap_servers=at.kafka, group=fresh_name("member"), topics=(topic,))
        self.source = KafkaSource(settings)
        self.mine: set[TopicPartition] = set()
        self.source.open(self)

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self.mine |= set(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.mine -= set(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.mine -= set(partitions)

    def polled(self) -> set[TopicPartition]:
        """The partitions of what one poll brings."""
        return {fetched.at for fetched in self.source.poll(1000, 0.05).fetched}


@pytest.fixture
def member(at: Endpoints, fresh_feed: Callable[..., Feed]) -> Iterator[Member]:
    """A member that has three partitions with records."""
    feed = fresh_feed("once", 3)
    feed.create(30)
    joined = Member(at, feed.topic)
    eventually(lambda: joined.polled() or len(joined.mine) == 3, "it has its partitions")
    yield joined
    joined.source.close()


def seconds_to_read(member: Member) -> float:
    """From the start of all partitions, after a quiet while, to the first records of each."""
    member.source.pause(list(member.mine))
    quiet = time.monotonic() + _QUIET
    eventually(lambda: not member.polled() and time.monotonic() > quiet, "the client has gone quiet")
    eventually(lambda: all(member.source.start(each, 0) for each in member.mine), "the client is ready")
    since = time.monotonic()
    missing = set(member.mine)
    while missing:
        missing -= member.polled()
        assert time.monotonic() - since < 30
    return time.monotonic() - since


def test_what_is_started_is_read_at_once(member: Member) -> None:
    """Not when the client would look again by itself, which is never so soon; a busy machine has many tries."""
    took: list[float] = []
    while len(took) < _TRIES and min(took, default=_SOON) >= _SOON:
        took.append(seconds_to_read(member))
    assert min(took) < _SOON, took
