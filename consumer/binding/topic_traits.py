"""What topics are like, as far as it was asked, and which are known to have several partitions."""

from collections.abc import Collection, Mapping, Sequence

from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.ports.topics import Forbidden, Offsets, Traits


class TopicTraits:
    """Asked once a topic, and looked at again when the binder wants it. Belongs to the binder."""

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._traits: dict[str, Traits] = {}
        # topics that are known to have more partitions than one, whatever was asked earlier
        self._spread: set[str] = set()

    def learn(self, topics: Collection[str]) -> Mapping[str, Failure]:
        """Ask what new topics are like, all at once; returns those that we may not know it of. Raises Transient."""
        wanted = set(topics)
        new = sorted(wanted - self._traits.keys())
        found, forbidden = self._asked(new) if new else ({}, {})
        self._traits |= found
        if gone := wanted - self._traits.keys() - forbidden.keys():
            raise Transient(_no_topic(min(gone)))
        return forbidden

    def note_spread(self, topics: Collection[str]) -> None:
        """These have several partitions."""
        self._spread |= set(topics)

    def grown(self, topics: Collection[str]) -> list[str]:
        """Those of the topics that have several partitions by now. Raises Transient."""
        now, _ = self._asked(sorted(topics))
        return [topic for topic, traits in now.items() if traits.partitions != 1]

    def cleaned_otherwise(self) -> dict[str, Traits]:
        """The known topics whose cleanup policy compacts by now, or does no longer. Raises Transient."""
        known = dict(self._traits)
        now, _ = self._asked(sorted(known)) if known else ({}, {})
        return {topic: traits for topic, traits in now.items() if traits.compacted != known[topic].compacted}

    def note(self, traits: Mapping[str, Traits]) -> None:
        """They are so by now."""
        self._traits |= traits

    def compacted(self, topic: str) -> bool:
        """Whether a topic keeps the last record of each key."""
        return self._traits[topic].compacted

    def only(self, topic: str) -> bool:
        """Whether the topic has one partition, as far as is known."""
        return topic not in self._spread and self._traits[topic].partitions == 1

    def _asked(self, topics: Sequence[str]) -> tuple[Mapping[str, Traits], Mapping[str, Failure]]:
        """What topics are like now, and why we may not know it of some: these hold up nobody but themselves."""
        try:
            return self._offsets.traits(topics), {}
        except Forbidden as error:
            others = [topic for topic in topics if topic not in error.topics]
            return self._offsets.traits(others), dict.fromkeys(error.topics, error.failure)


def _no_topic(topic: str) -> Failure:
    detail = f"topic {topic} is not there any more, but records of it are still to be applied"
    return failed(KINDS["kafka.no_topic"], "kafka", "describe topics", detail)
