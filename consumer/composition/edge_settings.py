"""From the settings to what edges and policies want of them."""

import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import SecretStr

from consumer.core.backoff import Backoff
from consumer.core.breaking import BreakerLimits
from consumer.core.failure import Refused, failed
from consumer.core.failure_kind import ErrorType
from consumer.core.frames import Frames
from consumer.core.healing import RestartBudget
from consumer.core.kinds import KINDS
from consumer.core.policy import Budget, Policy, TablePolicy
from consumer.core.pressure import PressureLimits
from consumer.core.priority import Priority
from consumer.core.schema_ref import SchemaIds
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.connect import ConnectSettings, HttpConnect
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.logins import sendable
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.source import SourceSettings
from consumer.edges.registry import HttpRegistry
from consumer.edges.registry_http import Login, RegistryHttp
from consumer.ports.connectors import Connectors
from consumer.ports.letters import LetterTopic
from consumer.ports.target import Breaker
from consumer.settings.kafka import exactly
from consumer.settings.loading import Settings

# of what calm takes, while pressure has only eased
_EASED = 15


def kafka_settings(settings: Settings) -> KafkaSettings:
    """The Kafka edge's part of the settings."""
    kafka = settings.kafka
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        group=kafka.group,
        topics=tuple(kafka.topics),
        initial=kafka.initial,
        client=kafka.client,
        request_timeout=kafka.request_timeout,
        metadata_refresh=kafka.metadata_refresh,
        prefetch_kbytes=kafka.prefetch_kbytes,
        # the group's own letters, and what connectors are told
        ignore=(*settings.lane.expressions, *_signals(settings)),
        lane=settings.lane.expressions[:1],
        dead=settings.imports.expressions,
    )


def _signals(settings: Settings) -> tuple[str, ...]:
    """The topic of signals as an expression, if one is known and it is not read by its name."""
    topic = settings.source.signals
    return (exactly(topic),) if topic and topic not in settings.kafka.topics else ()


def frames(settings: Settings) -> Frames:
    """Where topics have their schema ids."""
    by_topic = {name: SchemaIds(topic.schema_ids) for name, topic in settings.topics.items() if topic.schema_ids}
    return Frames(SchemaIds(settings.source.schema_ids), by_topic, settings.lane.holds)


def registry_of(settings: Settings, breaker: Breaker) -> HttpRegistry:
    """The schema registry; nothing is asked yet. Raises Refused for files that can't be read."""
    said = settings.registry
    return HttpRegistry(
        said.url, breaker, timeout=said.timeout, apicurio_url=said.apicurio, login=registry_login(settings)
    )


def registry_http(settings: Settings) -> RegistryHttp:
    """How it is asked for more than schemas. Raises Refused."""
    return RegistryHttp(settings.registry.url, registry_login(settings), timeout=settings.registry.timeout)


def registry_login(settings: Settings) -> Login:
    """Who asks the registry, and whom its certificate has to be of. Raises Refused."""
    said = settings.registry
    return Login(
        user=said.user,
        password=secret_of(said.password, said.password_file, "registry.password"),
        token=sendable(secret_of(said.token, said.token_file, "registry.token"), "registry.token"),
        ca_file=authorities(said.ca_file, "registry.ca_file"),
    )


def letter_topics(settings: Settings) -> list[LetterTopic]:
    """The topics of the group's letters: one a delay, and the dead-letter topic."""
    letters, lane = settings.letters, settings.lane
    names = [lane.retry_topic(tier) for tier in range(1, len(letters.delays) + 1)] + [lane.dead_topic]
    retention = letters.retention_hours * 3600
    return [LetterTopic(name=name, partitions=letters.partitions, retention=retention) for name in names]


def pointing(settings: Settings) -> list[str]:
    """Target tables the copies of whose letters only point to their records."""
    return [table for table, policy in settings.tables.items() if policy.letters == "pointer"]


def letter_policy(settings: Settings) -> Policy:
    """How often and when a record that failed is tried again."""
    letters = settings.letters
    budgets = {
        ErrorType.TRANSIENT: Budget(attempts=letters.transient_attempts, waited=letters.transient_hours * 3600),
        ErrorType.UNKNOWN: Budget(attempts=letters.unknown_attempts, waited=letters.unknown_hours * 3600),
    }
    dependent = Budget(attempts=letters.dependent_attempts, waited=letters.dependent_hours * 3600)
    return Policy(budgets=budgets, dependent=dependent, tiers=letters.delays)


