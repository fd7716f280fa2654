"""Records read again at their origin: one that a letter points to, or those behind it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import Header, OffsetRange, RecordRef, Slice
from consumer.edges.kafka.config import KafkaSettings, asking, common_config, configuring
from consumer.edges.kafka.intake import read_headers

_TICK = 0.5
# seconds: who asks has other things to do
_LONGEST = 5.0
# bytes at a time
_MOST = 8 << 20
_NOT_THERE = (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET)


class KafkaOrigins:
    """Implements `consumer.ports.topics.Origins`, with a client of its own that is in no group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: Consumer | None = None

    def fetch(self, ref: RecordRef) -> Record | None:
        piece = self.read(OffsetRange(ref.at, ref.offset, ref.offset + 1), 1)
        if piece is None or not len(piece):
            return None
        return Record(ref=ref, key=piece.keys[0], value=piece.values[0], headers=piece.headers(ref.offset))

    def read(self, wanted: OffsetRange, most: int) -> Slice | None:
        try:
            return self._read(wanted, most)
        except Transient:
            # one that has lost the cluster may not find it again: see `Admin`
            self.close()
            raise

    def _read(self, wanted: OffsetRange, most: int) -> Slice | None:
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
                        return _slice(wanted, found, wanted.end)
                    found.append(message)
                    size += len(message)
                elif error.code() in _NOT_THERE:
                    return None
                elif not error.retriable():
                    raise KafkaException(error)
        if found:
            return _slice(wanted, found, found[-1].offset() + 1)  # type: ignore[operator]
        detail = f"the record at offset {wanted.start} of {wanted.at} was not read in time"
        raise Transient(failed(KINDS["kafka.away"], "kafka", "fetch records", detail))

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
                # what was read ahead is thrown away each time
                "queued.max.messages.kbytes": _MOST >> 10,
            }
            with configuring():
                self._client = Consumer(config)
        return self._client


def _slice(wanted: OffsetRange, found: Sequence[Message], end: int) -> Slice:
    by_offset = {message.offset(): message for message in found}

    def headers(offset: int) -> tuple[Header, ...]:
        return read_headers(by_offset[offset])

    return Slice(
        at=wanted.at,
        epoch=0,
        start=wanted.start,
        end=end,
        offsets=[message.offset() for message in found],  # type: ignore[misc]
        keys=[message.key() for message in found],
        values=[message.value() for message in found],
        headers=headers,
        size=sum(map(len, found)),
    )


@contextmanager
def _assigned(client: Consumer, wanted: OffsetRange) -> Iterator[None]:
    client.assign([Position(wanted.at.topic, wanted.at.partition, wanted.start)])
    try:
        yield
    finally:
        # else it would read on
        client.unassign()
