"""What commands open, here or at a server: heavy modules are imported only when a command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consumer.core.decision import Undecidable
from consumer.core.doctor.finding import Report
from consumer.inspection.connecting import ConnectDesk
from consumer.inspection.lagging import Lags
from consumer.operate.remotely import client, is_remote
from consumer.ports.control import Control
from consumer.ports.desk import Desk
from consumer.ports.recovering import Recoveries, Repairs
from consumer.recovery.moving import Positions

if TYPE_CHECKING:
    from consumer.ports.workflows import Turned
    from consumer.remote.client import Client
    from consumer.settings.loading import Settings
    from dlq.import_desk import ImportDesk
    from dlq.ports import LetterJobs, Letters, SourceQuestions

T = TypeVar("T")

# brokers that the server's settings name, and the API does not tell
UNTOLD = "BROKERS"


def desk_of(config: Path | None) -> AbstractContextManager[Desk]:
    """The desk that the settings lead to. Raises Refused for settings that can't work."""
    if is_remote():
        from consumer.remote.ledger import RemoteDesk

        return _remote(RemoteDesk)
    from consumer.composition.desks import desk

    return desk(_settings(config))


def positions_of(config: Path | None) -> AbstractContextManager[Positions]:
    """Positions to be set. Raises Refused for settings that can't work."""
    if is_remote():
        from consumer.remote.ledger import RemotePositions

        return _remote(RemotePositions)
    from consumer.composition.desks import positions

    return positions(_settings(config))


def control_of(config: Path | None) -> AbstractContextManager[Control]:
    """Workers and tables of the group. Raises Refused for settings that can't work."""
    if is_remote():
        from consumer.remote.pipeline import RemoteControl

        return _remote(RemoteControl)
    from consumer.composition.desks import control

    return control(_settings(config))


def connectors_of(config: Path | None) -> AbstractContextManager[ConnectDesk]:
    """Kafka Connect, if there is one."""
    if is_remote():
        from consumer.remote.pipeline import RemoteConnect

        return _remote(RemoteConnect)
    from consumer.composition.desks import connectors

    return connectors(_settings(config))


def lags_of(config: Path | None) -> AbstractContextManager[Lags]:
    """How far the group is behind."""
    if is_remote():
        from consumer.remote.pipeline import RemoteLags

        return _remote(RemoteLags)
    from consumer.composition.desks import group_lags

    return group_lags(_settings(config))


def doctor_of(config: Path | None, within: float) -> AbstractContextManager[Callable[[], Report]]:
    """What examines everything, within so many seconds. Raises Refused for settings that can't work."""
    if is_remote():
        from consumer.remote.doctor import RemoteDoctor

        return _remote(RemoteDoctor)
    from consumer.composition.doctor_desk import doctor_of as here

    return here(_settings(config), within)


def letters_of(config: Path | None) -> AbstractContextManager[Letters]:
    """The group's letters. Raises Refused for settings that can't work, HeadraceError."""
    if is_remote():
        from consumer.remote.letters import RemoteLetters

        return _remote(RemoteLetters)
    from consumer.composition.desks import letter_desk

    return letter_desk(_settings(config))


def jobs_of(config: Path | None) -> AbstractContextManager[LetterJobs]:
    """Jobs of the group's letters. Raises Refused for settings that can't work, HeadraceError."""
    if is_remote():
        from consumer.remote.letters import RemoteJobs

        return _remote(RemoteJobs)
    from consumer.composition.desks import job_desk

    return job_desk(_settings(config))


def source_of(config: Path | None) -> AbstractContextManager[SourceQuestions]:
    """The source. Raises HeadraceError, Undecidable where there is no way to it."""
    if is_remote():
        from consumer.remote.letters import RemoteSource

        return _remote(RemoteSource)
    from consumer.composition.desks import source_desk

    return source_desk(_settings(config))


def recoveries_of(config: Path | None) -> AbstractContextManager[Recoveries]:
    """Comparisons and recoveries. Raises Refused for settings that can't work, HeadraceError."""
    if is_remote():
        from consumer.remote.recoveries import RemoteRecoveries

        return _remote(RemoteRecoveries)
    from consumer.composition.desks import recoveries

    return recoveries(_settings(config))


def repairs_of(config: Path | None) -> AbstractContextManager[Repairs]:
    """The source, asked for rows that differ. Raises HeadraceError, Undecidable where there is no way to it."""
    if is_remote():
        from consumer.remote.recoveries import RemoteRepairs

        return _remote(RemoteRepairs)
    from consumer.composition.desks import repair_desk

    return repair_desk(_settings(config))


@contextmanager
def turns_of(config: Path | None) -> Iterator[Callable[[int], Turned | None] | None]:
    """What takes turns of a workflow here; None where only others do."""
    if is_remote():
        yield None
        return
    from consumer.composition.desks import workflow_turns

    with workflow_turns(_settings(config)) as workflows:
        yield workflows.turn


def imports_of(config: Path | None, topics: Sequence[str]) -> AbstractContextManager[ImportDesk]:
    """Dead-letter topics of others: these, or those of the settings. Raises HeadraceError, Undecidable."""
    if is_remote():
        raise Undecidable(
            "a server reads the dead-letter topics of its own imports.topics only; leave --server out "
            "(or HEADRACE_SERVER) to read others"
        )
    from consumer.composition.desks import import_desk

    settings = _settings(config)
    return import_desk(settings, topics or settings.imports.topics)


def brokers_of(config: Path | None) -> str:
    """Where the settings say that Kafka is; a word in its place where a server does not say."""
    if is_remote():
        return UNTOLD
    return _settings(config).kafka.bootstrap_servers


def _settings(config: Path | None) -> Settings:
    from consumer.settings.loading import load

    return load(config)


@contextmanager
def _remote(port: Callable[[Client], T]) -> Iterator[T]:
    with client() as opened:
        yield port(opened)
