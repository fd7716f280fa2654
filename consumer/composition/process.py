"""What all threads of a process share: ways to the servers, who watches it, and its name."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from consumer.background.recording import Recorder
from consumer.composition.edge_settings import (
    breaker,
    kafka_settings,
    session_settings,
)
from consumer.composition.heard import Heard
from consumer.composition.heeding import TableNames
from consumer.composition.reloading import Reloading
from consumer.core.flags import Switches
from consumer.edges import descriptors
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.kafka.config import selects
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.memory import resident
from consumer.edges.postgres.healing import PostgresHealing
from consumer.edges.postgres.lookup import PostgresOverview
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.session import MOST_NAMED
from consumer.edges.postgres.table_names import PostgresTableNames
from consumer.ports.facts import Fact, Tell
from consumer.ports.target import Overview
from consumer.ports.topics import Offsets
from consumer.settings.loading import Settings
from consumer.telemetry import journeys
from consumer.telemetry.gauging import Sample
from consumer.telemetry.grouping import GroupSamples
from consumer.telemetry.labels import Bounded
from consumer.telemetry.process import process_samples
from consumer.telemetry.watchers import Watchers


def worker_name(settings: Settings) -> str:
    """A name that no other process has: the setting, the process id, and chance; whole where its sessions are named."""
    own = f"-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    return settings.worker.name[: MOST_NAMED - len(own)] + own


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
    away, target = breaker(settings, "target"), settings.target
    pool_limits = PoolLimits(size=target.pool_size, idle=target.pool_idle, lifetime=target.pool_lifetime)
    with closing(TargetPool(session_settings(settings, name), away, pool_limits)) as pool:
        record = PostgresHealing(pool, settings.kafka.group, name)
        yield Connections(
            pool=pool,
            target=away,
            registry=breaker(settings, "registry"),
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
    hearers = [*hearers, journeys.bind, journeys.say]
    told = Watchers(Bounded(settings.telemetry.max_topics), hearers, counts=settings.telemetry.serve)
    told.ask(lambda: process_samples(settings.kafka.group, resident(), (descriptors.held(), descriptors.limit())))
    if not settings.telemetry.serve:
        yield told
        return
    with told.serving(settings.telemetry.host, settings.telemetry.port):
        yield told


def reading(reloading: Reloading) -> Callable[[str], bool]:
    """Whether the group is to read a topic, by the settings of that moment."""

    def reads(topic: str) -> bool:
        settings = reloading.settings
        return settings.lane.is_retry(topic) or selects(kafka_settings(settings), topic)

    return reads


def ours_by(reloading: Reloading) -> Callable[[str], bool]:
    """Whether who writes a topic is a source of the group: it is read, or of heartbeats or changes of schemas of ours.

    Tables may be quiet for long, and not have been read by a snapshot.
    """
    reads = reading(reloading)

    def ours(topic: str) -> bool:
        source = reloading.settings.source
        return reads(topic) or topic in (source.heartbeats, source.topic_prefix)

    return ours


def group_samples(reloading: Reloading, told: Watchers) -> GroupSamples:
    """How the group is told of."""
    wanted = reloading.settings.telemetry
    return GroupSamples(
        group=reloading.settings.kafka.group,
        topics=told.topics,
        tables=Bounded(wanted.max_topics),
        partitions=wanted.max_partitions,
        kafka_names=wanted.kafka_names,
        reads=reading(reloading),
    )


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


@dataclass(frozen=True, slots=True)
class Steering:
    """What a worker is told while it runs: flags that are off, changed settings, and whether it has to end at once."""

    heard: Heard
    reloading: Reloading
    hurried: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Given:
    """What a worker is made of: what is said of it, what its process shares, who watches it, and what steers it."""

    settings: Settings
    name: str
    shared: Connections
    told: Watchers
    steering: Steering

    @property
    def group(self) -> str:
        """The consumer group."""
        return self.settings.kafka.group
