"""What people use, composed: desks on the control schema, questions to Kafka and Kafka Connect, the doors of the admin
process. Beside `consumer.build` the one place that names edges.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import version

from consumer import dead_letters
from consumer.admin.doors import Doors
from consumer.binding_settings import mappings
from consumer.connecting import ConnectDesk, NotedConnectors
from consumer.core.breaking import BreakerLimits
from consumer.core.decision import Undecidable
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import RecordRef
from consumer.doctor_desk import FOR_PAGES, doctor_of
from consumer.edge_settings import connect_of, frames, kafka_settings, registry_of, secret_of, session_settings
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.config import selects
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.oidc import HttpProvider, ProviderSettings
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.lookup import LookingCatalog
from consumer.edges.postgres.migrate import migrate, require, schema_version
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.session import connect
from consumer.lagging import Asked, Lags, LookedLags
from consumer.lookout import Lookout, Watching
from consumer.lookout import Sources as LookoutSources
from consumer.moving import MovedPositions, Positions
from consumer.ports.identity import Provider
from consumer.ports.letters import Outgoing
from consumer.ports.topics import Ages, Offsets
from consumer.rereading import Rereading
from consumer.settings import Settings, shown_settings
from consumer.weighing import weigher_of
from dlq.actions import discard
from dlq.desk import LetterDesk
from dlq.difference import Weigher
from dlq.import_desk import ImportDesk
from dlq.job_desk import JobDesk
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.preview import Rules
from dlq.signals import Dialect
from dlq.source_again import Channel, SourceDesk


def migrate_target(settings: Settings) -> tuple[int, int]:
    """Bring the control schema to this program's version: the version before, and the one after.

    Raises HeadraceError: Transient when somebody is in the way, or the server is away.
    """
    with closing(connect(session_settings(settings, "migrate"))) as connection:
        before = schema_version(connection)
        return before, migrate(connection, lock_timeout=settings.evolution.lock_timeout)


@contextmanager
def desk(settings: Settings) -> Iterator[PostgresDesk]:
    """What people ask and decide, on a session that is closed afterwards."""
    opened = PostgresDesk(session_settings(settings, "desk"), settings.kafka.group, discard)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def positions(settings: Settings, offsets: Callable[[], Offsets] | None = None) -> Iterator[Positions]:
    """Where partitions go on, decided by people, on a session that is closed afterwards."""
    with desk(settings) as opened:
        yield MovedPositions(opened, offsets or (lambda: topic_offsets(settings)))


@contextmanager
def control(settings: Settings) -> Iterator[PostgresControl]:
    """What people ask of workers and tables and tell them, on a session that is closed afterwards."""
    opened = PostgresControl(session_settings(settings, "control"), settings.kafka.group)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def letter_desk(settings: Settings) -> Iterator[LetterDesk]:
    """What people ask and decide about letters, on a session that is closed afterwards. Raises HeadraceError."""
    kafka = kafka_settings(settings)
    breaker = CircuitBreaker(
        "registry", BreakerLimits(failures=settings.breaker.failures, reset=settings.breaker.reset)
    )
    # people may look at a standby
    session = replace(session_settings(settings, "letters"), writes=False)
    with ExitStack() as opened:
        connection = opened.enter_context(closing(connect(session)))
        require(connection)
        registry = registry_of(settings, breaker)
        opened.callback(registry.close)

        @cache
        def origins() -> Rereading:
            # most commands need no Kafka
            return opened.enter_context(closing(Rereading(KafkaOrigins(kafka), KafkaOffsets(kafka))))

        def fetch(ref: RecordRef, known: str | None) -> Record | None:
            return origins().fetch(ref, known)

        @cache
        def weigher() -> Weigher:
            limits = PoolLimits(size=1)
            pool = opened.enter_context(closing(TargetPool(session, CircuitBreaker("target"), limits)))
            weigher = weigher_of(settings, LookingCatalog(pool, settings.kafka.group), registry)
            opened.callback(weigher.binder.close)
            return weigher

        sources = Sources(registry=registry, fetch=fetch, frames=frames(settings), mask=Mask(settings.admin.mask))
        yield LetterDesk(
            connection, settings.kafka.group, sources, weigher, mappings(settings), settings.letters.max_replays
        )


@contextmanager
def source_desk(settings: Settings) -> Iterator[SourceDesk]:
    """What people ask of the source about letters. Raises HeadraceError, Undecidable."""
    source, kafka = settings.source, kafka_settings(settings)
    topic = source.signal_topic or f"{source.topic_prefix}-signal"
    if not source.topic_prefix:
        raise Undecidable("source.topic_prefix is not set, so no connector would take a signal")
    traits = KafkaOffsets(kafka).traits([topic]).get(topic)
    if traits is None or traits.partitions != 1:
        raise Undecidable(f"the signal topic {topic} needs to be there, with one partition: others are not read")
    with letter_desk(settings) as desk, closing(KafkaLetterbox(kafka)) as letterbox:

        def send(topic: str, key: bytes, value: bytes) -> None:
            letterbox.post([Outgoing(id=0, attempt=0, topic=topic, key=key, value=value)])
            letterbox.flush(settings.kafka.request_timeout)
            sent = letterbox.posted()
            if not sent:
                raise Transient(failed(KINDS["kafka.letters"], "kafka", "ask source", "nobody answered for a signal"))
            if sent[0].failure is not None:
                raise Transient(sent[0].failure)

        channel = Channel(dialect=Dialect(source.connector), prefix=source.topic_prefix, topic=topic, send=send)
        yield SourceDesk(desk.connection, desk.group, desk.sources, channel)


@contextmanager
def job_desk(settings: Settings) -> Iterator[JobDesk]:
    """What people ask and decide about jobs of letters, on a session of their own. Raises HeadraceError."""
    session = replace(session_settings(settings, "jobs"), writes=False)
    with closing(connect(session)) as connection:
        require(connection)
        yield JobDesk(connection, settings.kafka.group, Rules(max_replays=settings.letters.max_replays))


@contextmanager
def import_desk(settings: Settings, topics: Sequence[str]) -> Iterator[ImportDesk]:
    """Who reads dead-letter topics of others. Raises HeadraceError, Undecidable for topics that are none."""
    for topic in topics:
        if settings.lane.holds(topic):
            raise Undecidable(f"{topic} has the group's own letters")
        if not topic.startswith("^") and selects(kafka_settings(settings), topic):
            raise Undecidable(f"{topic} is read as a source (kafka.topics); name it in imports.topics first")
    session = session_settings(settings, "imports")
    with closing(connect(session)) as connection:
        # workers migrate, commands don't
        require(connection)
    with closing(TargetPool(session, CircuitBreaker("target"), PoolLimits(size=1))) as pool:
        imports = dead_letters.imports(settings, pool)
        with closing(dead_letters.importer(settings, imports, topics)) as importer:
            yield ImportDesk(pool, settings.kafka.group, importer, imports)


def admin_doors(settings: Settings) -> Doors:
    """What API and console open; nothing is opened yet."""
    # one client for all questions
    offsets = cache(lambda: topic_offsets(settings))
    return Doors(
        desk=lambda: desk(settings),
        positions=lambda: positions(settings, offsets),
        control=lambda: control(settings),
        survey=lambda: control(settings),
        letters=lambda: letter_desk(settings),
        jobs=lambda: job_desk(settings),
        source=lambda: source_desk(settings),
        connectors=lambda: connectors(settings),
        doctor=lambda: doctor_of(settings, FOR_PAGES),
        offsets=offsets,
        ages=cache(lambda: topic_ages(settings)),
        has_connect=settings.connect.url is not None,
        provider=identity_provider(settings),
        settings=shown_settings(settings),
        about={"group": settings.kafka.group, "version": version("headrace")},
        free=threading.Semaphore(settings.admin.sessions),
    )


@contextmanager
def group_lookout(settings: Settings) -> Iterator[Lookout]:
    """What looks at the group while no worker does, on a thread that ends afterwards."""
    kafka = kafka_settings(settings)
    session = session_settings(settings, "lookout")
    limits = BreakerLimits(failures=settings.breaker.failures, reset=settings.breaker.reset)
    with closing(TargetPool(session, CircuitBreaker("target", limits), PoolLimits(size=1))) as pool:
        sources = LookoutSources(
            outlook=PostgresOutlook(pool, settings.kafka.group),
            offsets=KafkaOffsets(kafka),
            ages=KafkaAges(kafka),
            heartbeats=settings.source.heartbeats,
        )
        lookout = Lookout(sources, None, settings.telemetry.look_every)
        with closing(Watching(lookout)) as watching:
            watching.start()
            yield lookout


def identity_provider(settings: Settings) -> Provider | None:
    """Who people log in at; None where nobody is set. Raises Refused."""
    oidc = settings.admin.oidc
    if not oidc.issuer:
        return None
    secret = secret_of(oidc.client_secret, oidc.client_secret_file, "admin.oidc.client_secret")
    return HttpProvider(
        ProviderSettings(
            issuer=oidc.issuer, client_id=oidc.client_id, secret=secret, ca_file=oidc.ca_file, timeout=oidc.timeout
        )
    )


def topic_offsets(settings: Settings) -> Offsets:
    """Questions about topics."""
    return KafkaOffsets(kafka_settings(settings))


def topic_ages(settings: Settings) -> Ages:
    """How old records of topics are."""
    return KafkaAges(kafka_settings(settings))


@contextmanager
def connectors(settings: Settings) -> Iterator[ConnectDesk]:
    """Kafka Connect as people use it, closed afterwards."""
    with control(settings) as audit, connect_of(settings) as connect:
        yield NotedConnectors(connect, audit)


@contextmanager
def group_lags(settings: Settings) -> Iterator[Lags]:
    """How far the group is behind, on a session that is closed afterwards."""
    with control(settings) as survey, connectors(settings) as connect:
        asked = Asked(
            offsets=lambda: topic_offsets(settings), ages=lambda: topic_ages(settings), connectors=connect.all
        )
        yield LookedLags(survey, asked)
