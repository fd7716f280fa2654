"""What the API answers with, where that is not what a desk has."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from consumer.core.records import TopicPartition

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition of a topic."""

    topic: str
    partition: int

    @property
    def at(self) -> TopicPartition:
        """The program's own."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitions:
    """Partitions that something was done to."""

    partitions: list[Partition]
