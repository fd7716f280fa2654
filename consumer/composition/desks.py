"""What people use, composed: desks on the control schema, questions to Kafka and Kafka Connect, the doors of the admin
process. Beside `consumer.composition.build` the one place that names edges.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import version

import psycopg

from consumer.admin.costs import ExportLimits
from consumer.admin.doors import Doors
from consumer.applying.rereading import Rereading
from consumer.background.lookout import Lookout
from consumer.background.lookout import Sources as LookoutSources
from consumer.background.loops import turning
from consumer.composition import dead_letters
from consumer.composition.binding_settings import mappings
from consumer.composition.comparing import acts, appends, comparison, source_channel
from consumer.composition.doctor_desk import FOR_PAGES, doctor_of
from consumer.composition.edge_settings import (
    breaker,
    connect_of,
    frames,
    kafka_settings,
    one_session,
    registry_of,
    secret_of,
    session_settings,
)
from consumer.composition.reloading import Reloading
from consumer.composition.undo_acts import undo_acts
from consumer.composition.weighing import weigher_of
from consumer.core.decision import Undecidable
from consumer.core.letters import Record
from consumer.core.records import RecordRef
from consumer.edges.descriptors import scarce
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.config import selects
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.oidc import HttpProvider, ProviderSettings
from consumer.edges.postgres import fleet
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.idle import IdleSessions
from consumer.edges.postgres.lookup import LookingCatalog
from consumer.edges.postgres.migrate import require, upgrade
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.inspection.connecting import ConnectDesk, NotedConnectors
from consumer.inspection.lagging import Asked, Lags, LookedLags
from consumer.ports.identity import Provider
from consumer.ports.topics import Ages, Offsets
from consumer.recovery.moving import MovedPositions, Positions
from consumer.settings.loading import Settings, shown_settings
from dlq.actions import discard
from dlq.desk import LetterDesk
from dlq.difference import Weigher
from dlq.import_desk import ImportDesk
from dlq.job_desk import JobDesk
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.preview import Rules
from dlq.repairing import RepairDesk
from dlq.source_again import SourceDesk


def _person(settings: Settings, name: str, idle: IdleSessions | None) -> SessionSettings:
    """How a person's session is opened; those that are used again have one name for all desks."""
    return session_settings(settings, name if idle is None else "admin")


@contextmanager
def _lent(session: SessionSettings, idle: IdleSessions | None) -> Iterator[psycopg.Connection]:
    if idle is not None:
        with idle.lent(session) as connection:
            yield connection
        return
    with closing(connect(session)) as connection:
        require(connection)
        yield connection


def migrate_target(settings: Settings, grant_to: Sequence[str] = ()) -> tuple[int, int]:
    """Bring the control schema to this program's version: the version before, and the one after.

    `grant_to`: roles that may then do there what a worker does. Raises HeadraceError: Refused when the role of the
    settings may not change it, Transient when somebody is in the way, or the server is away.
    """
    with closing(connect(session_settings(settings, "migrate"))) as connection:
        return upgrade(connection, lock_timeout=settings.evolution.lock_timeout, grant_to=grant_to)


@contextmanager
def desk(settings: Settings, idle: IdleSessions | None = None) -> Iterator[PostgresDesk]:
    """What people ask and decide, on a session that is closed, or given back, afterwards."""
    opened = PostgresDesk(_person(settings, "desk", idle), settings.kafka.group, discard, idle)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def positions(
    settings: Settings, offsets: Callable[[], Offsets] | None = None, idle: IdleSessions | None = None
) -> Iterator[Positions]:
    """Where partitions go on, decided by people, on a session that is closed, or given back, afterwards."""
    with desk(settings, idle) as opened:
        yield MovedPositions(opened, offsets or (lambda: topic_offsets(settings)))


@contextmanager
def control(settings: Settings, idle: IdleSessions | None = None) -> Iterator[PostgresControl]:
    """What people ask of workers and tables and tell them, on a session that is closed, or given back, afterwards."""
    opened = PostgresControl(_person(settings, "control", idle), settings.kafka.group, idle)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def letter_desk(settings: Settings, idle: IdleSessions | None = None) -> Iterator[LetterDesk]:
    """What people ask and decide about letters, on a session that is closed, or given back, afterwards.

    Raises HeadraceError.
    """
    kafka = kafka_settings(settings)
    # people may look at a standby
    session = replace(_person(settings, "letters", idle), writes=False)
    with ExitStack() as opened:
        connection = opened.enter_context(_lent(session, idle))
        registry = registry_of(settings, breaker(settings, "registry"))
        opened.callback(registry.close)

        @cache
        def origins() -> Rereading:
            # most commands need no Kafka
            return opened.enter_context(closing(Rereading(KafkaOrigins(kafka), KafkaOffsets(kafka))))

        def fetch(ref: RecordRef, known: str | None) -> Record | None:
            return origins().fetch(ref, known)

        @cache
        def weigher() -> Weigher:
            pool = opened.enter_context(closing(one_session(settings, session)))
            weigher = weigher_of(settings, LookingCatalog(pool, settings.kafka.group), registry)
            opened.callback(weigher.binder.close)
            return weigher

        sources = Sources(registry=registry, fetch=fetch, frames=frames(settings), mask=Mask(settings.admin.mask))
        yield LetterDesk(
            connection, settings.kafka.group, sources, weigher, mappings(settings), settings.letters.max_replays
        )


@contextmanager
def source_desk(settings: Settings, idle: IdleSessions | None = None) -> Iterator[SourceDesk]:
    """What people ask of the source about letters. Raises HeadraceError, Undecidable."""
    with source_channel(settings) as channel, letter_desk(settings, idle) as desk:
        yield SourceDesk(desk.connection, desk.group, desk.sources, channel)


