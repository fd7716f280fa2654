"""Implements `Control` and `Surveyed` of `consumer.ports.control`, on a session of a person's command."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumer.core.flags import Flag, FlagSet
from consumer.core.healing import Healing
from consumer.core.lag import Place
from consumer.core.pausing import Paused, Subject
from consumer.edges.postgres import audit, commands, flags, fleet, healing, pauses
from consumer.edges.postgres.person import PersonSession
from consumer.ports.control import Command, Switched, TableState, Worker
from consumer.ports.desk import Note


class PostgresControl(PersonSession):
    """Reads what workers report, and writes what they heed."""

    def workers(self) -> list[Worker]:
        return fleet.workers(self._session(), self._group)

    def tables(self) -> list[TableState]:
        return fleet.tables(self._session(), self._group)

    def places(self) -> list[Place]:
        return fleet.places(self._session(), self._group)

    def note(self, action: str, details: Mapping[str, Any], note: Note) -> None:
        audit.write(self._session(), self._group, action, details, note)

    def pauses(self) -> list[Paused]:
        return pauses.everything(self._session(), self._group)

    def pause(self, subject: Subject, note: Note) -> Switched | None:
        if not pauses.held_by(self._session(), self._group, subject):
            return None
        return pauses.pause(self._session(), self._group, subject, note)

    def resume(self, subject: Subject, note: Note) -> Switched | None:
        return pauses.resume(self._session(), self._group, subject, note)

    def flags(self) -> list[FlagSet]:
        return flags.everything(self._session(), self._group)

    def set_flag(self, flag: Flag, on: bool | None, note: Note) -> bool:
        return flags.put(self._session(), self._group, flag, on, note)

    def tell(self, action: str, subject: str, workers: Sequence[str], note: Note) -> list[int]:
        return commands.give(self._session(), self._group, commands.Order(action, subject), workers, note)

    def healed(self, most: int) -> list[Healing]:
        return healing.read(self._session(), self._group, most)

    def told(self, numbers: Sequence[int]) -> list[Command]:
        return commands.read(self._session(), self._group, numbers)
