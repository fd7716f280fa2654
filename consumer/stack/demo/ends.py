"""The end offsets of topics, as Kafka tells them."""

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.edges.kafka.specs import LATEST

_SECONDS = 5.0


class Ends:
    """Asks for end offsets; one client for all questions."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
        self._known: Mapping[str, int] = {}

    def look(self, topics: Iterable[str]) -> Mapping[str, int]:
        """The records written to each topic over all partitions; a topic that is not there yet is left out.

        Where the broker is too busy to answer, what it said last stands; it answers the next time.
        """
        found: dict[str, int] = {}
        try:
            known = self._admin.list_topics(timeout=_SECONDS).topics
            asked = {
                TopicPartition(topic, number): LATEST
                for topic in topics
                if topic in known and known[topic].error is None
                for number in known[topic].partitions
            }
            answers = self._admin.list_offsets(asked, request_timeout=_SECONDS) if asked else {}
            for at, answer in answers.items():
                found[at.topic] = found.get(at.topic, 0) + answer.result(_SECONDS).offset
        except (KafkaException, TimeoutError):
            return self._known
        self._known = {**self._known, **found}
        return self._known
