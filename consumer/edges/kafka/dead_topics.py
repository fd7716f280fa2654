"""Dead-letter topics of other consumers: which there are, what their logs have, and their records."""

from collections.abc import Mapping, Sequence

from confluent_kafka import IsolationLevel, Message, TopicCollection
from confluent_kafka import TopicPartition as Position

from consumer.core.foreign import DeadRecord, Span
from consumer.core.letters import Record
from consumer.core.records import OffsetRange, RecordRef, TopicPartition
from consumer.edges.kafka.admin import Admin
from consumer.edges.kafka.answers import ABSENT, HIDDEN, answered
from consumer.edges.kafka.config import KafkaSettings, is_dead_letters
from consumer.edges.kafka.intake import read_headers
from consumer.edges.kafka.pieces import Pieces
from consumer.edges.kafka.specs import EARLIEST, LATEST, OffsetSpec

# seconds: a stop waits for an answer
_LONGEST = 5.0


class KafkaDeadTopics:
    """Implements `consumer.ports.imports.DeadTopics`. `topics`: names, and expressions that begin with ^.

    Sources, and topics of the group's own letters, never match an expression.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._wanted = tuple(topics)
        self._admin = Admin(settings)
        self._pieces = Pieces(settings)
        self._wait = min(settings.request_timeout, _LONGEST)

    def spans(self) -> Mapping[TopicPartition, Span]:
        partitions = self._matching()
        ids = self._topic_ids(sorted({at.topic for at in partitions}))
        there = [at for at in partitions if at.topic in ids]
        starts, ends = self._listed(there, EARLIEST), self._listed(there, LATEST)
        return {
            at: Span(start=starts[at], end=ends[at], topic_id=ids[at.topic])
            for at in there
            if at in starts and at in ends
        }

    def read(self, wanted: OffsetRange, most: int) -> tuple[Sequence[DeadRecord], int] | None:
        found = self._pieces.read(wanted, most)
        return None if found is None else ([_dead(wanted.at, message) for message in found[0]], found[1])

    def close(self) -> None:
        """Close the clients."""
        self._pieces.close()
        self._admin.close()

    def _matching(self) -> list[TopicPartition]:
        with self._admin.asking("list topics") as admin:
            topics = admin.list_topics(timeout=self._wait).topics
        return [
            TopicPartition(name, number)
            for name, topic in sorted(topics.items())
            if topic.error is None and is_dead_letters(self._settings, self._wanted, name)
            for number in sorted(topic.partitions)
        ]

    def _topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        if not topics:
            return {}
        with self._admin.asking("describe topics") as admin:
            answers = admin.describe_topics(TopicCollection(list(topics)), request_timeout=self._wait)
            found = answered(answers, self._wait, ABSENT + HIDDEN)
        return {topic: str(described.topic_id) for topic, described in found.items()}

    def _listed(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        with self._admin.asking("list offsets") as admin:
            # as far as records can be read: behind it transactions go on
            answers = admin.list_offsets(
                {Position(*at): spec for at in partitions},
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=self._wait,
            )
            named = {TopicPartition(p.topic, p.partition): answer for p, answer in answers.items()}
            found = answered(named, self._wait, ABSENT + HIDDEN)
        return {at: answer.offset for at, answer in found.items()}


def _dead(at: TopicPartition, message: Message) -> DeadRecord:
    ref = RecordRef(at, message.offset())  # type: ignore[arg-type]
    record = Record(ref=ref, key=message.key(), value=message.value(), headers=read_headers(message))
    return DeadRecord(record=record, appended_ms=message.timestamp()[1])
