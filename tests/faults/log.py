"""The log as the broker has it: each record where it stands, and what it does by the schemas of its topic."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.accounting import DAMAGED, IMAGES, TOMBSTONE, Entry
from tests.real.engine.feed import envelope, fresh_name, key_schema

Place = tuple[str, int]
# the words of Debezium: what stands for a value that it did not get, and the header of a delete whose row goes on
_UNAVAILABLE = "__debezium_unavailable_value"
_NEW_KEY = "__debezium.newkey"
_FRAME = 5
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as it lies in its topic; `goes_on`: it says that its row has another key from now on."""

    key: bytes | None
    value: bytes | None
    goes_on: bool


Log = dict[Place, dict[int, Raw]]


def log_ends(kafka: str, topics: Sequence[str]) -> dict[Place, int]:
    """The end of each partition, as the broker has it now."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    known = admin.list_topics(timeout=30).topics
    parts = [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
    answers = admin.list_offsets({part: OffsetSpec.latest() for part in parts}, request_timeout=30)
    return {(part.topic, part.partition): answer.result(30).offset for part, answer in answers.items()}


def read_log(kafka: str, ends: Mapping[Place, int]) -> Log:
    """All records that partitions have in front of these ends."""
    settings = {
        "bootstrap.servers": kafka,
        "group.id": fresh_name("auditor"),
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }
    found: Log = {at: {} for at in ends}
    open_ones = {at for at, end in ends.items() if end}
    reader = Consumer(settings)
    try:
        reader.assign([TopicPartition(topic, number, 0) for topic, number in sorted(open_ones)])
        while open_ones:
            message = reader.poll(_SECONDS)
            assert message is not None, f"nothing comes of {sorted(open_ones)}"
            at = str(message.topic()), int(message.partition() or 0)
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_ones.discard(at)
                continue
            goes_on = _NEW_KEY in dict(message.headers() or ())
            found[at][int(message.offset() or 0)] = Raw(message.key(), message.value(), goes_on)
    finally:
        reader.close()
    return found


class Reading:
    """What the records of a topic do, by the schemas that its feed writes."""

    def __init__(self, topic: str) -> None:
        self._value = fastavro.parse_schema(envelope(topic))
        self._key = fastavro.parse_schema(key_schema(topic))

    def entry(self, offset: int, raw: Raw) -> Entry:
        """What a record does; one whose value can't be read has no operation that is known."""
        frames = tuple(None if part is None else part[:_FRAME] for part in (raw.key, raw.value))
        op, lacks = self._told(raw.value)
        half = raw.goes_on if op == "d" else lacks and op == "c"
        return Entry(offset=offset, row=self._row(raw.key), op=op, frames=(frames[0], frames[1]), half=half)

    def _row(self, key: bytes | None) -> object:
        if key is None:
            return None
        read = fastavro.schemaless_reader(io.BytesIO(key[_FRAME:]), self._key, None)
        return read["id"] if isinstance(read, dict) else read

    def _told(self, value: bytes | None) -> tuple[str, bool]:
        if value is None:
            return TOMBSTONE, False
        try:
            read = fastavro.schemaless_reader(io.BytesIO(value[_FRAME:]), self._value, None)
        except (EOFError, IndexError, ValueError):
            return DAMAGED, False
        assert isinstance(read, dict)
        op = str(read["op"])
        return op, op in IMAGES and read["after"]["label"] == _UNAVAILABLE
