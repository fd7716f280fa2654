"""The group member that reads. Assigned partitions stay paused until they are taken."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from consumer.core.classify import REFUSED, of_kafka
from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS, ErrorType, Scope
from consumer.core.records import Header, HeadersOf, TopicPartition
from consumer.edges.kafka.config import (
    KafkaSettings,
    configuring,
    consumer_config,
    is_incremental,
    note_error,
    translated,
)
from consumer.edges.kafka.silence import Silence
from consumer.ports.topics import Fetched, Intake, Listener

log = structlog.get_logger("headrace.kafka")

# messages of one call: each is looked at several times, while they are in the processor's cache
_AT_ONCE = 4096
# what the client says of a position that is not in the log, and how its words end when the log was cut
_GIVEN_UP = "_AUTO_OFFSET_RESET"
_TRUNCATED = KafkaError(KafkaError._LOG_TRUNCATION).str()
# seconds that a partition which was given up and assigned anew may take to take a seek, and between two trials
_SETTLING, _BREATH = 1.0, 0.005
# seconds that the answer of a question is waited for which is asked only to be asked
_STIRRING = 0.01
# seconds that joining, and asking for a sign of life, wait for the cluster's answer
_CONNECTING = 1.0
# asked about for a sign of life: whoever has groups has it
_EVERYWHERE = "__consumer_offsets"


class KafkaSource:
    """Implements `consumer.ports.topics.Source`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._config = consumer_config(settings)
        self._incremental = is_incremental(self._config)
        self._consumer: Consumer | None = None
        self._listener: Listener | None = None
        self._silence = Silence(settings.request_timeout)
        # resumed since the last poll
        self._resumed: set[TopicPartition] = set()
        # no longer read by the client since their position was not in the log
        self._given_up: set[TopicPartition] = set()
        self._last_error: KafkaError | None = None
        self._refusal: KafkaError | None = None

    def open(self, listener: Listener) -> None:
        self._silence.heard()
        with configuring():
            consumer = Consumer({**self._config, "on_commit": self._committed, "error_cb": self._note})
        self._consumer, self._listener = consumer, listener
        # a client that is not connected yet puts joining off for a second; one that can't connect joins in its own time
        with suppress(KafkaException):
            consumer.list_topics(timeout=_CONNECTING)
        consumer.subscribe(
            [*self._settings.topics, *self._settings.lane],
            on_assign=lambda _, parts: self._on_assign(listener, parts),
            on_revoke=lambda _, parts: self._on_revoke(listener, parts),
            on_lost=lambda _, parts: self._on_lost(listener, parts),
        )

    def poll(self, limit: int, timeout: float) -> Intake:
        self._stir()
        try:
            messages = self._client().consume(min(limit, _AT_ONCE), timeout)
        except KafkaException as error:
            raise translated(error, "poll") from error
        if self._refusal is not None:
            raise translated(KafkaException(self._refusal), "poll")
        intake = intake_of(messages)
        if intake.fetched or intake.ends:
            self._silence.heard()
        elif self._silence.to_ask():
            self._seek_life()
        self._given_up |= {at for at, failure in intake.broken.items() if failure.code == _GIVEN_UP}
        return intake

    def start(self, at: TopicPartition, offset: int, leader_epoch: int | None = None) -> bool:
        # a seek, since only that has the client compare the epoch; an assignment has not
        place = Position(at.topic, at.partition, offset, leader_epoch=-1 if leader_epoch is None else leader_epoch)
        try:
            if not (self._seek_anew(place) if self._incremental and at in self._given_up else self._seek(place)):
                return False
            self._client().resume([Position(*at)])
        except KafkaException as error:
            raise translated(error, "seek") from error
        self._given_up.discard(at)
        self._resumed.add(at)
        return True

    def _seek(self, place: Position) -> bool:
        try:
            self._client().seek(place)
        except KafkaException as error:
            # the fetcher of a partition that was just assigned starts in its own time
            if error.args[0].code() in (KafkaError._STATE, KafkaError._PREV_IN_PROGRESS):
                return False
            raise
        return True

    def _seek_anew(self, place: Position) -> bool:
        """Seek in a partition that the client has given up: it never takes a seek again (tried) as it is."""
        placed = [Position(place.topic, place.partition, 0)]
        self._client().incremental_unassign(placed)
        self._client().incremental_assign(placed)
        self._client().pause(placed)
        until = time.monotonic() + _SETTLING
        while not (done := self._seek(place)) and time.monotonic() < until:
            time.sleep(_BREATH)
        return done

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._client().pause([Position(*at) for at in partitions])

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._client().resume([Position(*at) for at in partitions])
        self._resumed |= set(partitions)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        offsets = [Position(at.topic, at.partition, offset) for at, offset in positions.items()]
        try:
            self._client().commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            _say_uncommitted(error.args[0])

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._resumed.clear()
        self._given_up.clear()

    def _stir(self) -> None:
        """Have the client fetch at once what was resumed.

        It looks for what there is to fetch whenever something happens on a broker's connection, else once a second.
        So the leaders are asked something; nobody needs the answer.
        """
        if self._resumed:
            asked = [Position(at.topic, at.partition, OFFSET_END) for at in self._resumed]
            self._resumed.clear()
            with suppress(KafkaException):
                self._client().offsets_for_times(asked, timeout=_STIRRING)

    def _seek_life(self) -> None:
        """A cluster that answers has nothing new; one that does not for long gets another client: see `admin.Admin`."""
        try:
            self._client().list_topics(_EVERYWHERE, timeout=_CONNECTING)
        except KafkaException as error:
            if self._silence.too_long() and self._listener is not None:
                log.warning("the cluster is silent; the client is made anew", code=error.args[0].name())
                self.close()
                self.open(self._listener)
        else:
            self._silence.heard()

    def _on_assign(self, listener: Listener, parts: list[Position]) -> None:
        self._silence.heard()
        # A number as placeholder, never a named place: librdkafka looks named places up, and tried, an answer that
        # came half a second late moved reading to the end of the log after `start` had sought elsewhere.
        placed = [Position(part.topic, part.partition, 0) for part in parts]
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

    def _note(self, error: KafkaError) -> None:
        """Refused credentials are told here alone, and tried for ever: they are refused when no broker is left."""
        note_error(error)
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error
        elif self._last_error is not None and self._last_error.name() in REFUSED:
            self._refusal = self._last_error

    def _committed(self, error: KafkaError | None, _: list[Position]) -> None:
        if error is not None:
            _say_uncommitted(error)

    def _unassign(self, parts: list[Position]) -> None:
        self._given_up -= set(_plain(parts))
        if self._incremental:
            self._client().incremental_unassign(parts)
        else:
            self._client().unassign()

    def _client(self) -> Consumer:
        if self._consumer is None:
            raise Transient(_closed())
        return self._consumer


