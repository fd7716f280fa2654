"""The composition root of a worker: the one place that names its edges."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Protocol

from consumer import dead_letters
from consumer.ahead import Ahead
from consumer.apart import Apart
from consumer.applier import Applier
from consumer.attempts import Workshop
from consumer.binder import Binder
from consumer.binder import Sources as BinderSources
from consumer.binding_settings import binder_settings
from consumer.blocks import Decoders
from consumer.busy import Busy
from consumer.comparing import acts as workflow_acts
from consumer.comparing import comparison
from consumer.core.backoff import Backoff
from consumer.core.breaking import BreakerLimits, BreakerState
from consumer.core.flags import Flag, Switches, off_by
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.jobs import JobKind
from consumer.core.letterhead import Codec
from consumer.core.markers import Placeholders
from consumer.core.pressure import Signals
from consumer.core.priority import Priority, highest
from consumer.core.records import OffsetRange
from consumer.decode_watch import Marks
from consumer.dependents import Dependents
from consumer.edge_settings import (
    connect_client,
    frames,
    kafka_settings,
    letter_bounds,
    letter_policy,
    letter_topics,
    pointing,
    pressure_limits,
    registry_of,
    restart_budget,
    session_settings,
    table_policy,
    table_priorities,
)
from consumer.edges import descriptors
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.ages import KafkaAges
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.logs import KafkaLogs
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.memory import limit as memory_limit
from consumer.edges.memory import resident
from consumer.edges.postgres import flags, memory, starting
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.healing import PostgresAbandoned, PostgresHealing
from consumer.edges.postgres.jobs import Act, PostgresJobs
from consumer.edges.postgres.lookup import PostgresCatalog, PostgresOverview
from consumer.edges.postgres.moved import MovedBounds
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.pointers import PostgresPointers
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.searches import PostgresSearches
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.table_names import PostgresTableNames
from consumer.edges.postgres.value_searches import PostgresValueSearches
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.edges.rows import RowDecoder
from consumer.expiry import Expiry
from consumer.handover import Handover
from consumer.healer import Healer
from consumer.heard import Heard
from consumer.heeding import Heeding, TableNames
from consumer.holdings import Holdings
from consumer.jobbing import Jobbing
from consumer.known import KnownBindings
from consumer.lifecycle import Hooks, LifeSettings, Side, WorkerLife
from consumer.lookout import Lookout
from consumer.lookout import Sources as LookoutSources
from consumer.patience import Patience
from consumer.planner import Planner
from consumer.ports.facts import Fact, Tell
from consumer.ports.target import Breaker, Overview, Retention
from consumer.ports.topics import Moments, Offsets
from consumer.postman import Postman
from consumer.presence import Presence, Telling
from consumer.rationing import Sharing
from consumer.reader import BatchLimits, Reader
from consumer.recording import Recorder
from consumer.reloading import Reloading
from consumer.reporting import Parts
from consumer.rereading import Rereading
from consumer.returns import Judges, Returns
from consumer.searcher import Searcher
from consumer.settings import Settings
from consumer.telemetry import journeys
from consumer.telemetry.gauging import Sample
from consumer.telemetry.grouping import GroupSamples
from consumer.telemetry.labels import Bounded
from consumer.telemetry.process import process_samples
from consumer.telemetry.watchers import Probes, Watchers
from consumer.telemetry.working import pressure_samples, worker_samples
from consumer.undo_acts import undo_acts
from consumer.working import Working
from dlq.actions import discard, replay
from dlq.headers import decode, encode
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.value_search import judged

MIB = 1 << 20


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
    target: CircuitBreaker
    registry: CircuitBreaker
    recorder: Recorder


@contextmanager
def connections(settings: Settings, name: str) -> Iterator[Connections]:
    """Nothing is opened yet; all is closed afterwards."""
    limits = BreakerLimits(failures=settings.breaker.failures, reset=settings.breaker.reset)
    breaker = CircuitBreaker("target", limits)
    target = settings.target
    pool_limits = PoolLimits(size=target.pool_size, idle=target.pool_idle, lifetime=target.pool_lifetime)
    with closing(TargetPool(session_settings(settings, name), breaker, pool_limits)) as pool:
        record = PostgresHealing(pool, settings.kafka.group, name)
        yield Connections(
            pool=pool,
            target=breaker,
            registry=CircuitBreaker("registry", limits),
            recorder=Recorder(record, settings.healing.keep_hours),
        )


class Traces(Protocol):
    """Who traces a worker's batches."""

    def tell(self, fact: Fact) -> None:
        """Hear a fact."""
        ...

    def samples(self) -> Iterable[Sample]:
        """What is to be counted of traces."""
        ...


