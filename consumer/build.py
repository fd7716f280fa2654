"""The composition root: the one place that names edges."""

import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from consumer.ahead import Ahead
from consumer.applier import Applier
from consumer.binder import Binder, BinderSettings, KnownBindings, Sources
from consumer.core.records import OffsetRange
from consumer.core.sizer import BatchSizer
from consumer.decode_watch import Marks
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.postgres import memory
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.registry import HttpRegistry
from consumer.edges.rows import RowDecoder
from consumer.handover import Handover
from consumer.lifecycle import Hooks, LifeSettings, WorkerLife
from consumer.planner import Decoders, Planner
from consumer.ports import Offsets, Sink
from consumer.reader import BatchLimits, Reader
from consumer.settings import Settings


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
        ignore=(rf"^{re.escape(kafka.group)}\.(retry\.[0-9]+|dlq)$",),
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
    )


def binder_settings(settings: Settings) -> BinderSettings:
    """How tables are named and created."""
    overrides = {name: table.create for name, table in settings.tables.items() if table.create is not None}
    return BinderSettings(template=settings.target.table, create=settings.target.create, create_table=overrides)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What commands that only look need."""

    sink: Sink
    offsets: Offsets


@contextmanager
def inspection(settings: Settings) -> Iterator[Inspection]:
    """A session (not opened yet) and a client for looking, closed afterwards."""
    sink = PostgresSink(session_settings(settings, "inspect"), settings.kafka.group)
    try:
        yield Inspection(sink=sink, offsets=KafkaOffsets(kafka_settings(settings)))
    finally:
        sink.close()


def build_worker(settings: Settings, name: str) -> WorkerLife:
    """One worker, not started."""
    rows = RowDecoder()
    known = KnownBindings()
    decoder = ColumnarDecoder(rows, smallest_block=settings.batch.smallest_block)
    encoder = CopyEncoder()
    sink = PostgresSink(session_settings(settings, name), settings.kafka.group)
    catalog = PostgresCatalog(session_settings(settings, name), settings.kafka.group)
    offsets = KafkaOffsets(kafka_settings(settings))
    registry = HttpRegistry(settings.registry.url, timeout=settings.registry.timeout)
    handover = Handover(max_bytes=settings.batch.queue_bytes, max_batches=settings.batch.queue_batches)
    sources = Sources(registry=registry, catalog=catalog, offsets=offsets, rows=rows)
    binder = Binder(known, sources, binder_settings(settings))
    ahead = Ahead(binder)
    decoders = Decoders(fast=decoder, careful=rows, deadline=settings.worker.decode_deadline)
    marks = Marks()
    planners = [Planner(decoders, encoder, known, marks) for _ in ("reader", "applier")]
    applier = Applier(sink, offsets, planners[1], binder, handover)
    sizer = BatchSizer(rows=settings.batch.max_rows, growth=settings.batch.growth)
    limits = BatchLimits(sizer=sizer, max_bytes=settings.batch.max_bytes)
    reader = Reader(KafkaSource(kafka_settings(settings)), planners[0], ahead, handover, limits)

    def close_lookups() -> None:
        catalog.close()
        registry.close()

    def mark(ranges: Sequence[OffsetRange]) -> None:
        with closing(connect(session_settings(settings, name))) as connection:
            memory.mark(connection, settings.kafka.group, ranges)

    life = LifeSettings(
        drain_timeout=settings.worker.drain_timeout,
        stall_timeout=settings.worker.stall_timeout,
        keep_hours=settings.ledger.keep_hours,
    )
    hooks = Hooks(
        close_target=sink.close, close_lookups=close_lookups, mark=mark, watches=[planner.watch for planner in planners]
    )
    return WorkerLife(reader, ahead, applier, life, hooks)
