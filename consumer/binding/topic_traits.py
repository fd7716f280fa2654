"""What topics are like, as far as it was asked, and which are known to have several partitions."""

from collections.abc import Collection, Mapping

from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.ports.topics import Offsets, Traits, allowed


class TopicTraits:
    """Asked once a topic, and looked at again when the binder wants it. Belongs to the binder.

    What the cluster does not tell is asked for again after `pause` seconds.
    """

    def __init__(self, offsets: Offsets, pause: float) -> None:
        self._offsets = offsets
        self._pause = pause
        self._traits: dict[str, Traits] = {}
        # topics that we may not know it of, each until when that is believed, and why
        self._forbidden: dict[str, tuple[float, Failure]] = {}
        # topics that are known to have more partitions than one, whatever was asked earlier
        self._spread: set[str] = set()

    def learn(self, topics: Collection[str], now: float) -> Mapping[str, Failure]:
        """Ask what new topics are like, all at once; returns those that we may not know it of. Raises Transient.

        Each partition of a batch that can't be bound has the rest of the batch planned anew, so a refusal is kept.
        """
        wanted = set(topics)
        self._forbidden = {topic: kept for topic, kept in self._forbidden.items() if now < kept[0]}
        if new := sorted(wanted - self._traits.keys() - self._forbidden.keys()):
            found, forbidden = allowed(self._offsets.traits, new)
            self._traits |= found
            self._forbidden |= {topic: (now + self._pause, why) for topic, why in forbidden.items()}
        if gone := wanted - self._traits.keys() - self._forbidden.keys():
            raise Transient(_no_topic(min(gone)))
        return {topic: why for topic, (_, why) in self._forbidden.items() if topic in wanted}

    def note_spread(self, topics: Collection[str]) -> None:
        """These have several partitions."""
        self._spread |= set(topics)

    def grown(self, topics: Collection[str]) -> list[str]:
        """Those of the topics that have several partitions by now. Raises Transient."""
        now, _ = allowed(self._offsets.traits, topics)
        return [topic for topic, traits in now.items() if traits.partitions != 1]

    def cleaned_otherwise(self) -> dict[str, Traits]:
        """The known topics whose cleanup policy compacts by now, or does no longer. Raises Transient."""
        known = dict(self._traits)
        now, _ = allowed(self._offsets.traits, known) if known else ({}, {})
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
