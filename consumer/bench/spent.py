"""What the workers of a fleet and the servers have spent so far, from outside."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from consumer.bench.fleet import Fleet
from consumer.bench.rig import Rig
from consumer.bench.sampler import family_cpu
from consumer.stack.options import KAFKA, TARGET


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """CPU seconds of workers, target and broker, bytes of WAL; records applied, by the place of the worker."""

    clients: float
    server: float
    broker: float
    wal: int
    batches: int
    records: Mapping[int, int]

    def since(self, before: "Spent") -> "Spent":
        """What was spent from then on."""
        return Spent(
            clients=self.clients - before.clients,
            server=self.server - before.server,
            broker=self.broker - before.broker,
            wal=self.wal - before.wal,
            batches=self.batches - before.batches,
            records={place: count - before.records.get(place, 0) for place, count in self.records.items()},
        )


def spent(rig: Rig, workers: Fleet, connection: psycopg.Connection) -> Spent:
    """As it is now. Backends that come and go are counted with their server."""
    row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
    applied = connection.execute(_APPLIED, [workers.group]).fetchall()
    return Spent(
        clients=sum(family_cpu(pid) for pid in workers.pids.values()),
        server=family_cpu(rig.pids[TARGET]),
        broker=family_cpu(rig.pids[KAFKA]),
        wal=int(row[0]) if row else 0,
        batches=sum(int(batches) for _, batches, _ in applied),
        records={int(str(place)): int(records) for place, _, records in applied},
    )


_APPLIED = """
SELECT substr(split_part(worker, '-', 1), 6), count(*), sum(records) FROM headrace.batches
WHERE group_name = %s AND state = 'applied' GROUP BY 1
"""
