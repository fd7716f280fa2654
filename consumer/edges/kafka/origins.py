"""Records read again at their origin, for letters that only point there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position

from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import RecordRef
from consumer.edges.kafka.config import KafkaSettings, asking, common_config, configuring
from consumer.edges.kafka.source import read_headers

_TICK = 0.5
# seconds: the apply thread waits
_LONGEST = 5.0


class KafkaOrigins:
    """Implements `consumer.ports.topics.Origins`, with a client of its own that is in no group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: Consumer | None = None

    def fetch(self, ref: RecordRef) -> Record | None:
        client = self._opened()
        with asking("fetch record"), _assigned(client, ref):
            deadline = time.monotonic() + min(self._settings.request_timeout, _LONGEST)
            while time.monotonic() < deadline:
                message = client.poll(_TICK)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    if message.offset() != ref.offset:
                        return None
                    return Record(ref=ref, key=message.key(), value=message.value(), headers=read_headers(message))
                if error.code() in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET):
                    return None
                if not error.retriable():
                    raise KafkaException(error)
        detail = f"the record at offset {ref.offset} of {ref.at} was not read in time"
        raise Transient(failed(KINDS["kafka.away"], "kafka", "fetch record", detail))

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> Consumer:
        if self._client is None:
            config = {
                **common_config(self._settings),
                "group.id": f"{self._settings.group}.origins",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
            with configuring():
                self._client = Consumer(config)
        return self._client


@contextmanager
def _assigned(client: Consumer, ref: RecordRef) -> Iterator[None]:
    client.assign([Position(ref.at.topic, ref.at.partition, ref.offset)])
    try:
        yield
    finally:
        # else it would read on
        client.unassign()