def _say_uncommitted(error: KafkaError) -> None:
    log.info("group commit failed; it serves lag tools only", code=error.name())


def _plain(parts: Sequence[Position]) -> list[TopicPartition]:
    return [TopicPartition(part.topic, part.partition) for part in parts]


def intake_of(messages: Sequence[Message]) -> Intake:
    """What the client's messages say: records, ends and what can't be read on."""
    # asked for each message: identity, since the client's errors can't be compared with None
    if all(error is None for error in map(Message.error, messages)):
        return Intake(fetched=[_fetched(at, run) for at, run in _by_origin(messages)])
    ends: dict[TopicPartition, int] = {}
    broken: dict[TopicPartition, Failure] = {}
    readable = []
    for message in messages:
        error = message.error()
        if error is not None:
            _sort_error(message, error, ends, broken)
        # the client goes on behind what it can't read: nothing of a partition counts behind that
        elif _origin(message) not in broken:
            readable.append(message)
    return Intake(fetched=[_fetched(at, run) for at, run in _by_origin(readable)], ends=ends, broken=broken)


def _by_origin(messages: Sequence[Message]) -> Iterator[tuple[TopicPartition, Sequence[Message]]]:
    """Runs of messages of one partition and leader. Asked for each message, so nothing of ours is called for each."""
    start = 0
    for origin, same in groupby(zip(map(Message.topic, messages), map(Message.partition, messages), strict=True)):
        end = start + len(list(same))
        for run in _by_leader(messages[start:end]):
            yield TopicPartition(*origin), run  # type: ignore[arg-type]
        start = end


