"""What `headrace doctor` asks of servers; the answers are facts that `consumer.core.doctor` judges."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumer.core.doctor.cluster import Cluster
from consumer.core.doctor.group import Group, Known
from consumer.core.doctor.settings import Ports
from consumer.core.doctor.tables import Fit
from consumer.core.doctor.target import Control, Server
from consumer.core.doctor.topics import Topic
from consumer.core.records import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Topics that the settings select, by entry, and entries of which we may not know whether they are there."""

    by_entry: Mapping[str, Sequence[str]]
    hidden: Collection[str] = ()

    @property
    def topics(self) -> list[str]:
        """Each once."""
        return sorted({topic for matched in self.by_entry.values() for topic in matched})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far logs reach, and when the newest record of each was made (seconds since 1970)."""

    starts: Mapping[TopicPartition, int] = field(default_factory=dict)
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    newest: Mapping[TopicPartition, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Latest:
    """A subject's newest schema, its format, and the rule by which it takes new ones; empty where that is not told."""

    schema: str
    compatibility: str
    format: str = "AVRO"


class KafkaExaminer(Protocol):
    """The cluster. Raises HeadraceError."""

    def cluster(self) -> Cluster:
        """Its brokers."""
        ...

    def matched(self) -> Matched:
        """What there is of `kafka.topics`."""
        ...

    def topics(self, names: Sequence[str]) -> list[Topic]:
        """Those that there are, described."""
        ...

    def group(self, partitions: Sequence[TopicPartition]) -> Group:
        """The group, and what is committed of these partitions."""
        ...

    def reach(self, partitions: Sequence[TopicPartition]) -> Reach:
        """Of the logs of partitions; of one that is not there nothing."""
        ...

    def close(self) -> None:
        """Close the client."""
        ...


class TargetExaminer(Protocol):
    """The target, on a session of its own. Raises HeadraceError."""

    def server(self) -> Server:
        """The server and the role."""
        ...

    def control(self) -> Control:
        """The control schema."""
        ...

    def known(self, *, readable: bool) -> Known:
        """Workers that report themselves, positions, room for sessions; the last alone where nothing is `readable`."""
        ...

    def topic_ids(self) -> Mapping[TopicPartition, str]:
        """Ids of topics as they were stored with positions."""
        ...

    def schemas(self, registry: str, most: int) -> list[int]:
        """Ids of a registry's schemas that are kept, the newest first."""
        ...

    def close(self) -> None:
        """End the session."""
        ...


class RegistryExaminer(Protocol):
    """The registry. Raises HeadraceError."""

    def subjects(self) -> int:
        """How many it has."""
        ...

    def latest(self, subject: str) -> Latest | None:
        """A subject's newest version; None when there is none."""
        ...

    def find(self, number: int) -> str:
        """The schema of an id. Raises Persistent when it is unknown."""
        ...

    @property
    def name(self) -> str:
        """By which its schemas are kept."""
        ...


class Trying(Protocol):
    """Plans newest records of topics, and forgets them. Raises HeadraceError when a server is away."""

    def fits(self, ends: Mapping[TopicPartition, tuple[int, int]]) -> list[Fit]:
        """By partition its log's start and end."""
        ...


class Listening(Protocol):
    """This machine."""

    def ports(self) -> Ports:
        """What is to be listened on."""
        ...
