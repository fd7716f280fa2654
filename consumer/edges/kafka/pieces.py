"""Records of one partition from an offset on, read when asked for, by a client that is no member of the group."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.records import OffsetRange
from consumer.edges.kafka.config import KafkaSettings, asking, configuring, reading_config

_TICK = 0.5
# seconds: who asks has other things to do
_LONGEST = 5.0
# bytes at a time
_MOST = 8 << 20
_NOT_THERE = (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET)


class Pieces:
    """Reads; used by one thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: Consumer | None = None

    def read(self, wanted: OffsetRange, most: int) -> tuple[list[Message], int] | None:
        """Messages from the range's start on, at most so many, and the offset at which reading goes on.

        None when the log does not reach from the start to the range's end any more. Raises Transient.
        """
        try:
            return self._read(wanted, most)
        except Transient:
            # one that has lost the cluster may not find it again: see `Admin`
            self.close()
            raise

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _read(self, wanted: OffsetRange, most: int) -> tuple[list[Message], int] | None:
        client = self._opened()
        found: list[Message] = []
        size = 0
        with asking("fetch records"), _assigned(client, wanted):
            deadline = time.monotonic() + min(self._settings.request_timeout, _LONGEST)
            while len(found) < most and size < _MOST and time.monotonic() < deadline:
                message = client.poll(_TICK)
                if message is None:
                    continue
                error = message.error()
                offset: int = message.offset()  # type: ignore[assignment]
                if error is None or (error.code() == KafkaError._PARTITION_EOF and offset >= wanted.end):
                    if offset >= wanted.end:
                        return found, wanted.end
                    found.append(message)
                    size += len(message)
                elif error.code() in _NOT_THERE:
                    return None
                elif not error.retriable():
                    raise KafkaException(error)
        if found:
            return found, found[-1].offset() + 1  # type: ignore[operator]
        detail = f"the record at offset {wanted.start} of {wanted.at} was not read in time"
        raise Transient(failed(KINDS["kafka.away"], "kafka", "fetch records", detail))

    def _opened(self) -> Consumer:
        if self._client is None:
            config = {
                **reading_config(self._settings),
                # nothing is subscribed to or committed, but its coordinator is asked for: of another group not all may
                "group.id": self._settings.group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                # what was read ahead is thrown away each time
                "queued.max.messages.kbytes": _MOST >> 10,
            }
            with configuring():
                self._client = Consumer(config)
        return self._client


@contextmanager
def _assigned(client: Consumer, wanted: OffsetRange) -> Iterator[None]:
    client.assign([Position(wanted.at.topic, wanted.at.partition, wanted.start)])
    try:
        yield
    finally:
        # else it would read on
        client.unassign()
