"""The composition root: the one place that names edges."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version

from consumer.admin.doors import Doors
from consumer.ahead import Ahead
from consumer.applier import Applier
from consumer.attempts import Workshop
from consumer.binder import Binder
from consumer.binder import Sources as BinderSources
from consumer.binding_settings import binder_settings, mappings
from consumer.blocks import Decoders
from consumer.busy import Busy
from consumer.control import Control
from consumer.core.backoff import Backoff
from consumer.core.breaking import BreakerLimits
from consumer.core.decision import Undecidable
from consumer.core.failure import Refused, Transient, failed
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.jobs import JobKind
from consumer.core.kinds import KINDS, ErrorType
from consumer.core.letterhead import Codec
from consumer.core.letters import Record
from consumer.core.markers import Placeholders
from consumer.core.policy import Budget, Policy, TablePolicy
from consumer.core.records import OffsetRange, RecordRef
from consumer.decode_watch import Marks
from consumer.dependents import Dependents
from consumer.desk import Desk
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.connect import ConnectSettings, HttpConnect
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.logs import KafkaLogs
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.memory import resident
from consumer.edges.postgres import memory
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.jobs import Act, PostgresJobs
from consumer.edges.postgres.lookup import LookingCatalog, PostgresCatalog, PostgresOverview
from consumer.edges.postgres.migrate import require
from consumer.edges.postgres.moved import MovedBounds
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pointers import PostgresPointers
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.searches import PostgresSearches
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.registry import HttpRegistry
from consumer.edges.rows import RowDecoder
from consumer.expiry import Expiry
from consumer.handover import Handover
from consumer.holdings import Holdings
from consumer.jobbing import Jobbing
from consumer.known import KnownBindings
from consumer.lifecycle import Hooks, LifeSettings, Side, WorkerLife
from consumer.patience import Patience
from consumer.planner import Planner
from consumer.ports.connectors import Connectors
from consumer.ports.letters import LetterTopic, Outgoing
from consumer.ports.target import Breaker, Overview, Retention
from consumer.ports.topics import Ages, Offsets
from consumer.postman import Postman
from consumer.presence import Presence, Telling
from consumer.reader import BatchLimits, Reader
from consumer.reporting import Parts
from consumer.rereading import Rereading
from consumer.returns import Judges, Returns
from consumer.searcher import Searcher
from consumer.sections import Connect
from consumer.settings import Settings, shown_settings
from dlq.actions import discard, replay
from dlq.desk import LetterDesk
from dlq.difference import Weigher
from dlq.headers import decode, encode
from dlq.job_desk import JobDesk
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.preview import Rules
from dlq.signals import Dialect
from dlq.source_again import Channel, SourceDesk


def worker_name(settings: Settings) -> str:
    """A name that no other process has: the setting, the process id, and chance."""
    return f"{settings.worker.name}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


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
        # the group's own letters
        ignore=settings.lane.expressions,
        lane=settings.lane.expressions[:1],
    )


def letter_topics(settings: Settings) -> list[LetterTopic]:
    """The topics of the group's letters: one a delay, and the dead-letter topic."""
    letters, lane = settings.letters, settings.lane
    names = [lane.retry_topic(tier) for tier in range(1, len(letters.delays) + 1)] + [lane.dead_topic]
    retention = letters.retention_hours * 3600
    return [LetterTopic(name=name, partitions=letters.partitions, retention=retention) for name in names]


def letter_policy(settings: Settings) -> Policy:
    """How often and when a record that failed is tried again."""
    letters = settings.letters
    budgets = {
        ErrorType.TRANSIENT: Budget(attempts=letters.transient_attempts, elapsed=letters.transient_hours * 3600),
        ErrorType.UNKNOWN: Budget(attempts=letters.unknown_attempts, elapsed=letters.unknown_hours * 3600),
    }
    return Policy(budgets=budgets, tiers=letters.delays)


def table_policy(settings: Settings) -> TablePolicy:
    """When partitions that stopped go on by themselves."""
    retry = settings.retry
    backoff = Backoff(first=retry.table_first, most=retry.table_most)
    return TablePolicy(
        backoff=backoff,
        unknown_attempts=retry.table_unknown_attempts,
        lane=settings.lane.is_retry,
    )


