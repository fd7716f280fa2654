"""How long logs keep their records: where they begin, and what their retention by time takes away next.

Kafka deletes whole segments, so what is said here is the earliest time. Retention by size and compaction can't be
foreseen: of those only what is gone already is seen.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import IsolationLevel
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin._config import ConfigResource

from consumer.core.records import TopicPartition
from consumer.edges.kafka.admin import Admin
from consumer.edges.kafka.answers import ABSENT, HIDDEN, answered
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.specs import EARLIEST, OffsetSpec, since
from consumer.ports.letters import Reach

K = TypeVar("K")

# seconds: letters wait to be published meanwhile
_LONGEST = 5.0
_HOUR_MS = 3_600_000
_ALL = 2**63 - 1


class KafkaLogs:
    """Implements `consumer.ports.letters.Logs`, with a client of its own that is made when asked."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._wait = min(settings.request_timeout, _LONGEST)
        self._admin = Admin(settings)

    def reach(self, partitions: Sequence[TopicPartition], hours: float) -> Mapping[TopicPartition, Reach]:
        starts = self._listed(dict.fromkeys(partitions, EARLIEST))
        kept = self._retentions({at.topic for at in starts})
        now = time.time() * 1000
        asked = {at: since(now - kept[at.topic] + hours * _HOUR_MS) for at in starts if at.topic in kept}
        leaving = self._listed(asked) if hours else {}
        # no record is so young
        return {
            at: Reach(start=start, leaving=_ALL if leaving.get(at, 0) < 0 else leaving.get(at, 0))
            for at, start in starts.items()
        }

    def _listed(self, asked: Mapping[TopicPartition, OffsetSpec]) -> dict[TopicPartition, int]:
        if not asked:
            return {}
        with self._admin.asking("list offsets") as admin:
            answers = admin.list_offsets(
                {Position(*at): spec for at, spec in asked.items()},
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=self._wait,
            )
            found = answered(
                {TopicPartition(p.topic, p.partition): answer for p, answer in answers.items()},
                self._wait,
                ABSENT + HIDDEN,
            )
        return {at: answer.offset for at, answer in found.items()}

    def _retentions(self, topics: Collection[str]) -> dict[str, int]:
        """Milliseconds for which topics keep their records, of those that delete by time."""
        if not topics:
            return {}
        with self._admin.asking("describe configs") as admin:
            answers = admin.describe_configs(
                [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in sorted(topics)],
                request_timeout=self._wait,
            )
            found = answered(
                {resource.name: answer for resource, answer in answers.items()}, self._wait, ABSENT + HIDDEN
            )
        kept = {topic: int(config["retention.ms"].value) for topic, config in found.items() if _deletes(config)}
        return {topic: milliseconds for topic, milliseconds in kept.items() if milliseconds >= 0}


def _deletes(config: Mapping[str, Any]) -> bool:
    return "delete" in (config["cleanup.policy"].value or "") and config["retention.ms"].value is not None
