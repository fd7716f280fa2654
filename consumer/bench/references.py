"""What the two ends give at most: reading a topic without doing anything, and applying COPY streams made beforehand, by
PostgreSQL alone and by Headrace's own session.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from confluent_kafka import Consumer, Message, TopicPartition

from consumer.bench import engine, target
from consumer.bench.failures import late
from consumer.bench.plain import Plain
from consumer.bench.race import Entry, now
from consumer.bench.rig import Rig
from consumer.bench.scenario import Dataset
from consumer.bench.store import Result
from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.core.plan import Plan
from consumer.core.policy import Policy
from consumer.core.records import Slice
from consumer.core.records import TopicPartition as At
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.registry import HttpRegistry
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import Marks
from consumer.planning.planner import Planner
from consumer.planning.unbound import Unbound

CONSUME = "consume"
PLAIN = "plain-copy-upsert"
APPLY = "copy-upsert"
_BATCH = 20_000
_SILENCE = 30.0


def consume(rig: Rig, scenario: str, size: int, dataset: Dataset) -> Result:
    """Reads every record of the dataset once and touches its value."""
    started = time.monotonic()
    first = last = started
    count = landed = 0
    for messages in _batches(rig, dataset):
        last = time.monotonic()
        if not count:
            first, landed = last, len(messages)
        count += len(messages)
    result = Result(
        scenario=scenario,
        contender=CONSUME,
        size=size,
        rate=round((count - landed) / max(last - first, 1e-3), 1),
        seconds=round(last - first, 3),
        wall_seconds=round(last - started, 3),
        finished_at=now(),
    )
    rig.store.add(result)
    return result


def plain(rig: Rig, scenario: str, size: int, dataset: Dataset) -> Result:
    """Plans every batch beforehand, then times PostgreSQL's own COPY and upserts of their rows, and nothing of ours."""

    def work(sink: PostgresSink, plans: Sequence[Plan]) -> float:
        with rig.target() as connection:
            return Plain(connection).seconds([plan.writes for plan in plans])

    return _applied(rig, Entry(scenario=scenario, size=size, contender=PLAIN), dataset, work)


def apply(rig: Rig, scenario: str, size: int, dataset: Dataset) -> Result:
    """Plans every batch beforehand, then times Headrace's own session on them, and nothing else."""

    def work(sink: PostgresSink, plans: Sequence[Plan]) -> float:
        started = time.monotonic()
        for plan in plans:
            sink.apply(plan)
        return time.monotonic() - started

    return _applied(rig, Entry(scenario=scenario, size=size, contender=APPLY), dataset, work)


def _applied(rig: Rig, entry: Entry, dataset: Dataset, work: Callable[[PostgresSink, Sequence[Plan]], float]) -> Result:
    """Plans every batch, then does the work, which answers its seconds."""
    target.reset(rig, dataset)
    version = engine.version()
    worker = f"bench-{uuid.uuid4().hex[:8]}"
    with rig.target() as connection:
        migrate(connection)
    sink = PostgresSink(SessionSettings(dsn=rig.endpoints.target_dsn, worker=worker), worker)
    sink.open()
    try:
        seconds = work(sink, list(_plans(rig, worker, sink, dataset)))
    finally:
        sink.close()
    result = Result(
        scenario=entry.scenario,
        contender=entry.contender,
        size=entry.size,
        rate=round(dataset.events / max(seconds, 1e-3), 1),
        seconds=round(seconds, 3),
        wall_seconds=round(seconds, 3),
        correct=target.same(rig, dataset),
        finished_at=now(),
        version=version,
    )
    rig.store.add(result)
    return result


def _batches(rig: Rig, dataset: Dataset) -> Iterator[Sequence[Message]]:
    """All records of the topics, each value touched, in batches of at most `_BATCH`."""
    consumer = Consumer(
        {
            "bootstrap.servers": rig.endpoints.kafka,
            "group.id": f"bench-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0) for topic in dataset.topics])
        left = dataset.events
        heard = time.monotonic()
        while left > 0:
            messages = [message for message in consumer.consume(_BATCH, 0.1) if message.error() is None]
            if messages:
                heard = time.monotonic()
                left -= len(messages)
                sum(len(message.value() or b"") for message in messages)
                yield messages
            elif time.monotonic() - heard > _SILENCE:
                raise late("consume", f"{left:,} records are missing", "Delete the data directory and begin anew.")
    finally:
        consumer.close()


def _plans(rig: Rig, worker: str, sink: PostgresSink, dataset: Dataset) -> Iterator[Plan]:
    """Plans with their COPY streams and without their raw records, for positions that are taken here."""
    rows, known = RowDecoder(), KnownBindings()
    offsets = KafkaOffsets(
        KafkaSettings(bootstrap_servers=rig.endpoints.kafka, group=worker, topics=tuple(dataset.topics))
    )
    registry = HttpRegistry(rig.endpoints.registry_url, CircuitBreaker("registry"), timeout=10.0)
    pool = TargetPool(sink.settings, CircuitBreaker("target"))
    catalog = PostgresCatalog(pool, worker)
    sources = Sources(registry=registry, catalog=catalog, offsets=offsets, rows=rows)
    binder = Binder(known, sources, BinderSettings())
    decoders = Decoders(fast=ColumnarDecoder(rows), careful=rows)
    planner = Planner(decoders, CopyEncoder(), known, Marks(), Policy(), most=_BATCH)
    places = [At(topic, 0) for topic in dataset.topics]
    sink.seed(offsets.initial(places))
    epochs = {taken.at: taken.epoch for taken in sink.take(offsets.initial(places))}
    try:
        for messages in _batches(rig, dataset):
            slices = _slices(messages, epochs)
            plan = _planned(planner, binder, slices)
            yield replace(plan, slices=tuple(replace(piece, keys=[], values=[], offsets=[]) for piece in slices))
    finally:
        pool.close()
        binder.close()
        registry.close()


def _planned(planner: Planner, binder: Binder, slices: Sequence[Slice]) -> Plan:
    while True:
        try:
            return planner.plan(slices)
        except Unbound as unbound:
            binder.bind(unbound.wanted, unbound.labels)


def _slices(messages: Sequence[Message], epochs: dict[At, int]) -> list[Slice]:
    by_topic: dict[At, list[Message]] = {}
    for message in messages:
        by_topic.setdefault(At(str(message.topic()), message.partition() or 0), []).append(message)
    return [_slice(at, epochs[at], group) for at, group in by_topic.items()]


def _slice(at: At, epoch: int, group: Sequence[Message]) -> Slice:
    offsets = [message.offset() or 0 for message in group]
    return Slice(
        at=at,
        epoch=epoch,
        start=offsets[0],
        end=offsets[-1] + 1,
        offsets=offsets,
        keys=[message.key() for message in group],
        values=[message.value() for message in group],
        size=0,
    )