def _by_leader(run: Sequence[Message]) -> Iterator[Sequence[Message]]:
    # epochs never fall within a log
    if run[0].leader_epoch() == run[-1].leader_epoch():
        yield run
    else:
        yield from (list(same) for _, same in groupby(run, Message.leader_epoch))


def _origin(message: Message) -> TopicPartition:
    return TopicPartition(message.topic(), message.partition())  # type: ignore[arg-type]


def _fetched(at: TopicPartition, run: Sequence[Message]) -> Fetched:
    values = [message.value() for message in run]
    keys = [message.key() for message in run]
    offsets: list[int] = [message.offset() for message in run]  # type: ignore[misc]
    return Fetched(
        at=at,
        offsets=offsets,
        keys=keys,
        values=values,
        appended_ms=run[0].timestamp()[1],
        leader_epoch=run[-1].leader_epoch(),
        size=sum(map(len, filter(None, values))) + sum(map(len, filter(None, keys))),
        headers=_headers(run, offsets),
    )


def read_headers(message: Message) -> tuple[Header, ...]:
    """A message's headers; to be asked for once, since the client answers a second time without its checks."""
    try:
        return tuple(message.headers() or ())  # type: ignore[arg-type]
    except SystemError:
        # the client's answer to a name that is no UTF-8
        return ()


def _headers(run: Sequence[Message], offsets: Sequence[int]) -> HeadersOf:
    """Read when asked for: Debezium gives each record some, and to read them costs a microsecond a message."""
    found: dict[int, tuple[Header, ...]] = {}

    def of(offset: int) -> tuple[Header, ...]:
        if offset not in found:
            found[offset] = read_headers(run[bisect_left(offsets, offset)])
        return found[offset]

    return of


def _sort_error(
    message: Message, error: KafkaError, ends: dict[TopicPartition, int], broken: dict[TopicPartition, Failure]
) -> None:
    code = error.code()
    if code == KafkaError._PARTITION_EOF:
        ends[_origin(message)] = message.offset()  # type: ignore[assignment]
    elif code == KafkaError._AUTO_OFFSET_RESET and _TRUNCATED in error.str():
        kind = KINDS["log.truncated"]
        # the client's words name the offsets
        broken[_origin(message)] = failed(kind, "kafka", "fetch", f"{kind.sign} ({error.str()})", code=error.name())
    elif (kind := of_kafka(error.name(), fatal=error.fatal())).scope is Scope.TABLE:
        broken[_origin(message)] = failed(kind, "kafka", "fetch", f"{kind.sign} ({error.name()})", code=error.name())
    elif kind.type is ErrorType.PERSISTENT:
        # nothing is read any more: whoever goes on polling would wait for ever
        raise translated(KafkaException(error), "poll")
    # a pattern that no topic matches yet: letters make their topics when there are any
    elif not (code == KafkaError.UNKNOWN_TOPIC_OR_PART and str(message.topic()).startswith("^")):
        log.warning(
            "kafka error",
            topic=message.topic(),
            kind=kind.name,
            code=error.name(),
            reason=error.str(),
            remedy=kind.remedy,
        )


def _closed() -> Failure:
    return failed(KINDS["worker.defect"], "kafka", "poll", "the consumer is closed")
