"""Kafka, through librdkafka: one group member that reads, and a client that answers questions.

The position in PostgreSQL decides where reading goes on, so offsets are never reset by the client
(`auto.offset.reset=error`) and assigned partitions stay paused until they are taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import structlog
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
)
from confluent_kafka import (
    TopicPartition as Position,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec

from consumer.core.failure import Failure, Persistent, Refused, Transient
from consumer.core.records import TopicPartition
from consumer.ports import Fetched, Intake, Listener, Start

log = structlog.get_logger("headrace.kafka")

# never matched by a pattern: internal topics and Kafka Connect's own
_NEVER = ("^__consumer_offsets$", "^__transaction_state$", "^__share_group_state$", "^__cluster_metadata$")
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_INCREMENTAL = ("cooperative-sticky",)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """How the client talks to the cluster. Times in seconds."""

    bootstrap_servers: str
    group: str
    topics: tuple[str, ...]
    initial: str = "earliest"
    client: Mapping[str, str] = field(default_factory=dict)
    request_timeout: float = 30.0
    metadata_refresh: float = 10.0
    prefetch_kbytes: int = 65_536
    ignore: tuple[str, ...] = ()


class KafkaSource:
    """Implements `consumer.ports.Source`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._config = _consumer_config(settings)
        self._incremental = _is_incremental(self._config)
        self._consumer: Consumer | None = None
        self.commit_failures = 0

    def open(self, listener: Listener) -> None:
        with _configuring():
            consumer = Consumer({**self._config, "on_commit": self._committed})
        self._consumer = consumer
        consumer.subscribe(
            list(self._settings.topics),
            on_assign=lambda _, parts: self._on_assign(listener, parts),
            on_revoke=lambda _, parts: self._on_revoke(listener, parts),
            on_lost=lambda _, parts: self._on_lost(listener, parts),
        )

    def poll(self, limit: int, timeout: float) -> Intake:
        try:
            messages = self._client().consume(limit, timeout)
        except KafkaException as error:
            raise _translated(error, "poll") from error
        return _intake(messages)

    def start(self, at: TopicPartition, offset: int) -> bool:
        try:
            self._client().seek(Position(at.topic, at.partition, offset))
            self._client().resume([Position(at.topic, at.partition)])
        except KafkaException as error:
            # the fetcher of a partition that was just assigned starts in its own time
            if error.args[0].code() in (KafkaError._STATE, KafkaError._PREV_IN_PROGRESS):
                return False
            raise _translated(error, "seek") from error
        return True

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._client().pause([Position(*at) for at in partitions])

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._client().resume([Position(*at) for at in partitions])

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        offsets = [Position(at.topic, at.partition, offset) for at, offset in positions.items()]
        try:
            self._client().commit(offsets=offsets, asynchronous=True)
        except KafkaException:
            self.commit_failures += 1

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _on_assign(self, listener: Listener, parts: list[Position]) -> None:
        # the end is a placeholder: nothing is fetched until `start` says where from
        placed = [Position(part.topic, part.partition, OFFSET_END) for part in parts]
        if self._incremental:
            self._client().incremental_assign(placed)
        else:
            self._client().assign(placed)
        self._client().pause(placed)
        listener.assigned(_plain(parts))

    def _on_revoke(self, listener: Listener, parts: list[Position]) -> None:
        listener.revoked(_plain(parts))
        self._unassign(parts)

    def _on_lost(self, listener: Listener, parts: list[Position]) -> None:
        listener.lost(_plain(parts))
        self._unassign(parts)

    def _committed(self, error: KafkaError | None, _: list[Position]) -> None:
        if error is not None:
            self.commit_failures += 1
            log.info("group commit failed; it serves lag tools only", code=error.name())

    def _unassign(self, parts: list[Position]) -> None:
        if self._incremental:
            self._client().incremental_unassign(parts)
        else:
            self._client().unassign()

    def _client(self) -> Consumer:
        if self._consumer is None:
            raise Transient(_closed())
        return self._consumer


