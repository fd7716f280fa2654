"""Who goes by the settings in a worker, told of those that hold from now on."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from consumer.applying.applier import Applier
from consumer.binding.binder import Binder
from consumer.composition.binding_settings import binder_settings
from consumer.composition.edge_settings import pointing
from consumer.settings.changed import Changed


class TableNames(Protocol):
    """What is kept by the names of target tables. Raises Transient."""

    def topics_of(self, tables: Collection[str]) -> set[str]:
        """The topics that tables of these names have."""
        ...

    def require_renamed(self, topic: str, new: str) -> None:
        """Raises Refused unless the topic's rows can go on in the table of that name, or in one that is made."""
        ...

    def rename(self, topic: str, new: str) -> None:
        """What is kept of the topic's table by its name is kept by the new one."""
        ...


class Pointing(Protocol):
    """Who has to know of which tables letters only point to their records."""

    def point(self, tables: Collection[str]) -> None:
        """Those, from now on."""
        ...


class Reads(Protocol):
    """Who reads topics, or goes by which are read."""

    def read(self, topics: Collection[str]) -> None:
        """Those, from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeding:
    """Puts changed settings into force (`use`), for any thread."""

    binder: Binder
    applier: Applier
    names: TableNames
    pointing: tuple[Pointing, ...]
    reading: tuple[Reads, ...]

    def use(self, changed: Changed) -> None:
        """Raises HeadraceError, with nothing changed, for what can't be.

        What is bound anew is read again from its position, so that nothing is applied any more that was planned before.
        """
        wanted = binder_settings(changed.settings)
        for topic, table in changed.renamed.items():
            self.names.require_renamed(topic, table)
        topics = {*changed.topics, *self.names.topics_of(changed.tables)}

        def change() -> set[str]:
            for topic, table in changed.renamed.items():
                self.names.rename(topic, table)
            return self.binder.change(wanted, changed.tables, topics)

        self.applier.bind_anew(change, topics)
        for one in self.pointing:
            one.point(pointing(changed.settings))
        if changed.read or changed.unread:
            for reads in self.reading:
                reads.read(changed.settings.kafka.topics)
