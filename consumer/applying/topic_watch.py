"""What Kafka says of topics while they are read, asked on a thread of its own.

A broker that is slow to answer so holds up no batch. What the apply thread heeds is an answer, never a question.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from consumer.core.failure import Failure, Transient, told
from consumer.ports.topics import Offsets, allowed

log = structlog.get_logger("headrace.apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer. `asked`: the topics of which it tells, each with the id that it was known by, if any; `ids`: of those
    that exist, None where nobody tells.

    `absent`: the topics that were not there by the answer before.
    """

    asked: Mapping[str, str | None] = field(default_factory=dict)
    ids: Mapping[str, str | None] = field(default_factory=dict)
    absent: Collection[str] = ()

    def is_another(self, topic: str, known: str | None) -> bool:
        """Whether a topic that is still known by that id was made anew; one that is not there may be under way."""
        return known is not None and self.asked.get(topic) == known and self.ids.get(topic) not in (None, known)

    def is_gone(self, topic: str) -> bool:
        """Whether a topic was not there twice in a row: one broker that has just started may not know of it yet."""
        return topic in self.absent and topic in self._not_there()

    def then(self, asked: Mapping[str, str | None], ids: Mapping[str, str | None]) -> "Seen":
        """The answer behind this one."""
        return Seen(asked=asked, ids=ids, absent=self._not_there())

    def _not_there(self) -> set[str]:
        return set(self.asked) - set(self.ids)


class TopicWatch:
    """`turn` is called in a loop by one thread; the rest is for the apply thread.

    `grown`: looks for topics that were to have one partition and have got a second, and returns them. Raises Transient.
    `is_read`: whether the group reads a topic.
    """

    # seconds between two questions
    EVERY = 2.0

    def __init__(
        self,
        offsets: Offsets,
        grown: Callable[[], Collection[str]] = tuple,
        is_read: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.offsets = offsets
        self._grown = grown
        self._is_read = is_read
        self._wanted: Mapping[str, str | None] = {}
        self._begun = self._next_look = 0.0
        # of the two questions the first was asked
        self._ids_asked = False
        # the log was told that they are hidden
        self._hidden: Collection[str] = ()
        self.seen = Seen()

    def want(self, topics: Mapping[str, str | None]) -> None:
        """Ask about these from now on; with each the id that it is known by."""
        self._wanted = topics

    def gone(self, topics: Collection[str]) -> set[str]:
        """Those of the topics that are not there, or that nobody reads; what was not asked yet is taken to be there."""
        return {topic for topic in topics if self.seen.is_gone(topic) or not self._is_read(topic)}

    def turn(self, timeout: float) -> None:
        """Ask, if it is time to; else wait."""
        if time.monotonic() < self._next_look:
            time.sleep(timeout)
            return
        # a turn for each, so that the loop is seen to turn while nobody answers; what is away is asked again
        with suppress(Transient):
            if self._ids_asked:
                say_grown(self._grown())
            else:
                wanted, self._begun = self._wanted, time.monotonic()
                self._ask(wanted)
        self._ids_asked = not self._ids_asked
        if not self._ids_asked:
            self._next_look = self._begun + self.EVERY

    def _ask(self, wanted: Mapping[str, str | None]) -> None:
        """Whether they are there, and still the same; one of which we may not know is neither gone nor another."""
        ids, hidden = allowed(self.offsets.topic_ids, wanted) if wanted else ({}, {})
        self.seen = self.seen.then({topic: known for topic, known in wanted.items() if topic not in hidden}, ids)
        self._say_hidden(hidden)

    def _say_hidden(self, hidden: Mapping[str, Failure]) -> None:
        """Each is said once until it is told of again."""
        for topic in sorted(hidden.keys() - set(self._hidden)):
            log.warning("topic is hidden", topic=topic, **told(hidden[topic]))
        self._hidden = set(hidden)


def say_grown(topics: Collection[str]) -> None:
    """These were to have one partition and have more by now."""
    for topic in sorted(topics):
        log.warning(
            "topic has grown",
            topic=topic,
            reason="its table has no fitting unique index, or applies truncates without a version column, which only a "
            "topic of one partition can do",
            remedy="Create a unique index over the key's columns, all NOT NULL, or give the table a version_column, "
            "then restart the worker.",
        )