@contextmanager
def repair_desk(settings: Settings) -> Iterator[RepairDesk]:
    """What people ask of the source about rows that differ. Raises HeadraceError, Undecidable."""
    with source_channel(settings) as channel, closing(connect(session_settings(settings, "repairs"))) as connection:
        require(connection)
        yield RepairDesk(connection, settings.kafka.group, channel, partial(appends, settings))


@contextmanager
def job_desk(settings: Settings, idle: IdleSessions | None = None) -> Iterator[JobDesk]:
    """What people ask and decide about jobs of letters, on a session of their own. Raises HeadraceError."""
    session = replace(_person(settings, "jobs", idle), writes=False)
    with _lent(session, idle) as connection:
        yield JobDesk(connection, settings.kafka.group, Rules(max_replays=settings.letters.max_replays))


@contextmanager
def recoveries(settings: Settings, idle: IdleSessions | None = None) -> Iterator[PostgresRecoveries]:
    """Comparisons and recoveries, on a session that is closed, or given back, afterwards."""
    opened = PostgresRecoveries(
        _person(settings, "recoveries", idle), settings.kafka.group, Mask(settings.admin.mask).hides, idle
    )
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def workflow_turns(settings: Settings) -> Iterator[PostgresWorkflows]:
    """What takes turns of workflows in this process; its sessions are closed afterwards."""
    kafka = cache(lambda: KafkaOffsets(kafka_settings(settings)))
    session = session_settings(settings, "workflows")
    with (
        closing(connect(session)) as connection,
        closing(comparison(lambda: settings, "workflows", kafka)) as compared,
        closing(one_session(settings, session)) as pool,
    ):
        # workers migrate, commands don't
        require(connection)
        turns = {**acts(lambda: settings, compared, kafka), **undo_acts(lambda: settings, "workflows")}
        yield PostgresWorkflows(pool, settings.kafka.group, turns)


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
    with closing(one_session(settings, session)) as pool:
        imports = dead_letters.imports(settings, pool)
        with closing(dead_letters.importer(settings, imports, topics)) as importer:
            yield ImportDesk(pool, settings.kafka.group, importer, imports)


def admin_doors(settings: Settings, reloading: Reloading) -> Doors:
    """What API and console open; nothing is opened yet. `reloading`: has the settings that are in force."""
    limits = settings.admin

    def quick(given: Settings) -> Settings:
        """With less time for each question."""
        deadline = min(given.target.batch_deadline, limits.query_timeout)
        return given.model_copy(update={"target": given.target.model_copy(update={"batch_deadline": deadline})})

    # one client for all questions, and sessions that are used again
    offsets, idle = cache(lambda: topic_offsets(settings)), IdleSessions(limits.sessions)
    return Doors(
        desk=lambda: desk(quick(settings), idle),
        positions=lambda: positions(quick(settings), offsets, idle),
        control=lambda: control(quick(settings), idle),
        survey=lambda: control(quick(settings), idle),
        letters=lambda: letter_desk(quick(reloading.settings), idle),
        jobs=lambda: job_desk(quick(settings), idle),
        source=lambda: source_desk(quick(reloading.settings), idle),
        recoveries=lambda: recoveries(quick(reloading.settings), idle),
        repairs=lambda: repair_desk(reloading.settings),
        connectors=lambda: connectors(settings),
        doctor=lambda: doctor_of(reloading.settings, FOR_PAGES),
        offsets=offsets,
        ages=cache(lambda: topic_ages(settings)),
        lane=settings.lane.is_retry,
        has_connect=settings.connect.url is not None,
        provider=identity_provider(settings),
        settings=lambda: shown_settings(reloading.settings),
        reload=reloading.reload,
        close=idle.close,
        trace_url=settings.trace.url,
        about={"group": settings.kafka.group, "version": version("headrace")},
        free=threading.Semaphore(limits.sessions),
        crowded=scarce,
        exporting=threading.Semaphore(limits.exports),
        exports=ExportLimits(letters=limits.export_letters, seconds=limits.export_seconds),
    )


@contextmanager
def group_lookout(settings: Settings) -> Iterator[Lookout]:
    """What looks at the group while no worker does, on a thread that ends afterwards."""
    kafka = kafka_settings(settings)
    # a server that takes no writes may be asked
    session = replace(session_settings(settings, "lookout"), writes=False)
    with closing(one_session(settings, session)) as pool:
        sources = LookoutSources(
            outlook=PostgresOutlook(pool, settings.kafka.group),
            workers=lambda: pool.ask(lambda session: fleet.workers(session, settings.kafka.group)),
            offsets=KafkaOffsets(kafka),
            ages=KafkaAges(kafka),
            lane=settings.lane.is_retry,
            heartbeats=settings.source.heartbeats,
        )
        lookout = Lookout(sources, None, settings.telemetry.look_every)
        with turning("lookout", lookout.turn, lambda: None):
            yield lookout


def identity_provider(settings: Settings) -> Provider | None:
    """Who people log in at; None where nobody is set. Raises Refused."""
    oidc = settings.admin.oidc
    if not oidc.issuer:
        return None
    client_secret = secret_of(oidc.client_secret, oidc.client_secret_file, "admin.oidc.client_secret")
    return HttpProvider(
        ProviderSettings(
            issuer=oidc.issuer,
            client_id=oidc.client_id,
            secret=client_secret,
            ca_file=oidc.ca_file,
            timeout=oidc.timeout,
        )
    )


def topic_offsets(settings: Settings) -> KafkaOffsets:
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
            offsets=lambda: topic_offsets(settings),
            ages=lambda: topic_ages(settings),
            lane=settings.lane.is_retry,
            connectors=connect.all,
        )
        yield LookedLags(survey, asked, survey.workers)
