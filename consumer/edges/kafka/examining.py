"""The cluster as `headrace doctor` asks about it. What is not for us to know is left out of the answers."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin._config import ConfigResource

from consumer.core.doctor.cluster import Cluster
from consumer.core.doctor.group import Group
from consumer.core.doctor.topics import Topic
from consumer.core.records import TopicPartition
from consumer.edges.kafka.admin import Admin
from consumer.edges.kafka.answers import ABSENT, HIDDEN, answered, id_told, is_led
from consumer.edges.kafka.config import KafkaSettings, selects
from consumer.edges.kafka.specs import EARLIEST, LATEST, NEWEST, OffsetSpec
from consumer.ports.examining import Matched, Reach

_PROTOCOLS = "group.coordinator.rebalance.protocols"
_NO_COORDINATOR = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
# seconds between questions
_PAUSE = 0.3


class KafkaExamining:
    """Implements `consumer.ports.examining.KafkaExaminer`; for any thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin = Admin(settings)
        self._wait = settings.request_timeout

    def cluster(self) -> Cluster:
        with self._admin.asking("describe cluster") as admin:
            found = admin.describe_cluster(include_authorized_operations=True, request_timeout=self._wait).result(
                self._wait
            )
        may = _named(found.authorized_operations)
        return Cluster(
            brokers=len(found.nodes),
            controller=found.controller is not None,
            may_create=None if may is None else "CREATE" in may,
            new_groups=self._new_groups(found.nodes[0].id) if found.nodes else None,
        )

    def matched(self) -> Matched:
        with self._admin.asking("list topics") as admin:
            listed = admin.list_topics(timeout=self._wait).topics
        there = {name for name, one in listed.items() if one.error is None}
        forbidden = {name for name, one in listed.items() if one.error and one.error.code() in HIDDEN}
        chosen = [name for name in there if selects(self._settings, name)]
        return Matched(
            by_entry={entry: sorted(name for name in chosen if self._is_of(entry, name)) for entry in self._entries},
            hidden=[entry for entry in self._entries if entry in forbidden],
        )

    def topics(self, names: Sequence[str]) -> list[Topic]:
        if not names:
            return []
        with self._admin.asking("describe topics") as admin:
            answers = admin.describe_topics(
                TopicCollection(list(names)), include_authorized_operations=True, request_timeout=self._wait
            )
            described = answered(answers, self._wait, ABSENT + HIDDEN)
        configs = self._configs(list(described))
        return [_topic(name, one, configs.get(name, {})) for name, one in sorted(described.items())]

    def group(self, partitions: Sequence[TopicPartition]) -> Group:
        name = self._settings.group
        with self._admin.asking("describe group"):
            found = self._described(name)
            return Group(
                name=name,
                state=found.state.name if found else "DEAD",
                members=[member.host.removeprefix("/") for member in found.members] if found else [],
                committed=self._committed(name, partitions) if found else {},
                operations=_named(found.authorized_operations) if found else None,
            )

    def _described(self, group: str) -> Any:
        """The group; None when there is none. A cluster that is young has no coordinator for a moment."""
        until = time.monotonic() + self._wait
        while True:
            try:
                answers = self._admin.opened().describe_consumer_groups(
                    [group], include_authorized_operations=True, request_timeout=self._wait
                )
                return answers[group].result(self._wait)
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    return None
                if code not in _NO_COORDINATOR or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE)

    def reach(self, partitions: Sequence[TopicPartition]) -> Reach:
        starts, ends, newest = (self._listed(partitions, spec) for spec in (EARLIEST, LATEST, NEWEST))
        return Reach(
            starts={at: one.offset for at, one in starts.items()},
            ends={at: one.offset for at, one in ends.items()},
            newest={at: one.timestamp / 1000 for at, one in newest.items() if one.timestamp >= 0 and one.offset >= 0},
        )

    def close(self) -> None:
        self._admin.close()

    @property
    def _entries(self) -> Sequence[str]:
        return self._settings.topics

    def _is_of(self, entry: str, name: str) -> bool:
        one = KafkaSettings(
            bootstrap_servers="", group="", topics=(entry,), ignore=self._settings.ignore, dead=self._settings.dead
        )
        return selects(one, name)

    def _new_groups(self, broker: int) -> bool | None:
        """Whether it knows KIP-848's protocol; None where its settings are not for us, or say nothing of it."""
        resource = ConfigResource(ConfigResource.Type.BROKER, str(broker))
        with self._admin.asking("describe configs") as admin:
            answers = admin.describe_configs([resource], request_timeout=self._wait)
            found = answered(answers, self._wait, HIDDEN)
        if not found:
            return None
        (config,) = found.values()
        said = config.get(_PROTOCOLS)
        return "consumer" in (said.value or "") if said is not None else False

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        if not asked:
            return {}
        with self._admin.asking("describe configs") as admin:
            answers = admin.describe_configs(asked, request_timeout=self._wait)
            found = answered(
                {resource.name: answer for resource, answer in answers.items()}, self._wait, ABSENT + HIDDEN
            )
        return {
            name: {key: entry.value for key, entry in config.items() if entry.value is not None}
            for name, config in found.items()
        }

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        wanted = ConsumerGroupTopicPartitions(group, [Position(*at) for at in partitions])
        with self._admin.asking("read group offsets") as admin:
            answer = admin.list_consumer_group_offsets([wanted], request_timeout=self._wait)[group].result(self._wait)
        return {
            TopicPartition(part.topic, part.partition): part.offset
            for part in answer.topic_partitions
            if part.offset >= 0
        }

    def _listed(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, Any]:
        if not partitions:
            return {}
        with self._admin.asking("list offsets") as admin:
            answers = admin.list_offsets(
                {Position(*at): spec for at in partitions},
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=self._wait,
            )
            named = {TopicPartition(part.topic, part.partition): answer for part, answer in answers.items()}
            return answered(named, self._wait, ABSENT + HIDDEN)


def _topic(name: str, one: Any, config: Mapping[str, str]) -> Topic:
    return Topic(
        name=name,
        partitions=len(one.partitions),
        id=id_told(one) or "",
        leaderless=[part.id for part in one.partitions if not is_led(part)],
        replicas=min((len(part.replicas) for part in one.partitions), default=0),
        in_sync=min((len(part.isr) for part in one.partitions), default=0),
        operations=_named(one.authorized_operations),
        config=config,
    )


def _named(operations: Any) -> frozenset[str] | None:
    return None if operations is None else frozenset(one.name for one in operations)
