"""What commands open: heavy modules are imported only when a command runs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from consumer.control import Control
from consumer.desk import Desk
from consumer.ports.connectors import Connectors
from consumer.ports.topics import Ages, Offsets

if TYPE_CHECKING:
    from dlq.desk import LetterDesk
    from dlq.import_desk import ImportDesk
    from dlq.job_desk import JobDesk
    from dlq.source_again import SourceDesk


def desk_of(config: Path | None) -> AbstractContextManager[Desk]:
    """The desk that the settings lead to. Raises Refused for settings that can't work."""
    from consumer.desks import desk
    from consumer.settings import load

    return desk(load(config))


def control_of(config: Path | None) -> AbstractContextManager[Control]:
    """Workers and tables of the group that the settings lead to. Raises Refused for settings that can't work."""
    from consumer.desks import control
    from consumer.settings import load

    return control(load(config))


def connectors_of(config: Path | None) -> AbstractContextManager[Connectors | None]:
    """Kafka Connect, if the settings lead to one."""
    from consumer.desks import connectors
    from consumer.settings import load

    return connectors(load(config))


def ages_of(config: Path | None) -> Ages:
    """The cluster that the settings lead to, to ask how old records are."""
    from consumer.desks import topic_ages
    from consumer.settings import load

    return topic_ages(load(config))


def letters_of(config: Path | None) -> AbstractContextManager["LetterDesk"]:
    """The letters that the settings lead to. Raises Refused for settings that can't work, HeadraceError."""
    from consumer.desks import letter_desk
    from consumer.settings import load

    return letter_desk(load(config))


def jobs_of(config: Path | None) -> AbstractContextManager["JobDesk"]:
    """The jobs of letters that the settings lead to. Raises Refused for settings that can't work, HeadraceError."""
    from consumer.desks import job_desk
    from consumer.settings import load

    return job_desk(load(config))


def source_of(config: Path | None) -> AbstractContextManager["SourceDesk"]:
    """The source that the settings lead to. Raises HeadraceError, Undecidable where there is no way to it."""
    from consumer.desks import source_desk
    from consumer.settings import load

    return source_desk(load(config))


def imports_of(config: Path | None, topics: Sequence[str]) -> AbstractContextManager["ImportDesk"]:
    """Dead-letter topics of others: these, or those of the settings. Raises HeadraceError, Undecidable."""
    from consumer.desks import import_desk
    from consumer.settings import load

    settings = load(config)
    return import_desk(settings, topics or settings.imports.topics)


def brokers_of(config: Path | None) -> str:
    """Where the settings say that Kafka is."""
    from consumer.settings import load

    return load(config).kafka.bootstrap_servers


def offsets_of(config: Path | None) -> Offsets:
    """The cluster that the settings lead to, to ask about topics."""
    from consumer.desks import topic_offsets
    from consumer.settings import load

    return topic_offsets(load(config))
