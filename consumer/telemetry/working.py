"""How a worker is, from its own report."""

from collections.abc import Iterator, Mapping

from consumer.core.breaking import BreakerState
from consumer.ports.presence import Report
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
