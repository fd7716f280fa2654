"""Kafka Connect beside us."""

from collections.abc import Sequence
from typing import Protocol

from consumer.core.connectors import Connector


class Connectors(Protocol):
    """Its connectors. Raises Transient while it is away, Persistent when it refuses our credentials."""

    def all(self) -> Sequence[Connector]:
        """By name."""
        ...

    def restart(self, name: str, task: int | None = None) -> bool:
        """Start what of a connector has failed again, or one of its tasks; False when there is none of that name."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
