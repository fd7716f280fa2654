"""What commands open: heavy modules are imported only when a command runs."""

from contextlib import AbstractContextManager
from pathlib import Path

from consumer.control import Control
from consumer.desk import Desk
from consumer.ports.topics import Offsets


def desk_of(config: Path | None) -> AbstractContextManager[Desk]:
    """The desk that the settings lead to. Raises Refused for settings that can't work."""
    from consumer.build import desk
    from consumer.settings import load

    return desk(load(config))


def control_of(config: Path | None) -> AbstractContextManager[Control]:
    """Workers and tables of the group that the settings lead to. Raises Refused for settings that can't work."""
    from consumer.build import control
    from consumer.settings import load

    return control(load(config))


def offsets_of(config: Path | None) -> Offsets:
    """The cluster that the settings lead to, to ask about topics."""
    from consumer.build import topic_offsets
    from consumer.settings import load

    return topic_offsets(load(config))
