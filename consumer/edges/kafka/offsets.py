"""Questions about topics, asked apart from reading."""

from collections.abc import Mapping, Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings, common_config, configuring, selects, translated
from consumer.ports import Start

_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]


class KafkaOffsets:
    """Implements `consumer.ports.Offsets`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        with configuring():
            self._admin = AdminClient(common_config(settings))

    def matching(self) -> frozenset[TopicPartition]:
        try:
            topics = self._admin.list_topics(timeout=self._settings.request_timeout).topics
        except KafkaException as error:
            raise translated(error, "list topics") from error
        found = set()
        for name, description in topics.items():
            if description.error is None and selects(self._settings, name):
                found |= {TopicPartition(name, number) for number in description.partitions}
        return frozenset(found)

    def initial(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        policy = self._settings.initial
        if policy == "latest":
            ends = self._list(partitions, _LATEST)
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
        return self._starts(self._list(partitions, _EARLIEST))

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return self._list(partitions, _LATEST)

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        if not topics:
            return {}
        futures = self._admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=self._settings.request_timeout
        )
        found = {}
        for name, future in futures.items():
            try:
                found[name] = str(future.result(timeout=self._settings.request_timeout).topic_id)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise translated(error, "describe topics") from error
        return found

    def compacted(self, topics: Sequence[str]) -> Mapping[str, bool]:
        wait = self._settings.request_timeout
        resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        try:
            futures = self._admin.describe_configs(resources, request_timeout=wait)
            policies = {resource.name: future.result(wait)["cleanup.policy"] for resource, future in futures.items()}
        except KafkaException as error:
            raise translated(error, "describe configs") from error
        return {topic: "compact" in (policy.value or "") for topic, policy in policies.items()}

    def _starts(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Start]:
        ids = self.topic_ids(sorted({at.topic for at in offsets}))
        return {at: Start(offset=offset, topic_id=ids.get(at.topic)) for at, offset in offsets.items()}

    def _list(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        asked = {Position(*at): spec for at in partitions}
        futures = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=self._settings.request_timeout
        )
        try:
            return {
                TopicPartition(part.topic, part.partition): future.result(self._settings.request_timeout).offset
                for part, future in futures.items()
            }
        except KafkaException as error:
            raise translated(error, "list offsets") from error

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = ConsumerGroupTopicPartitions(group, [Position(*at) for at in partitions])
        futures = self._admin.list_consumer_group_offsets([wanted], request_timeout=self._settings.request_timeout)
        try:
            answer = futures[group].result(self._settings.request_timeout)
        except KafkaException as error:
            raise translated(error, "read group offsets") from error
        return {
            TopicPartition(part.topic, part.partition): part.offset
            for part in answer.topic_partitions
            if part.offset >= 0
        }
