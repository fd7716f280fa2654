"""What commands open: heavy modules are imported only when a command runs."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from consumer.desk import Desk
from consumer.ports.topics import Offsets

if TYPE_CHECKING:
    from dlq.desk import LetterDesk


def desk_of(config: Path | None) -> AbstractContextManager[Desk]:
    """The desk that the settings lead to. Raises Refused for settings that can't work."""
    from consumer.build import desk
    from consumer.settings import load

    return desk(load(config))


def letters_of(config: Path | None) -> AbstractContextManager["LetterDesk"]:
    """The letters that the settings lead to. Raises Refused for settings that can't work, HeadraceError."""
    from consumer.build import letter_desk
    from consumer.settings import load

    return letter_desk(load(config))


def brokers_of(config: Path | None) -> str:
    """Where the settings say that Kafka is."""
    from consumer.settings import load

    return load(config).kafka.bootstrap_servers


def offsets_of(config: Path | None) -> Offsets:
    """The cluster that the settings lead to, to ask about topics."""
    from consumer.build import topic_offsets
    from consumer.settings import load

    return topic_offsets(load(config))
