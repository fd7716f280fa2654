"""Questions about topics, asked apart from reading."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin._config import ConfigResource

from consumer.core.records import TopicPartition
from consumer.edges.kafka import specs
from consumer.edges.kafka.admin import Admin
from consumer.edges.kafka.answers import ABSENT, HIDDEN, answered, id_told, is_led
from consumer.edges.kafka.config import KafkaSettings, selects, translated
from consumer.edges.kafka.specs import EARLIEST, LATEST, OffsetSpec
from consumer.ports.target import Start
from consumer.ports.topics import Forbidden, Traits


class KafkaOffsets:
    """Implements `consumer.ports.topics.Moments` and `LogEnds`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin = Admin(settings)
        # wrong settings are told at once
        self._admin.opened()
        self._wait = settings.request_timeout

    def read(self, topics: Collection[str]) -> None:
        """These topics are read from now on; for any thread."""
        self._settings = replace(self._settings, topics=tuple(topics))

    def is_read(self, topic: str) -> bool:
        """Whether the settings select it."""
        return selects(self._settings, topic)

    def matching(self) -> frozenset[TopicPartition]:
        with self._admin.asking("list topics") as admin:
            topics = admin.list_topics(timeout=self._wait).topics
        found = set()
        for name, description in topics.items():
            if description.error is None and selects(self._settings, name):
                found |= {TopicPartition(name, number) for number in description.partitions}
        return frozenset(found)

    def initial(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        policy = self._settings.initial
        if policy == "latest":
            ends = self._list(partitions, LATEST)
            return self._starts(ends)
        starts = dict(self.log_start(partitions))
        if policy.startswith("group:"):
            committed = self._committed(policy.removeprefix("group:"), partitions)
            known = {at: offset for at, offset in committed.items() if at in starts}
            starts |= {
                at: Start(offset=max(o, starts[at].offset), topic_id=starts[at].topic_id) for at, o in known.items()
            }
        return starts

    def log_start(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        return self._starts(self._list(partitions, EARLIEST))

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return self._list(partitions, LATEST)

    def known_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return self._list(partitions, LATEST, ABSENT + HIDDEN)

    def since(self, partitions: Sequence[TopicPartition], moment: float) -> Mapping[TopicPartition, int]:
        found = self._list(partitions, specs.since(moment * 1000))
        ends = self.ends([at for at, offset in found.items() if offset < 0])
        return {at: ends.get(at, offset) for at, offset in found.items()}

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        return {topic: id_told(description) for topic, description in self._described(topics).items()}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        return frozenset(
            TopicPartition(topic, part.id)
            for topic, description in self._described(topics).items()
            for part in description.partitions
            if not is_led(part)
        )

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        described = self._described(topics)
        policies = self._policies(list(described))
        return {
            topic: Traits(compacted="compact" in policy, partitions=len(described[topic].partitions))
            for topic, policy in policies.items()
        }

    def _described(self, topics: Sequence[str]) -> dict[str, Any]:
        if not topics:
            return {}
        with self._admin.asking(operation := "describe topics") as admin:
            answers = admin.describe_topics(TopicCollection(list(topics)), request_timeout=self._wait)
            return self._those_known(answers, operation)

    def _policies(self, topics: Sequence[str]) -> dict[str, str]:
        if not topics:
            return {}
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        with self._admin.asking(operation := "describe configs") as admin:
            answers = admin.describe_configs(asked, request_timeout=self._wait)
            known = self._those_known({resource.name: answer for resource, answer in answers.items()}, operation)
        return {topic: settings["cleanup.policy"].value or "" for topic, settings in known.items()}

    def _those_known(self, answers: Mapping[str, Future[Any]], operation: str) -> dict[str, Any]:
        """The answers, but for topics that the cluster does not know. Raises Forbidden, KafkaException."""
        found = {}
        hidden: dict[str, KafkaException] = {}
        for topic, answer in answers.items():
            try:
                found[topic] = answer.result(self._wait)
            except KafkaException as error:
                code = error.args[0].code()
                if code in HIDDEN:
                    hidden[topic] = error
                elif code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        for refusal in hidden.values():
            raise Forbidden(translated(refusal, operation).failure, hidden) from refusal
        return found

    def _starts(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Start]:
        ids = self.topic_ids(sorted({at.topic for at in offsets}))
        return {at: Start(offset=offset, topic_id=ids.get(at.topic)) for at, offset in offsets.items()}

    def _list(
        self, partitions: Sequence[TopicPartition], spec: OffsetSpec, leave_out: Collection[int] = ()
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        asked = {Position(*at): spec for at in partitions}
        with self._admin.asking("list offsets") as admin:
            futures = admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=self._wait
            )
            named = {TopicPartition(part.topic, part.partition): future for part, future in futures.items()}
            return {at: found.offset for at, found in answered(named, self._wait, leave_out).items()}

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = ConsumerGroupTopicPartitions(group, [Position(*at) for at in partitions])
        with self._admin.asking("read group offsets") as admin:
            futures = admin.list_consumer_group_offsets([wanted], request_timeout=self._wait)
            answer = futures[group].result(self._wait)
        return {
            TopicPartition(part.topic, part.partition): part.offset
            for part in answer.topic_partitions
            if part.offset >= 0
        }
