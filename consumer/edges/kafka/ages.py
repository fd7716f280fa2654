"""Since when records lie at offsets: what is read next of partitions, one record each, and the last one of one."""

import time
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as Position

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings, asking, configuring, reading_config

_TICK = 0.2
# seconds for all of them together; what is not read by then is not known
_LONGEST = 5.0
# bytes of a partition at a time: a broker sends one batch of records at least
_LEAST = 1


class KafkaAges:
    """Implements `consumer.ports.topics.LogAges`, with a client that is no member and lives for one question."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        if not positions:
            return {}
        with asking("read positions"):
            client = self._opened("error")
            try:
                return _times(client, positions, self._seconds())
            finally:
                client.close()

    def newest(self, at: TopicPartition, start: int) -> float | None:
        with asking("read positions"):
            # of a log that begins behind it all is read
            client = self._opened("earliest")
            try:
                return _newest(client, Position(at.topic, at.partition, start), self._seconds())
            finally:
                client.close()

    def _seconds(self) -> float:
        return min(self._settings.request_timeout, _LONGEST)

    def _opened(self, reset: str) -> Consumer:
        config = {
            **reading_config(self._settings),
            # it is closed while more is on its way, which the client would warn of
            "log_level": 3,
            # as in `Pieces`
            "group.id": self._settings.group,
            "enable.auto.commit": False,
            "auto.offset.reset": reset,
            "enable.partition.eof": True,
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
                moment = _moment(message)
                if moment is not None:
                    found[at] = moment
    return found


def _newest(client: Consumer, start: Position, seconds: float) -> float | None:
    """Seconds since 1970 of the last record that comes in time; its log may end with marks of transactions."""
    client.assign([start])
    until = time.monotonic() + seconds
    found: float | None = None
    while time.monotonic() < until:
        message = client.poll(_TICK)
        if message is None:
            continue
        failed = message.error()
        if failed is not None and failed.code() == KafkaError._PARTITION_EOF:
            break
        found = _moment(message) or found
    return found


def _moment(message: Message) -> float | None:
    """When a record was appended; None where it is none, or nobody says."""
    stamp = message.timestamp()[1]
    return stamp / 1000 if message.error() is None and stamp > 0 else None
