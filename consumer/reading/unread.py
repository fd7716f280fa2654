"""Partitions of retry topics that nobody has ever taken: a member that missed that they came joins its group anew.

A client learns of new topics by itself. Tried, one with a static membership missed those that were made while it
joined, and letters in them would have waited for its next start.
"""

import time
from collections.abc import Callable, Collection

import structlog

from consumer.core.healing import Act
from consumer.core.records import TopicPartition
from consumer.ports.facts import Healed
from consumer.ports.topics import Offsets

log = structlog.get_logger("headrace.healing")


class Unread:
    """`offsets` knows the retry topics, `taken` says what has a position, `join` has the group joined anew."""

    # so that whoever joins has the time for it
    EVERY = 30.0

    def __init__(
        self,
        offsets: Offsets,
        taken: Callable[[], Collection[TopicPartition]],
        join: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._offsets = offsets
        self._taken = taken
        self._join = join
        self._clock = clock
        self._next = clock() + self.EVERY
        self._before: frozenset[TopicPartition] = frozenset()
        # for each the group is joined anew once, whatever comes of it
        self._done: frozenset[TopicPartition] = frozenset()

    def look(self) -> Healed | None:
        """Join anew for what was not taken at the look before either; says so then. Raises Transient."""
        if self._clock() < self._next:
            return None
        self._next = self._clock() + self.EVERY
        there = self._offsets.matching()
        missing = there - frozenset(self._taken()) if there else there
        stuck, self._before = missing & self._before - self._done, missing
        if not stuck:
            return None
        self._done |= stuck
        topics = ", ".join(sorted({at.topic for at in stuck}))
        log.warning("retry topics are read by nobody; the group is joined anew", topics=topics)
        self._join()
        return Healed(Act.CLIENT_ANEW, "kafka", f"nobody read {topics}")
