"""Since when records lie at offsets: what is read next of partitions, one record each."""

import time
from collections.abc import Mapping

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Position

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings, asking, common_config, configuring

_TICK = 0.2
# seconds for all of them together; what is not read by then is not known
_LONGEST = 5.0
# bytes of a partition at a time: a broker sends one batch of records at least
_LEAST = 1


class KafkaAges:
    """Implements `consumer.ports.topics.Ages`, with a client that is in no group and lives for one question."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        if not positions:
            return {}
        with asking("read positions"):
            client = self._opened()
            try:
                return _times(client, positions, min(self._settings.request_timeout, _LONGEST))
            finally:
                client.close()

    def _opened(self) -> Consumer:
        config = {
            **common_config(self._settings),
            # it is closed while more is on its way, which the client would warn of
            "log_level": 3,
            "group.id": f"{self._settings.group}.ages",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "max.partition.fetch.bytes": _LEAST,
            "queued.max.messages.kbytes": 1024,
        }
        with configuring():
            return Consumer(config)


def _times(client: Consumer, positions: Mapping[TopicPartition, int], seconds: float) -> dict[TopicPartition, float]:
    """Seconds since 1970 by partition, as far as they come in time."""
    client.assign([Position(at.topic, at.partition, offset) for at, offset in positions.items()])
    until = time.monotonic() + seconds
    found: dict[TopicPartition, float] = {}
    left = set(positions)
    while left and time.monotonic() < until:
        for message in client.consume(len(left), _TICK):
            at = TopicPartition(str(message.topic()), int(message.partition() or 0))
            if at in left:
                left.discard(at)
                client.pause([Position(*at)])
                stamp = message.timestamp()[1]
                # not above 0 where nobody says
                if message.error() is None and stamp > 0:
                    found[at] = stamp / 1000
    return found
