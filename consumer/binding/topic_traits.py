"""What topics are like, as far as it was asked, and which are known to have several partitions."""

from collections.abc import Collection, Mapping

from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.ports.topics import Offsets, Traits


class TopicTraits:
    """Asked once a topic, and looked at again when the binder wants it. Belongs to the binder."""

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._traits: dict[str, Traits] = {}
        # topics that are known to have more partitions than one, whatever was asked earlier
        self._spread: set[str] = set()

    def learn(self, topics: Collection[str]) -> None:
        """Ask what new topics are like, all at once. Raises Transient."""
        wanted = set(topics)
        new = sorted(wanted - self._traits.keys())
        if new:
            self._traits |= self._offsets.traits(new)
        if gone := wanted - self._traits.keys():
            raise Transient(_no_topic(min(gone)))

    def note_spread(self, topics: Collection[str]) -> None:
        """These have several partitions."""
        self._spread |= set(topics)

    def grown(self, topics: Collection[str]) -> list[str]:
        """Those of the topics that have several partitions by now. Raises Transient."""
        return [topic for topic, traits in self._offsets.traits(sorted(topics)).items() if traits.partitions != 1]

    def cleaned_otherwise(self) -> dict[str, Traits]:
        """The known topics whose cleanup policy compacts by now, or does no longer. Raises Transient."""
        known = dict(self._traits)
        now = self._offsets.traits(sorted(known)) if known else {}
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


def _no_topic(topic: str) -> Failure:
    detail = f"topic {topic} is not there any more, but records of it are still to be applied"
    return failed(KINDS["kafka.no_topic"], "kafka", "describe topics", detail)