@contextmanager
def tracing(settings: Settings, name: str, switches: Switches) -> Iterator[Sequence[Traces]]:
    """Who traces a worker's batches; nobody where no collector is set."""
    wanted = settings.trace
    if not wanted.endpoint:
        yield ()
        return
    # nobody else pays for the SDK
    from consumer.telemetry.traces import TraceSettings, sending

    how = TraceSettings(
        group=settings.kafka.group,
        worker=name,
        ratio=wanted.ratio,
        links=wanted.links,
        timeout=wanted.timeout,
    )
    with sending(wanted.endpoint, how, version("headrace"), switches) as traces:
        yield (traces,)


@contextmanager
def watchers(settings: Settings, hearers: Sequence[Tell] = ()) -> Iterator[Watchers]:
    """Who watches this process, served from now on where that is wanted; others who hear its facts."""
    told = Watchers(Bounded(settings.telemetry.max_topics), [*hearers, journeys.bind, journeys.say])
    told.ask(lambda: process_samples(settings.kafka.group, resident(), (descriptors.held(), descriptors.limit())))
    if not settings.telemetry.serve:
        yield told
        return
    with told.serving(settings.telemetry.host, settings.telemetry.port):
        yield told


def group_samples(settings: Settings, told: Watchers) -> GroupSamples:
    """How the group is told of."""
    wanted = settings.telemetry
    return GroupSamples(
        group=settings.kafka.group,
        topics=told.topics,
        tables=Bounded(wanted.max_topics),
        partitions=wanted.max_partitions,
        kafka_names=wanted.kafka_names,
    )


def probes(settings: Settings, life: WorkerLife, parts: Parts) -> Probes:
    """What is asked of a worker: whether it polls, and whether it works."""

    def dead() -> str:
        still = time.monotonic() - life.turned["reader"]
        return "" if still <= settings.telemetry.turn_within else f"the poll loop has not turned for {still:.0f} s"

    def unready() -> str:
        state = parts.report(0.0).state
        return "" if state == "running" else f"the worker is {state}"

    return Probes(dead=dead, unready=unready)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What commands that only look need."""

    overview: Overview
    offsets: Offsets


def inspection(settings: Settings, shared: Connections) -> Inspection:
    """For looking, on a session of the pool."""
    overview = PostgresOverview(shared.pool, settings.kafka.group)
    return Inspection(overview=overview, offsets=KafkaOffsets(kafka_settings(settings)))


def table_names(settings: Settings, shared: Connections) -> TableNames:
    """What is kept by the names of target tables."""
    return PostgresTableNames(shared.pool, settings.kafka.group)


def presence(settings: Settings, name: str, parts: Parts, look: Callable[[], None], heard: Heard) -> Presence:
    """What tells of a worker, and hears what it is told."""
    quick = replace(session_settings(settings, name), synchronous_commit="off", trust_source=False)
    board = PostgresBoard(quick, settings.kafka.group, version("headrace"), parts.breakers[0])
    control = settings.control
    telling = Telling(look=look, actions=parts.actions(board), learn=heard.learn, keep_hours=control.keep_hours)
    return Presence(board, lambda: parts.report(control.report_every), telling)


def importing(settings: Settings, shared: Connections, tell: Tell) -> list[Side]:
    """What reads dead letters of others, if they are wanted."""
    wanted = settings.imports.topics
    if not wanted:
        return []
    reads = dead_letters.importer(settings, dead_letters.imports(settings, shared.pool), wanted)
    reads.tell = tell
    return [Side("imports", reads.turn, reads.close)]


def looking(settings: Settings, shared: Connections, offsets: Offsets, tell: Tell) -> Side:
    """What searches letters by values."""
    registry = registry_of(settings, shared.registry)
    origins = Rereading(KafkaOrigins(kafka_settings(settings)), offsets)
    sources = Sources(registry=registry, fetch=origins.fetch, frames=frames(settings), mask=Mask(settings.admin.mask))
    judge = partial(judged, sources=sources)
    jobbing = Jobbing(PostgresValueSearches(shared.pool, settings.kafka.group, judge), lambda: None)
    jobbing.tell = tell

    def close() -> None:
        origins.close()
        registry.close()

    return Side("value searches", jobbing.turn, close)


def recovering(reloading: Reloading, name: str, shared: Connections, offsets: Moments, tell: Tell) -> Side:
    """What takes comparisons and recoveries on. A turn may last, so its session is none of the pool's."""
    settings = reloading.settings

    def now() -> Settings:
        return reloading.settings

    compared = comparison(now, name, lambda: offsets)
    pool = TargetPool(session_settings(settings, name), shared.target, PoolLimits(size=1))
    turns = {**workflow_acts(now, compared, lambda: offsets), **undo_acts(now, name)}
    hours = settings.reconcile.every_hours

    def begin() -> int | None:
        if hours is None or not settings.source.dsn:
            return None
        return shared.pool.ask(lambda session: starting.compare_again(session, settings.kafka.group, hours))

    working = Working(PostgresWorkflows(pool, settings.kafka.group, turns, shared.pool), begin)
    working.tell = tell

    def close() -> None:
        compared.close()
        pool.close()

    return Side("workflows", working.turn, close)


