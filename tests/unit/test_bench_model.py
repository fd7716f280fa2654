"""The model of what a rate takes is arithmetic on measured costs."""

import pytest

from consumer.bench.model import Limits, Needs, Units, needs

_UNITS = Units(rate=100_000.0, client_cpu=4.0, server_cpu=8.0, broker_cpu=1.0, event_bytes=500.0, wal_bytes=400.0)


def test_cores_and_traffic_follow_the_rate() -> None:
    """A million events a second, by hand."""
    limits = Limits(headroom=2.0, database_cores=16.0, database_wal=200.0)
    assert needs(1e6, _UNITS, limits) == Needs(
        rate=1e6,
        worker_cores=4.0,
        workers=20,
        database_cores=8.0,
        wal=400.0,
        databases=4,
        broker_cores=1.0,
        traffic=500.0,
    )


@pytest.mark.parametrize(
    ("cores", "wal", "databases"),
    [(16.0, 10_000.0, 1), (4.0, 10_000.0, 4), (1_000.0, 200.0, 4), (1_000.0, 10_000.0, 1)],
    ids=["just", "by cores", "by WAL", "by neither"],
)
def test_the_scarcer_of_cores_and_log_says_how_many_databases(cores: float, wal: float, databases: int) -> None:
    """And there is always one."""
    limits = Limits(headroom=2.0, database_cores=cores, database_wal=wal)
    assert needs(1e6, _UNITS, limits).databases == databases