def letter_bounds(settings: Settings) -> LetterBounds:
    """What the target's edge may do with letters."""
    letters = settings.letters
    return LetterBounds(
        inline_bytes=letters.inline_bytes,
        flood_percent=letters.flood_percent,
        max_unpublished=letters.max_unpublished,
        max_held=letters.max_held,
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


@contextmanager
def desk(settings: Settings) -> Iterator[Desk]:
    """What people ask and decide, on a session that is closed afterwards."""
    opened = PostgresDesk(session_settings(settings, "desk"), settings.kafka.group, discard)
    try:
        yield opened
    finally:
        opened.close()


def acts(settings: Settings) -> dict[JobKind, Act]:
    """What jobs do with letters."""
    most = settings.letters.max_replays
    return {
        JobKind.REPLAY: lambda session, group, ids, _: replay(session, group, ids, most=most).changed,
        JobKind.DISCARD: lambda session, group, ids, reason: discard(session, group, ids, reason).changed,
    }


@contextmanager
def control(settings: Settings) -> Iterator[Control]:
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
        registry = HttpRegistry(settings.registry.url, breaker, timeout=settings.registry.timeout)
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
            return _weigher(settings, LookingCatalog(pool, settings.kafka.group), registry)

        sources = Sources(registry=registry, fetch=fetch, mask=Mask(settings.admin.mask))
        yield LetterDesk(
            connection, settings.kafka.group, sources, weigher, mappings(settings), settings.letters.max_replays
        )


def _weigher(settings: Settings, catalog: LookingCatalog, registry: HttpRegistry) -> Weigher:
    """Plans letters as a worker does, by the decoder that always ends."""
    rows, known = RowDecoder(), KnownBindings()
    placeholders = Placeholders(settings.source.unavailable_values)
    decoders = Decoders(fast=rows, careful=rows, placeholders=placeholders)
    sources = BinderSources(registry=registry, catalog=catalog, offsets=topic_offsets(settings), rows=rows)
    planner = Planner(decoders, CopyEncoder(), known, Marks(), letter_policy(settings), 1)
    return Weigher(planner, Binder(known, sources, binder_settings(settings)), known)


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


def admin_doors(settings: Settings) -> Doors:
    """What API and console open; nothing is opened yet."""
    return Doors(
        desk=lambda: desk(settings),
        control=lambda: control(settings),
        letters=lambda: letter_desk(settings),
        jobs=lambda: job_desk(settings),
        connectors=lambda: connectors(settings),
        # one client for all questions
        offsets=cache(lambda: topic_offsets(settings)),
        ages=cache(lambda: topic_ages(settings)),
        settings=shown_settings(settings),
        about={"group": settings.kafka.group, "version": version("headrace")},
        free=threading.Semaphore(settings.admin.sessions),
    )


def topic_offsets(settings: Settings) -> Offsets:
    """Questions about topics."""
    return KafkaOffsets(kafka_settings(settings))


def topic_ages(settings: Settings) -> Ages:
    """How old records of topics are."""
    return KafkaAges(kafka_settings(settings))


@contextmanager
def connectors(settings: Settings) -> Iterator[Connectors | None]:
    """Kafka Connect, closed afterwards; None where none is set."""
    connect = settings.connect
    if connect.url is None:
        yield None
        return
    how = ConnectSettings(url=connect.url, user=connect.user, password=_password(connect), timeout=connect.timeout)
    limits = BreakerLimits(failures=settings.breaker.failures, reset=settings.breaker.reset)
    with closing(HttpConnect(how, CircuitBreaker("connect", limits))) as opened:
        yield opened


def _password(connect: Connect) -> str:
    if connect.password_file is None:
        return connect.password.get_secret_value() if connect.password else ""
    try:
        return connect.password_file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = f"connect.password_file can't be read ({type(error).__name__})"
        remedy = "Name a readable text file, or set connect.password in the environment."
        raise Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """What all threads of a process share on their way to the servers."""

    pool: TargetPool
    target: Breaker
    registry: Breaker


@contextmanager
def connections(settings: Settings, name: str) -> Iterator[Connections]:
    """Nothing is opened yet; all is closed afterwards."""
    limits = BreakerLimits(failures=settings.breaker.failures, reset=settings.breaker.reset)
    breaker = CircuitBreaker("target", limits)
    target = settings.target
    pool_limits = PoolLimits(size=target.pool_size, idle=target.pool_idle, lifetime=target.pool_lifetime)
    with closing(TargetPool(session_settings(settings, name), breaker, pool_limits)) as pool:
        yield Connections(pool=pool, target=breaker, registry=CircuitBreaker("registry", limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What commands that only look need."""

    overview: Overview
    offsets: Offsets


def inspection(settings: Settings, shared: Connections) -> Inspection:
    """For looking, on a session of the pool."""
    overview = PostgresOverview(shared.pool, settings.kafka.group)
    return Inspection(overview=overview, offsets=KafkaOffsets(kafka_settings(settings)))


def presence(settings: Settings, name: str, parts: Parts, look: Callable[[], None]) -> Presence:
    """What tells of a worker, and hears what it is told."""
    quick = replace(session_settings(settings, name), synchronous_commit="off", trust_source=False)
    board = PostgresBoard(quick, settings.kafka.group, version("headrace"), parts.breakers[0])
    control = settings.control
    telling = Telling(look=look, actions=parts.actions(board), keep_hours=control.keep_hours)
    return Presence(board, lambda: parts.report(control.report_every), telling)


def build_worker(settings: Settings, name: str, shared: Connections) -> WorkerLife:
    """One worker, not started."""
    rows = RowDecoder()
    known = KnownBindings()
    decoder = ColumnarDecoder(rows, smallest_block=settings.batch.smallest_block)
    encoder = CopyEncoder()
    policy = letter_policy(settings)
    kept = MovedBounds(rows=settings.target.max_moved_rows, bytes=settings.target.max_moved_bytes)
    sink = PostgresSink(session_settings(settings, name), settings.kafka.group, letter_bounds(settings), policy, kept)
    catalog = PostgresCatalog(shared.pool, settings.kafka.group, settings.evolution.lock_timeout)
    offsets = topic_offsets(settings)
    registry = HttpRegistry(settings.registry.url, shared.registry, timeout=settings.registry.timeout)
    handover = Handover(max_bytes=settings.batch.queue_bytes, max_batches=settings.batch.queue_batches)
    sources = BinderSources(registry=registry, catalog=catalog, offsets=offsets, rows=rows)
    binder = Binder(known, sources, binder_settings(settings))
    ahead = Ahead(binder)
    pointing = [table for table, policy in settings.tables.items() if policy.letters == "pointer"]
    outbox = PostgresOutbox(shared.pool, settings.kafka.group, pointing)
    codec = Codec(encode=encode, decode=decode)
    letterbox = KafkaLetterbox(kafka_settings(settings))
    postman = Postman(outbox, letterbox, codec, settings.lane, letter_topics(settings))
    jobbing = Jobbing(PostgresJobs(shared.pool, settings.kafka.group, acts(settings)), postman.wake)
    pointers = PostgresPointers(shared.pool, settings.kafka.group, pointing)
    expiry = Expiry(pointers, KafkaLogs(kafka_settings(settings)), settings.letters.expiry_warning_hours)
    decoders = Decoders(
        fast=decoder,
        careful=rows,
        deadline=settings.worker.decode_deadline,
        placeholders=Placeholders(settings.source.unavailable_values),
    )
    marks = Marks()
    most = settings.sizer.top * Reader.ROUNDS
    planners = [Planner(decoders, encoder, known, marks, policy, most) for _ in ("reader", "applier")]
    origins = Rereading(KafkaOrigins(kafka_settings(settings)), offsets)
    returns = Returns(sink, planners[1], binder, origins, Judges(codec=codec, policy=policy))
    # its marks are of partitions that others may own
    again = Planner(decoders, encoder, known, Marks(), policy, most)
    searches = PostgresSearches(shared.pool, settings.kafka.group)
    behind = Rereading(KafkaOrigins(kafka_settings(settings)), offsets)
    searcher = Searcher(searches, behind, offsets, again, binder)
    flood = FloodGuard(FloodLimits(percent=settings.letters.flood_percent))
    dependents = Dependents(sink, offsets)
    busy = Busy(settings.target.batch_deadline)
    shop = Workshop(
        planner=planners[1],
        binder=binder,
        fetch=ahead.fetched,
        returns=returns,
        flood=flood,
        busy=busy,
        dependents=dependents,
    )
    retry = settings.retry
    patience = Patience(sink, shared.target, Backoff(first=retry.environment_first, most=retry.environment_most))
    holdings = Holdings(sink, offsets, handover, patience, table_policy(settings))
    applier = Applier(sink, shop, handover, holdings, patience)
    limits = BatchLimits(sizer=settings.sizer, max_bytes=settings.batch.max_bytes, lane=settings.lane.is_retry)
    source = KafkaSource(kafka_settings(settings))
    reader = Reader(source, planners[0], ahead, handover, limits)
    parts = Parts(
        held=source.heard_of,
        opened=lambda: applier.opened,
        handover=handover,
        patience=patience,
        breakers=(shared.target, shared.registry),
        resident=resident,
    )
    reported = presence(settings, name, parts, applier.look_soon)

    def close_target() -> None:
        sink.close()
        origins.close()

    def post(timeout: float) -> None:
        # a turn of its own, so that no turn has the waits of both
        if not expiry.turn():
            postman.turn(timeout)

    def mark(ranges: Sequence[OffsetRange]) -> None:
        shared.pool.ask(lambda session: memory.mark(session, settings.kafka.group, ranges))

    life = LifeSettings(
        drain_timeout=settings.worker.drain_timeout,
        stall_timeout=settings.worker.stall_timeout,
        keep=Retention(
            ledger=settings.ledger.keep_hours,
            closed_letters=settings.letters.keep_closed_hours,
            moved=settings.target.keep_moved_hours,
            changes=settings.evolution.keep_hours,
        ),
    )
    hooks = Hooks(
        close_target=close_target,
        mark=mark,
        sides=[
            Side("binder", ahead.turn, registry.close),
            Side("postman", post, postman.close),
            Side("searcher", searcher.turn, searcher.close),
            Side("jobs", jobbing.turn, lambda: None),
            # the last to end, so that it can say that the others do
            Side("presence", reported.turn, reported.close),
        ],
        watches=[planner.watch for planner in (*planners, again)],
    )
    return WorkerLife(reader, applier, life, hooks)