class KafkaOffsets:
    """Implements `consumer.ports.Offsets`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        with _configuring():
            self._admin = AdminClient(_common_config(settings))

    def matching(self) -> frozenset[TopicPartition]:
        try:
            topics = self._admin.list_topics(timeout=self._settings.request_timeout).topics
        except KafkaException as error:
            raise _translated(error, "list topics") from error
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
                    raise _translated(error, "describe topics") from error
        return found

    def compacted(self, topic: str) -> bool:
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        futures = self._admin.describe_configs([resource], request_timeout=self._settings.request_timeout)
        try:
            entries = futures[resource].result(timeout=self._settings.request_timeout)
        except KafkaException as error:
            raise _translated(error, "describe configs") from error
        return "compact" in (entries["cleanup.policy"].value or "")

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
            raise _translated(error, "list offsets") from error

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = ConsumerGroupTopicPartitions(group, [Position(*at) for at in partitions])
        futures = self._admin.list_consumer_group_offsets([wanted], request_timeout=self._settings.request_timeout)
        try:
            answer = futures[group].result(self._settings.request_timeout)
        except KafkaException as error:
            raise _translated(error, "read group offsets") from error
        return {
            TopicPartition(part.topic, part.partition): part.offset
            for part in answer.topic_partitions
            if part.offset >= 0
        }


def selects(settings: KafkaSettings, topic: str) -> bool:
    """Whether the settings select a topic; internal topics never match a pattern."""
    plain = {name for name in settings.topics if not name.startswith("^")}
    if topic in plain:
        return True
    if any(re.search(pattern, topic) for pattern in (*_NEVER, *settings.ignore)):
        return False
    return any(re.match(pattern, topic) for pattern in settings.topics if pattern.startswith("^"))


def _common_config(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "socket.timeout.ms": int(settings.request_timeout * 1000),
        "log_level": 4,
        "error_cb": _note_error,
    } | {name: value for name, value in settings.client.items() if _is_common(name)}


def _is_common(name: str) -> bool:
    return name.startswith(("security.", "sasl.", "ssl.", "socket.", "broker.", "client.", "test.", "metadata."))


def _consumer_config(settings: KafkaSettings) -> dict[str, object]:
    config: dict[str, object] = {
        **_common_config(settings),
        "group.id": settings.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": int(settings.metadata_refresh * 1000),
        "topic.blacklist": ",".join((*_NEVER, *settings.ignore)),
        "queued.max.messages.kbytes": settings.prefetch_kbytes,
        # librdkafka stalls a full queue for a second by default
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 100,
        **settings.client,
    }
    if config.get("group.protocol") == "consumer":
        for classic in ("partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"):
            config.pop(classic, None)
    return config


def _is_incremental(config: Mapping[str, object]) -> bool:
    return config.get("group.protocol") == "consumer" or config.get("partition.assignment.strategy") in _INCREMENTAL


def _plain(parts: Sequence[Position]) -> list[TopicPartition]:
    return [TopicPartition(part.topic, part.partition) for part in parts]


def _intake(messages: Sequence[Message]) -> Intake:
    sound = [message for message in messages if message.error() is None]
    fetched = [_fetched(at, list(run)) for at, run in groupby(sound, key=_origin)]
    if len(sound) == len(messages):
        return Intake(fetched=fetched)
    ends: dict[TopicPartition, int] = {}
    broken: dict[TopicPartition, Failure] = {}
    for message in messages:
        error = message.error()
        if error is not None:
            _sort_error(message, error, ends, broken)
    return Intake(fetched=fetched, ends=ends, broken=broken)


def _origin(message: Message) -> TopicPartition:
    return TopicPartition(message.topic(), message.partition())  # type: ignore[arg-type]


def _fetched(at: TopicPartition, run: Sequence[Message]) -> Fetched:
    values = [message.value() for message in run]
    keys = [message.key() for message in run]
    return Fetched(
        at=at,
        offsets=[message.offset() for message in run],  # type: ignore[misc]
        keys=keys,
        values=values,
        appended_ms=run[0].timestamp()[1],
        leader_epoch=run[-1].leader_epoch(),
        size=sum(map(len, filter(None, values))) + sum(map(len, filter(None, keys))),
    )


def _sort_error(
    message: Message, error: KafkaError, ends: dict[TopicPartition, int], broken: dict[TopicPartition, Failure]
) -> None:
    code = error.code()
    if code == KafkaError._PARTITION_EOF:
        ends[_origin(message)] = message.offset()  # type: ignore[assignment]
    elif code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION):
        broken[_origin(message)] = _out_of_range(error)
    else:
        log.warning("kafka error", topic=message.topic(), code=error.name(), reason=error.str())


def _out_of_range(error: KafkaError) -> Failure:
    return Failure(
        component="kafka",
        operation="fetch",
        kind="kafka.offset_out_of_range",
        detail=f"the stored position is not in the log ({error.name()})",
        remedy="The records were deleted before they were read, or the log was cut. Decide where to go on: "
        "have the source snapshot the table again, then set the position.",
    )


@contextmanager
def _configuring() -> Iterator[None]:
    """Raises Refused for settings that librdkafka does not take."""
    try:
        yield
    except KafkaException as error:
        raise Refused(
            Failure(
                component="kafka",
                operation="configure",
                kind="kafka.configuration",
                detail=f"librdkafka refuses the settings: {error.args[0].str()}",
                remedy="Correct kafka.client and kafka.bootstrap_servers.",
            )
        ) from error


def _note_error(error: KafkaError) -> None:
    log.warning("kafka client", code=error.name(), reason=error.str(), fatal=error.fatal())


def _translated(error: KafkaException, operation: str) -> Transient | Persistent:
    cause = error.args[0]
    failure = Failure(
        component="kafka",
        operation=operation,
        kind=f"kafka.{cause.name()}",
        detail=cause.str(),
        remedy="Check kafka.bootstrap_servers, kafka.client and the cluster's health.",
    )
    return Persistent(failure) if cause.fatal() else Transient(failure)


def _closed() -> Failure:
    return Failure(
        component="kafka",
        operation="poll",
        kind="kafka.closed",
        detail="the consumer is closed",
        remedy="This is a defect of Headrace; report it with the log.",
    )
