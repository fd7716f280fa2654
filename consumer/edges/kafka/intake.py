"""What the client's messages say: records, ends of partitions, and what can't be read on."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.core.classify import of_kafka
from consumer.core.failure import Failure, failed, told
from consumer.core.failure_kind import ErrorType, Scope
from consumer.core.frames import Frames
from consumer.core.kinds import KINDS
from consumer.core.records import Appended, Header, HeadersOf, TopicPartition
from consumer.core.schema_ref import SchemaIds
from consumer.edges.kafka.config import translated
from consumer.ports.topics import Fetched, Intake

log = structlog.get_logger("headrace.kafka")

# records of a run whose times are asked for
_TIMES = 8
# how the client's words end when the log was cut
_TRUNCATED = KafkaError(KafkaError._LOG_TRUNCATION).str()


def intake_of(messages: Sequence[Message], frames: Frames) -> Intake:
    """What the client's messages say: records, ends and what can't be read on.

    Records are in the one form, wherever their topics have the ids of schemas.
    """
    # asked for each message, so nothing of ours is called for each; the client's errors are all true
    if not any(map(Message.error, messages)):
        return Intake(fetched=[_fetched(at, run, frames) for at, run in _by_origin(messages)])
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
    return Intake(fetched=[_fetched(at, run, frames) for at, run in _by_origin(readable)], ends=ends, broken=broken)


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


def _fetched(at: TopicPartition, run: Sequence[Message], frames: Frames) -> Fetched:
    # without a step of Python's own for a record
    values, keys = list(map(Message.value, run)), list(map(Message.key, run))
    offsets: list[int] = list(map(Message.offset, run))  # type: ignore[arg-type]
    fetched = Fetched(
        at=at,
        offsets=offsets,
        keys=keys,
        values=values,
        appended=_appended(run, offsets),
        leader_epoch=run[-1].leader_epoch(),
        size=sum(map(len, filter(None, values))) + sum(map(len, filter(None, keys))),
        headers=_headers(run, offsets),
    )
    if frames.of(at.topic) is not SchemaIds.PREFIX:
        fetched = _framed(fetched, run, frames)
    return replace(fetched, size=fetched.size + _headers_size(fetched))


def _appended(run: Sequence[Message], offsets: Sequence[int]) -> list[Appended]:
    """Of a few of them, evenly: to ask each record for its time would cost a fortieth of all that a worker does."""
    step = -(-len(run) // _TIMES)
    return [Appended(offsets[place], run[place].timestamp()[1]) for place in range(0, len(run), step)]


def _headers_size(fetched: Fetched) -> int:
    """About the bytes of all headers, which are held as long as the records: by those of the first and the last."""
    ends = fetched.headers(fetched.offsets[0]), fetched.headers(fetched.offsets[-1])
    return sum(len(name) + len(value or b"") for headers in ends for name, value in headers) * len(fetched.offsets) // 2


def _framed(fetched: Fetched, run: Sequence[Message], frames: Frames) -> Fetched:
    """The same in the one form. All headers are read, so the messages are let go of."""
    found = frames.framed(fetched.at.topic, fetched.keys, fetched.values, [read_headers(message) for message in run])
    offsets, headers = fetched.offsets, found.headers
    return replace(
        fetched,
        keys=found.keys,
        values=found.values,
        headers=lambda offset: headers[bisect_left(offsets, offset)],
        framing=frames,
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
        failure = failed(kind, "kafka", "fetch", error.str(), code=error.name())
        log.warning("kafka error", topic=message.topic(), **told(failure))