def table_policy(settings: Settings) -> TablePolicy:
    """When partitions that stopped go on by themselves."""
    retry = settings.retry
    backoff = Backoff(first=retry.table_first, most=retry.table_most)
    return TablePolicy(
        backoff=backoff,
        unknown_attempts=retry.table_unknown_attempts,
        lane=settings.lane.is_retry,
    )


def table_priorities(settings: Settings) -> dict[str, Priority]:
    """The tables that have another priority than normal."""
    found = {name: Priority(table.priority) for name, table in settings.tables.items()}
    return {name: priority for name, priority in found.items() if priority is not Priority.NORMAL}


def pressure_limits(settings: Settings) -> PressureLimits:
    """When tables are held back for the sake of others."""
    said = settings.priorities
    return PressureLimits(goal=said.latency_goal, calm=said.calm, eased=_EASED * said.calm, turn=said.turn_every)


def restart_budget(settings: Settings) -> RestartBudget:
    """How often what has failed in Kafka Connect is started again."""
    return RestartBudget(most=settings.healing.connect_restarts)


def letter_bounds(settings: Settings) -> LetterBounds:
    """What the target's edge may do with letters."""
    letters = settings.letters
    return LetterBounds(
        inline_bytes=letters.inline_bytes,
        flood_percent=letters.flood_percent,
        max_unpublished=letters.max_unpublished,
        max_held=letters.max_held,
        max_open=letters.max_open,
    )


def source_settings(settings: Settings) -> SourceSettings:
    """How the source's database is reached."""
    return SourceSettings(
        dsn=settings.source.dsn,
        slot=settings.source.slot,
        connect_timeout=settings.target.connect_timeout,
        statement_timeout=settings.reconcile.statement_timeout,
    )


def session_settings(settings: Settings, worker: str) -> SessionSettings:
    """The PostgreSQL edge's part of the settings."""
    target = settings.target
    return SessionSettings(
        dsn=target.dsn,
        worker=worker,
        connect_timeout=target.connect_timeout,
        batch_deadline=target.batch_deadline,
        synchronous_commit=target.synchronous_commit,
        trust_source=target.constraints == "trust-source",
        change_lock_timeout=settings.evolution.lock_timeout,
    )


def breaker(settings: Settings, server: str) -> CircuitBreaker:
    """A closed one, with the limits that are set."""
    return CircuitBreaker(server, BreakerLimits(failures=settings.breaker.failures, reset=settings.breaker.reset))


def one_session(settings: Settings, session: SessionSettings) -> TargetPool:
    """A pool of one session, for who closes it. Nothing is opened yet."""
    return TargetPool(session, breaker(settings, "target"), PoolLimits(size=1))


def connect_client(settings: Settings) -> HttpConnect | None:
    """Kafka Connect, for who closes it; None where none is set. Raises Refused for a password that can't be read."""
    said = settings.connect
    if said.url is None:
        return None
    how = ConnectSettings(
        url=said.url,
        user=said.user,
        password=secret_of(said.password, said.password_file, "connect.password"),
        timeout=said.timeout,
        ca_file=authorities(said.ca_file, "connect.ca_file"),
    )
    return HttpConnect(how, breaker(settings, "connect"))


@contextmanager
def connect_of(settings: Settings) -> Iterator[Connectors | None]:
    """The client, closed afterwards; None where none is set."""
    client = connect_client(settings)
    if client is None:
        yield None
        return
    with closing(client) as opened:
        yield opened


def secret_of(given: SecretStr | None, file: Path | None, name: str) -> str:
    """A secret, from the setting or the first line of its file. Raises Refused."""
    if file is None:
        return given.get_secret_value() if given else ""
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = f"{name}_file can't be read ({type(error).__name__})"
        remedy = f"Name a readable text file, or set {name} in the environment."
        raise Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy)) from error


def authorities(file: Path | None, name: str) -> Path | None:
    """A file of certificates that can be used. Raises Refused."""
    if file is None:
        return None
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        # a file without a certificate is one of these errors too
        detail = f"{name} can't be used ({type(error).__name__})"
        remedy = f"Name a readable file of certificates in PEM in {name}."
        raise Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy)) from error
    return file
