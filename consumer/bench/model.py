"""What a rate takes, from measured unit costs: a line through nothing, so an extrapolation. Pure."""

from dataclasses import dataclass
from math import ceil

MILLION = 1e6
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Measured of one worker: events a second, CPU seconds for a million events, bytes for one."""

    rate: float
    client_cpu: float
    server_cpu: float
    broker_cpu: float
    event_bytes: float
    wal_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is assumed and was not measured.

    `headroom`: how much faster than the steady rate everything has to be, to catch up after a stop. A database's cores
    that may be spent on applying, and the WAL that its disk and its replicas take, in MB a second.
    """

    headroom: float = 2.0
    database_cores: float = 16.0
    database_wal: float = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Of a steady rate. Cores are those of the steady rate; workers and databases have the headroom."""

    rate: float
    worker_cores: float
    workers: int
    database_cores: float
    wal: float
    databases: int
    broker_cores: float
    traffic: float


def needs(rate: float, units: Units, limits: Limits) -> Needs:
    """What so many events a second take."""
    cores, wal = rate * units.server_cpu / MILLION, rate * units.wal_bytes / MEGABYTE
    databases = max(cores / limits.database_cores, wal / limits.database_wal) * limits.headroom
    return Needs(
        rate=rate,
        worker_cores=rate * units.client_cpu / MILLION,
        workers=ceil(rate * limits.headroom / units.rate),
        database_cores=cores,
        wal=wal,
        databases=max(1, ceil(databases)),
        broker_cores=rate * units.broker_cpu / MILLION,
        traffic=rate * units.event_bytes / MEGABYTE,
    )