def sharing(reloading: Reloading, known: KnownBindings, target: Breaker, handover: Handover) -> Sharing:
    """How tables of several priorities share the worker; those hold that the settings of the moment say."""
    settings = reloading.settings
    most = settings.worker.memory_mb * MIB if settings.worker.memory_mb else memory_limit()

    def priorities() -> Mapping[str, Priority]:
        by_table = table_priorities(reloading.settings)
        if not by_table:
            return {}
        of = by_table.get
        return {
            topic: highest(of(str(table), Priority.NORMAL) for table in tables)
            for topic, tables in known.tables().items()
        }

    def signals() -> Signals:
        held = resident() if most else None
        return Signals(
            away=target.status().state is not BreakerState.CLOSED,
            queue=handover.share(),
            memory=held / most if held and most else 0.0,
        )

    return Sharing(known=priorities, signals=signals, limits=pressure_limits(settings))


@dataclass(frozen=True, slots=True)
class Steering:
    """What a worker is told while it runs: flags that are off, changed settings, and whether it has to end at once."""

    heard: Heard
    reloading: Reloading
    hurried: Callable[[], bool] = lambda: False


def build_worker(settings: Settings, name: str, shared: Connections, told: Watchers, steering: Steering) -> WorkerLife:
    """One worker, not started, and watched."""
    heard, reloading = steering.heard, steering.reloading
    rows = RowDecoder()
    most = settings.sizer.top * Reader.ROUNDS
    known = KnownBindings(most)
    decoder = ColumnarDecoder(rows, smallest_block=settings.batch.smallest_block)
    encoder = CopyEncoder()
    policy = letter_policy(settings)
    kept = MovedBounds(rows=settings.target.max_moved_rows, bytes=settings.target.max_moved_bytes)
    sink = PostgresSink(session_settings(settings, name), settings.kafka.group, letter_bounds(settings), policy, kept)
    catalog = PostgresCatalog(shared.pool, settings.kafka.group, settings.evolution.lock_timeout)
    offsets = KafkaOffsets(kafka_settings(settings))
    registry = registry_of(settings, shared.registry)
    found_in = frames(settings)
    handover = Handover(max_bytes=settings.batch.queue_bytes, max_batches=settings.batch.queue_batches)
    sources = BinderSources(registry=registry, catalog=catalog, offsets=offsets, rows=rows, switches=heard)
    binder = Binder(known, sources, binder_settings(settings))
    ahead = Ahead(binder)
    outbox = PostgresOutbox(shared.pool, settings.kafka.group, pointing(settings))
    codec = Codec(encode=encode, decode=decode)
    letterbox = KafkaLetterbox(kafka_settings(settings))
    postman = Postman(outbox, letterbox, codec, settings.lane, letter_topics(settings))
    jobbing = Jobbing(PostgresJobs(shared.pool, settings.kafka.group, acts(settings)), postman.wake)
    pointers = PostgresPointers(shared.pool, settings.kafka.group, pointing(settings))
    expiry = Expiry(pointers, KafkaLogs(kafka_settings(settings)), settings.letters.expiry_warning_hours)
    decoders = Decoders(
        fast=decoder,
        careful=rows,
        deadline=settings.worker.decode_deadline,
        placeholders=Placeholders(settings.source.unavailable_values),
        frames=found_in,
        traced=settings.trace.field if settings.trace.endpoint else "",
        switches=heard,
    )
    marks = Marks()
    planners = [Planner(decoders, encoder, known, marks, policy, most) for _ in ("reader", "applier")]
    origins = Rereading(KafkaOrigins(kafka_settings(settings)), offsets)
    returns = Returns(sink, Apart(planners[1], binder, ahead.fetched), origins, Judges(codec=codec, policy=policy))
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
    limits = BatchLimits(
        sizer=settings.sizer,
        max_bytes=settings.batch.max_bytes,
        lane=settings.lane.is_retry,
        sharing=sharing(reloading, known, shared.target, handover),
    )
    source = KafkaSource(kafka_settings(settings), found_in)
    reader = Reader(source, planners[0], ahead, handover, limits)
    parts = Parts(
        held=source.heard_of,
        opened=lambda: applier.opened,
        handover=handover,
        patience=patience,
        breakers=(shared.target, shared.registry),
        resident=resident,
        leaving=threading.Event(),
        metrics_port=lambda: told.port,
        flags_off=lambda: heard.off,
        held_back=lambda: reader.rationing.held_back,
        reload=reloading.reload_by_command,
    )
    reported = presence(settings, name, parts, applier.look_soon, heard)
    postman.switches = returns.switches = heard
    heard.heed(Flag.SCHEMA_EVOLUTION, lambda: applier.bind_anew(lambda: binder.forget(None)))

    def close_binder() -> None:
        binder.close()
        registry.close()

    def close_target() -> None:
        sink.close()
        origins.close()

    def post(timeout: float) -> None:
        # a turn of its own, so that no turn has the waits of both
        if heard.known(timeout) and not expiry.turn():
            postman.turn(timeout)

    def mark(ranges: Sequence[OffsetRange]) -> None:
        shared.pool.ask(lambda session: memory.mark(session, settings.kafka.group, ranges))

    reloading.use = Heeding(
        binder=binder,
        applier=applier,
        names=table_names(settings, shared),
        pointing=(outbox, pointers),
        source=source,
    ).use

    def learn_flags() -> None:
        group = settings.kafka.group
        heard.learn(off_by(shared.pool.ask(lambda session: flags.everything(session, group))))

    applier.opened_first = learn_flags
    life = LifeSettings(
        drain_timeout=settings.worker.drain_timeout,
        stall_timeout=settings.worker.stall_timeout,
        keep=Retention(
            ledger=settings.ledger.keep_hours,
            closed_letters=settings.letters.keep_closed_hours,
            moved=settings.target.keep_moved_hours,
            changes=settings.evolution.keep_hours,
            workflows=settings.reconcile.keep_hours,
        ),
    )
    abandoned = PostgresAbandoned(shared.pool, settings.kafka.group)
    healer = Healer(abandoned, connect_client(settings), restart_budget(settings), name)
    lookout = Lookout(
        LookoutSources(
            outlook=PostgresOutlook(shared.pool, settings.kafka.group),
            offsets=KafkaOffsets(kafka_settings(settings)),
            ages=KafkaAges(kafka_settings(settings)),
            heartbeats=settings.source.heartbeats,
        ),
        name,
        settings.telemetry.look_every,
    )
    hooks = Hooks(
        close_target=close_target,
        mark=mark,
        sides=[
            Side("binder", ahead.turn, close_binder),
            Side("postman", post, postman.close),
            Side("searcher", searcher.turn, searcher.close),
            Side("jobs", jobbing.turn, lambda: None),
            *importing(settings, shared, told.tell),
            looking(settings, shared, offsets, told.tell),
            recovering(reloading, name, shared, offsets, told.tell),
            Side("lookout", lookout.turn, lambda: None),
            Side("healer", healer.turn, healer.close),
            Side("healing", shared.recorder.turn, shared.recorder.close),
            # the last to end, so that it can say that the others do
            Side("presence", reported.turn, reported.close),
        ],
        watches=[planner.watch for planner in (*planners, again)],
        leaving=parts.leaving,
        hurried=steering.hurried,
        cut=sink.cut,
        tell=told.tell,
    )
    parties = (sink, patience, holdings, reader, applier, postman, searcher, jobbing, lookout, reported, healer, source)
    for part in (*parties, shared.target, shared.registry):
        part.tell = told.tell
    made = WorkerLife(reader, applier, life, hooks)
    told.probe(probes(settings, made, parts))
    group = group_samples(settings, told)
    told.ask(lambda: group.of(lookout.seen))
    told.ask(lambda: worker_samples(parts.report(0.0), shared.pool.status(), _since_1970(made.turned)))
    told.ask(lambda: pressure_samples(reader.rationing.held_back, reader.rationing.waited))
    return made


def _since_1970(moments: Mapping[str, float]) -> dict[str, float]:
    """Moments of the clock that never runs back."""
    begun = time.time() - time.monotonic()
    return {name: begun + moment for name, moment in moments.items()}
