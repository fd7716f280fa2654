"""Reading and applying, composed: from records to the target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consumer.applying.apart import Apart
from consumer.applying.applier import Applier
from consumer.applying.attempts import Workshop
from consumer.applying.busy import Busy
from consumer.applying.dependents import Dependents
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.patience import Patience
from consumer.applying.rereading import BELIEVED, Rereading
from consumer.applying.returns import Judges, Returns
from consumer.applying.topic_watch import TopicWatch
from consumer.binding.binder import Binder
from consumer.binding.binder import Sources as BinderSources
from consumer.binding.known import KnownBindings
from consumer.composition.binding_settings import binder_settings
from consumer.composition.edge_settings import (
    frames,
    kafka_settings,
    letter_bounds,
    letter_policy,
    pressure_limits,
    registry_of,
    session_settings,
    table_policy,
    table_priorities,
)
from consumer.composition.process import Given
from consumer.composition.reloading import Reloading
from consumer.core.backoff import Backoff
from consumer.core.breaking import BreakerState
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.frames import Frames
from consumer.core.letterhead import Codec
from consumer.core.markers import Placeholders
from consumer.core.pressure import Signals
from consumer.core.priority import Priority, highest
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.memory import limit as memory_limit
from consumer.edges.memory import resident
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.moved import MovedBounds
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.registry import HttpRegistry
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import DecodeWatch, Marks
from consumer.planning.planner import Planner
from consumer.ports.target import Breaker
from consumer.reading.ahead import Ahead
from consumer.reading.handover import Handover
from consumer.reading.rationing import Sharing
from consumer.reading.reader import BatchLimits, Reader
from consumer.settings.loading import Settings
from dlq.headers import decode, encode

MIB = 1 << 20
CODEC = Codec(encode=encode, decode=decode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What topics' records become, and who finds that out. `close` ends what the binder's thread owns."""

    offsets: KafkaOffsets
    registry: HttpRegistry
    frames: Frames
    rows: RowDecoder
    known: KnownBindings
    binder: Binder
    ahead: Ahead
    close: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planners:
    """Who plans, by thread. Of those that search, marks are of partitions that others may own."""

    reading: Planner
    applying: Planner
    searching: Planner

    @property
    def watches(self) -> list[DecodeWatch]:
        """What looks that decoding ends."""
        return [planner.watch for planner in (self.reading, self.applying, self.searching)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Who reads and who applies. `close_target` ends what the apply thread owns."""

    source: KafkaSource
    reader: Reader
    handover: Handover
    sink: PostgresSink
    patience: Patience
    watch: TopicWatch
    holdings: Holdings
    returns: Returns
    applier: Applier
    close_target: Callable[[], None]


def bindings_of(given: Given) -> Bindings:
    """Nothing is asked of anybody yet."""
    settings, heard = given.settings, given.steering.heard
    known = KnownBindings(_most(settings))
    offsets, rows = KafkaOffsets(kafka_settings(settings)), RowDecoder()
    catalog = PostgresCatalog(given.shared.pool, given.group, settings.evolution.lock_timeout)
    registry = registry_of(settings, given.shared.registry)
    sources = BinderSources(registry=registry, catalog=catalog, offsets=offsets, rows=rows, switches=heard)
    binder = Binder(known, sources, binder_settings(settings))

    def close() -> None:
        binder.close()
        registry.close()

    return Bindings(
        offsets=offsets,
        registry=registry,
        frames=frames(settings),
        rows=rows,
        known=known,
        binder=binder,
        ahead=Ahead(binder),
        close=close,
    )


def planners_of(given: Given, bindings: Bindings) -> Planners:
    """They share what they know of bindings and schemas."""
    settings = given.settings
    decoders = Decoders(
        fast=ColumnarDecoder(bindings.rows, smallest_block=settings.batch.smallest_block),
        careful=bindings.rows,
        deadline=settings.worker.decode_deadline,
        placeholders=Placeholders(settings.source.unavailable_values),
        frames=bindings.frames,
        traced=settings.trace.field if settings.trace.endpoint else "",
        switches=given.steering.heard,
    )
    encoder, policy, marks = CopyEncoder(), letter_policy(settings), Marks()

    def planner(marks: Marks) -> Planner:
        return Planner(decoders, encoder, bindings.known, marks, policy, _most(settings))

    return Planners(reading=planner(marks), applying=planner(marks), searching=planner(Marks()))


def engine_of(given: Given, bindings: Bindings, planners: Planners) -> Engine:
    """Nothing is opened yet."""
    settings, shared = given.settings, given.shared
    handover = Handover(max_bytes=settings.batch.queue_bytes, max_batches=settings.batch.queue_batches)
    sink = _sink(given)
    origins = Rereading(KafkaOrigins(kafka_settings(settings)), bindings.offsets, BELIEVED)
    apart = Apart(planners.applying, bindings.binder, bindings.ahead.fetched)
    returns = Returns(sink, apart, origins, Judges(codec=CODEC, policy=letter_policy(settings)))
    returns.switches = given.steering.heard
    retry = settings.retry
    patience = Patience(sink, shared.target, Backoff(first=retry.environment_first, most=retry.environment_most))
    watch = TopicWatch(bindings.offsets, bindings.binder.look_again, bindings.offsets.is_read)
    holdings = Holdings(sink, watch, handover, patience, table_policy(settings))
    shop = Workshop(
        planner=planners.applying,
        binder=bindings.binder,
        fetch=bindings.ahead.fetched,
        returns=returns,
        flood=FloodGuard(FloodLimits(percent=settings.letters.flood_percent)),
        busy=Busy(settings.target.batch_deadline),
        dependents=Dependents(sink, bindings.offsets),
        keys=KeyTurns(sink, bindings.offsets),
    )
    limits = BatchLimits(
        sizer=settings.sizer,
        max_bytes=settings.batch.max_bytes,
        lane=settings.lane.is_retry,
        sharing=sharing(given.steering.reloading, bindings.known, shared.target, handover),
    )
    source = KafkaSource(kafka_settings(settings), bindings.frames)

    def close_target() -> None:
        sink.close()
        origins.close()

    return Engine(
        source=source,
        reader=Reader(source, planners.reading, bindings.ahead, handover, limits),
        handover=handover,
        sink=sink,
        patience=patience,
        watch=watch,
        holdings=holdings,
        returns=returns,
        applier=Applier(sink, shop, handover, holdings, patience),
        close_target=close_target,
    )


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


def _sink(given: Given) -> PostgresSink:
    settings = given.settings
    kept = MovedBounds(rows=settings.target.max_moved_rows, bytes=settings.target.max_moved_bytes)
    session = session_settings(settings, given.name)
    return PostgresSink(session, given.group, letter_bounds(settings), letter_policy(settings), kept)


def _most(settings: Settings) -> int:
    """Records of a plan at most."""
    return settings.sizer.top * Reader.ROUNDS
