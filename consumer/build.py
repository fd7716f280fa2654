"""The composition root of a worker: the one place that names its edges."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

from consumer import dead_letters
from consumer.ahead import Ahead
from consumer.applier import Applier
from consumer.attempts import Workshop
from consumer.binder import Binder
from consumer.binder import Sources as BinderSources
from consumer.binding_settings import binder_settings
from consumer.blocks import Decoders
from consumer.busy import Busy
from consumer.core.backoff import Backoff
from consumer.core.breaking import BreakerLimits
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.jobs import JobKind
from consumer.core.letterhead import Codec
from consumer.core.markers import Placeholders
from consumer.core.records import OffsetRange
from consumer.decode_watch import Marks
from consumer.dependents import Dependents
from consumer.edge_settings import (
    kafka_settings,
    letter_bounds,
    letter_policy,
    letter_topics,
    session_settings,
    table_policy,
)
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.logs import KafkaLogs
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.memory import resident
from consumer.edges.postgres import memory
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.jobs import Act, PostgresJobs
from consumer.edges.postgres.lookup import PostgresCatalog, PostgresOverview
from consumer.edges.postgres.moved import MovedBounds
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pointers import PostgresPointers
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.searches import PostgresSearches
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.value_searches import PostgresValueSearches
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
from consumer.ports.target import Breaker, Overview, Retention
from consumer.ports.topics import Offsets
from consumer.postman import Postman
from consumer.presence import Presence, Telling
from consumer.reader import BatchLimits, Reader
from consumer.reporting import Parts
from consumer.rereading import Rereading
from consumer.returns import Judges, Returns
from consumer.searcher import Searcher
from consumer.settings import Settings
from dlq.actions import discard, replay
from dlq.headers import decode, encode
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.value_search import judged


def worker_name(settings: Settings) -> str:
    """A name that no other process has: the setting, the process id, and chance."""
    return f"{settings.worker.name}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


def acts(settings: Settings) -> dict[JobKind, Act]:
    """What jobs do with letters."""
    most = settings.letters.max_replays
    return {
        JobKind.REPLAY: lambda session, group, ids, _: replay(session, group, ids, most=most).changed,
        JobKind.DISCARD: lambda session, group, ids, reason: discard(session, group, ids, reason).changed,
    }


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


def importing(settings: Settings, shared: Connections) -> list[Side]:
    """What reads dead letters of others, if they are wanted."""
    wanted = settings.imports.topics
    if not wanted:
        return []
    reads = dead_letters.importer(settings, dead_letters.imports(settings, shared.pool), wanted)
    return [Side("imports", reads.turn, reads.close)]


def looking(settings: Settings, shared: Connections, offsets: Offsets) -> Side:
    """What searches letters by values."""
    registry = HttpRegistry(settings.registry.url, shared.registry, timeout=settings.registry.timeout)
    origins = Rereading(KafkaOrigins(kafka_settings(settings)), offsets)
    sources = Sources(registry=registry, fetch=origins.fetch, mask=Mask(settings.admin.mask))
    judge = partial(judged, sources=sources)
    jobbing = Jobbing(PostgresValueSearches(shared.pool, settings.kafka.group, judge), lambda: None)

    def close() -> None:
        origins.close()
        registry.close()

    return Side("value searches", jobbing.turn, close)


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
    offsets = KafkaOffsets(kafka_settings(settings))
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
            *importing(settings, shared),
            looking(settings, shared, offsets),
            # the last to end, so that it can say that the others do
            Side("presence", reported.turn, reported.close),
        ],
        watches=[planner.watch for planner in (*planners, again)],
    )
    return WorkerLife(reader, applier, life, hooks)
