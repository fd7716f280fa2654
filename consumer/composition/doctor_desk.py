"""`headrace doctor`, composed: whom it asks, by the settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from consumer.composition.edge_settings import (
    breaker,
    connect_of,
    kafka_settings,
    letter_topics,
    one_session,
    registry_http,
    registry_of,
    session_settings,
)
from consumer.composition.weighing import weigher_of
from consumer.core.connectors import Connector
from consumer.core.doctor.access import Site
from consumer.core.doctor.finding import Report
from consumer.core.doctor.settings import chosen
from consumer.core.doctor.tables import Fit
from consumer.core.doctor.target import Wants
from consumer.core.records import TopicPartition
from consumer.edges.kafka.examining import KafkaExamining
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.machine import Machine
from consumer.edges.postgres.examining import PostgresExamining
from consumer.edges.postgres.lookup import LookingCatalog
from consumer.edges.registry_examining import RegistryExamining
from consumer.inspection.doctor import Asked, Plan, doctor
from consumer.inspection.trying import Trial
from consumer.settings.loading import Settings

WITHIN = 30.0
"""Seconds that an examination may take."""
FOR_PAGES = 15.0
"""The same where a page waits for it."""

# a worker's beside its pool: that of its batches, the one on which it reports itself, and two with which it takes
# comparisons and recoveries on
_BESIDE = 4
# most that a request of the admin process opens, and what it looks at the group with
_OF_REQUEST, _OF_LOOKOUT = 2, 1

Examine = Callable[[], Report]


@contextmanager
def doctor_of(settings: Settings, within: float = WITHIN) -> Iterator[Examine]:
    """What examines, once for each call; all is closed afterwards. Raises Refused for settings that can't work."""
    brief = _brief(settings, within)
    with ExitStack() as opened:
        kafka = opened.enter_context(closing(KafkaExamining(kafka_settings(brief))))
        session = session_settings(brief, "doctor")
        target = opened.enter_context(closing(PostgresExamining(session, brief.kafka.group)))
        registry = opened.enter_context(closing(RegistryExamining(registry_http(brief))))
        asked = Asked(
            kafka=kafka,
            target=target,
            registry=registry,
            connectors=lambda: _connectors(brief),
            records=_Trying(brief),
            machine=_machine(brief),
        )
        yield lambda: doctor(_plan(settings), asked, within)


@dataclass(frozen=True, slots=True)
class _Trying:
    """Implements `consumer.ports.examining.Trying` with clients that live as long as the question."""

    settings: Settings

    def fits(self, ends: Mapping[TopicPartition, tuple[int, int]]) -> list[Fit]:
        settings = self.settings
        session = replace(session_settings(settings, "doctor"), writes=False)
        with ExitStack() as opened:
            pool = opened.enter_context(closing(one_session(settings, session)))
            registry = opened.enter_context(closing(registry_of(settings, breaker(settings, "registry"))))
            origins = opened.enter_context(closing(KafkaOrigins(kafka_settings(settings))))
            weigher = weigher_of(settings, LookingCatalog(pool, settings.kafka.group), registry)
            opened.callback(weigher.binder.close)
            return Trial(origins, weigher.planner, weigher.binder, weigher.known).fits(ends)


def _brief(settings: Settings, within: float) -> Settings:
    """The settings with waits that leave time for a second question."""
    most = max(1.0, within / 3)
    kafka = settings.kafka.model_copy(update={"request_timeout": min(settings.kafka.request_timeout, most)})
    registry = settings.registry.model_copy(update={"timeout": min(settings.registry.timeout, most)})
    connect = settings.connect.model_copy(update={"timeout": min(settings.connect.timeout, most)})
    target = settings.target.model_copy(
        update={
            "connect_timeout": min(settings.target.connect_timeout, int(most)),
            "batch_deadline": min(settings.target.batch_deadline, most),
        }
    )
    return settings.model_copy(update={"kafka": kafka, "registry": registry, "connect": connect, "target": target})


def _connectors(settings: Settings) -> Sequence[Connector] | None:
    with connect_of(settings) as connect:
        return None if connect is None else connect.all()


def _machine(settings: Settings) -> Machine:
    telemetry, admin = settings.telemetry, settings.admin
    return Machine(
        telemetry=(telemetry.host, telemetry.port) if telemetry.serve else None, admin=(admin.host, admin.port)
    )


def _plan(settings: Settings) -> Plan:
    letters, registry, connect = settings.letters, settings.registry, settings.connect
    return Plan(
        servers=settings.kafka.bootstrap_servers,
        client=settings.kafka.client,
        initial=settings.kafka.initial,
        chosen=chosen(settings.kafka.client, stall=settings.worker.stall_timeout, registry=registry.timeout),
        wants=Wants(
            batch_deadline=settings.target.batch_deadline,
            pool_idle=settings.target.pool_idle,
            per_worker=settings.target.pool_size + _BESIDE,
            of_admin=settings.admin.sessions * _OF_REQUEST + _OF_LOOKOUT,
        ),
        letters=[topic.name for topic in letter_topics(settings)],
        retention=letters.retention_hours * 3600,
        longest_delay=letters.delays[-1],
        registry_sites=_sites({"registry.url": registry.url, "registry.apicurio_url": registry.apicurio_url}),
        connect_sites=_sites({"connect.url": connect.url}),
    )


def _sites(urls: Mapping[str, str | None]) -> list[Site]:
    return [Site(url=url, setting=name) for name, url in urls.items() if url is not None]
