"""Kafka Connect as people use it: what they start again there is kept in the audit here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from consumer.core.connectors import Connector
from consumer.ports.connectors import Connectors
from consumer.ports.control import Surveyed
from consumer.ports.desk import Note


class ConnectDesk(Protocol):
    """Its connectors. Raises HeadraceError."""

    def all(self) -> Sequence[Connector] | None:
        """By name; None where no Kafka Connect is set."""
        ...

    def restart(self, name: str, task: int | None, note: Note) -> bool:
        """Start what of a connector has failed again, or one of its tasks; False when there is none of that name."""
        ...


@dataclass(frozen=True, slots=True)
class NotedConnectors:
    """Implements `ConnectDesk` where Kafka Connect can be asked; `connect`: None where none is set."""

    connect: Connectors | None
    audit: Surveyed

    def all(self) -> Sequence[Connector] | None:
        return None if self.connect is None else self.connect.all()

    def restart(self, name: str, task: int | None, note: Note) -> bool:
        if self.connect is None:
            return False
        # first of all that it is asked for, so that nobody acts unseen
        self.audit.note("restart connector", {"connector": name, "task": task}, note)
        return self.connect.restart(name, task)
