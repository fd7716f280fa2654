"""How a worker is, from its own report."""

from collections.abc import Iterator, Mapping

from consumer.core.breaking import BreakerState
from consumer.core.pressure import Strain
from consumer.ports.presence import HeldBack, Report
from consumer.ports.target import PoolStatus
from consumer.telemetry import metrics
from consumer.telemetry.gauging import Sample


def worker_samples(report: Report, pool: PoolStatus, turned: Mapping[str, float]) -> Iterator[Sample]:
    """Its samples. `turned`: when each of its loops last turned, in seconds since 1970."""
    yield Sample(metrics.HELD, len(report.partitions))
    yield Sample(metrics.QUEUE_BATCHES, report.queue_batches)
    yield Sample(metrics.QUEUE_BYTES, report.queue_bytes)
    batch = report.batch
    yield Sample(metrics.IN_FLIGHT, batch.records if batch else 0)
    yield Sample(metrics.IN_FLIGHT_SECONDS, batch.seconds if batch else 0)
    for flag in sorted(report.flags_off):
        yield Sample(metrics.FLAGS_OFF, 1, (flag,))
    for breaker in report.breakers:
        for state in BreakerState:
            yield Sample(metrics.BREAKER, breaker.state is state, (breaker.name, state))
    yield Sample(metrics.POOL_SESSIONS, pool.used, ("used",))
    yield Sample(metrics.POOL_SESSIONS, max(0, pool.open - pool.used), ("idle",))
    yield Sample(metrics.POOL_LIMIT, pool.limit)
    yield Sample(metrics.POOL_WAITING, pool.waiting)
    yield Sample(metrics.POOL_ASKED, pool.asked)
    yield Sample(metrics.POOL_WAITED, pool.waited)
    for loop, moment in turned.items():
        yield Sample(metrics.TURNED, moment, (loop,))


def pressure_samples(held_back: HeldBack | None, waited: float) -> Iterator[Sample]:
    """What it does not read, and how long its critical tables wait."""
    for strain in Strain:
        yield Sample(metrics.PRESSURE, held_back.level if held_back and held_back.strain is strain else 0, (strain,))
    yield Sample(metrics.CRITICAL_WAIT, waited)
