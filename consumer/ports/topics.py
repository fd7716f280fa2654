"""The topics: records as they come, and questions about their logs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from consumer.core.decision import LogNow, Undecidable
from consumer.core.failure import Failure, Transient
from consumer.core.letters import Record
from consumer.core.records import (
    Appended,
    Framing,
    HeadersOf,
    OffsetRange,
    RecordRef,
    Slice,
    TopicPartition,
    no_headers,
)
from consumer.ports.target import Start

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Consecutive records of one partition as they came off the topic, all appended under one leader.

    `framing` as in `Slice`.
    """

    at: TopicPartition
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    # of some of them, the first among them, by rising offset
    appended: Sequence[Appended]
    leader_epoch: int | None
    size: int
    # of the record at an offset
    headers: HeadersOf = no_headers
    framing: Framing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What one poll brought: records, ends of partitions reached, partitions that can't be read on behind them."""

    fetched: Sequence[Fetched] = ()
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    broken: Mapping[TopicPartition, Failure] = field(default_factory=dict)


class Listener(Protocol):
    """Who is told of assignments; called from within `Source.poll`, on its thread."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> None: ...
    def revoked(self, partitions: Sequence[TopicPartition]) -> None: ...
    def lost(self, partitions: Sequence[TopicPartition]) -> None: ...


class Source(Protocol):
    """The topics: one member of a consumer group, used by one thread."""

    def open(self, listener: Listener) -> None:
        """Join the group. Assigned partitions start paused."""
        ...

    def poll(self, limit: int, timeout: float) -> Intake:
        """At most `limit` records, after at most `timeout` seconds; serves the group's callbacks.

        Raises Persistent when the client can't go on or no broker takes its credentials.
        """
        ...

    def start(self, at: TopicPartition, offset: int, leader_epoch: int | None = None) -> bool:
        """Seek and resume an assigned partition; False when the client is not ready for it yet.

        With the leader epoch of the record in front of the offset, the partition breaks as `log.truncated` when the
        log of that epoch ends before the offset by now.
        """
        ...

    def pause(self, partitions: Sequence[TopicPartition]) -> None: ...
    def resume(self, partitions: Sequence[TopicPartition]) -> None: ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell the group, for lag tools only; asynchronous, failures are logged and never raised."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What of a topic decides how its records are applied: whether its cleanup policy compacts, its partitions."""

    compacted: bool
    partitions: int


class Forbidden(Transient):
    """The cluster's access rules keep something of these `topics` from us, all of which were asked for; of the others
    they may tell.
    """

    def __init__(self, failure: Failure, topics: Collection[str]) -> None:
        super().__init__(failure)
        self.topics = frozenset(topics)


class Offsets(Protocol):
    """Questions about topics, asked apart from reading."""

    def matching(self) -> frozenset[TopicPartition]:
        """Every partition that exists now and that the settings select."""
        ...

    def initial(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        """Where they begin by `kafka.initial`."""
        ...

    def log_start(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        """The first offset that each log still has."""
        ...

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after each log's last record."""
        ...

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """The topics' ids, for those that exist; None where the brokers tell none. Raises Forbidden, Transient."""
        ...

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """The topics' partitions that no broker leads now: nobody can tell of their logs, or read them.

        Raises Forbidden, Transient.
        """
        ...

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        """What the topics are like now, for those that exist. Raises Forbidden, Transient."""
        ...


class LogEnds(Protocol):
    """How far logs reach, as far as anybody can tell now: nobody begins or goes on by it."""

    def known_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after each log's last record.

        Partitions that Kafka does not know, hides, or has no leader for are left out. Raises Transient.
        """
        ...


class Barriers(Offsets, LogEnds, Protocol):
    """Questions about topics whose records are waited for."""


class Moments(Offsets, Protocol):
    """Questions about topics, also by time."""

    def since(self, partitions: Sequence[TopicPartition], moment: float) -> Mapping[TopicPartition, int]:
        """The offset of the first record of a moment (seconds since 1970) or later; the log's end without one."""
        ...


class Ages(Protocol):
    """How old records are."""

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        """Since when (seconds since 1970) the record at or behind each offset has been in its log.

        Those that are not read within some seconds are left out. Raises Transient.
        """
        ...


class LogAges(Ages, Protocol):
    """Also of the records at the ends of logs, where marks of transactions may be the last."""

    def newest(self, at: TopicPartition, start: int) -> float | None:
        """Since when (seconds since 1970) the last record at or behind the offset has been in its log.

        None where none is read within some seconds. Raises Transient.
        """
        ...


class Origins(Protocol):
    """Records at their origin, read again; used by one thread."""

    def fetch(self, ref: RecordRef) -> Record | None:
        """The record, or None when it is not in the log any more. Raises Transient."""
        ...

    def read(self, wanted: OffsetRange, most: int) -> Slice | None:
        """The records from the range's start on, at most so many; the slice ends where reading goes on.

        None when the log does not reach from the start to the range's end any more. Raises Transient.
        """
        ...

    def close(self) -> None: ...


def allowed(question: Callable[[Sequence[str]], Answer], topics: Collection[str]) -> tuple[Answer, dict[str, Failure]]:
    """What the question is answered for the topics that we may know of, and why not for the others: these hold up
    nobody but themselves.

    It is asked again without those that it is refused for. Raises Transient.
    """
    forbidden: dict[str, Failure] = {}
    while True:
        try:
            return question(sorted(set(topics) - forbidden.keys())), forbidden
        except Forbidden as error:
            # others may be hidden from the next question that it takes
            forbidden |= dict.fromkeys(error.topics, error.failure)


def log_now(offsets: Offsets, at: TopicPartition) -> LogNow:
    """What the broker has of a partition. Raises Undecidable where it has none, HeadraceError."""
    ids = offsets.topic_ids([at.topic])
    traits = offsets.traits([at.topic])
    if at.topic not in traits or at.partition >= traits[at.topic].partitions:
        raise Undecidable(f"Kafka has no partition {at}")
    return LogNow(start=offsets.log_start([at])[at].offset, end=offsets.ends([at])[at], topic_id=ids.get(at.topic))
