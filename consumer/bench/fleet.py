"""Several workers of one group, each a `headrace run` process of its own that may be restarted."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import psycopg

from consumer.bench import contender
from consumer.bench.failures import broken, late
from consumer.bench.modes import Mode
from consumer.bench.rig import Rig
from consumer.stack.process import Process, Spawner
from consumer.stack.waiting import wait_until

_PATIENCE = 90.0
_CLIENT = "HEADRACE_KAFKA__CLIENT"


class Fleet:
    """Workers by their places, from 1 on. Use `opened`."""

    def __init__(self, rig: Rig, topics: Sequence[str], mode: Mode, spawner: Spawner) -> None:
        self.group = contender.new_group()
        self._rig = rig
        self._mode = mode
        self._spawner = spawner
        self._settings = contender.write_settings(rig, self.group, topics)
        self._workers: dict[int, Process] = {}

    def start(self, place: int) -> None:
        """Start the worker of a place."""
        client = {**json.loads(os.environ.get(_CLIENT, "{}")), **self._mode.client_of(place)}
        variables = {_CLIENT: json.dumps(client), "HEADRACE_WORKER__NAME": f"place{place}"}
        log = self._rig.scratch / f"{self.group}-{place}.log"
        command = contender.worker(self._rig, self._settings, variables)
        self._workers[place] = self._spawner.spawn(contender.HEADRACE, command, log)

    def stop(self, place: int) -> float:
        """End the worker of a place in order; returns the seconds that it took. Raises Persistent if that fails."""
        worker, began = self._workers.pop(place), time.monotonic()
        worker.stop()
        if worker.code != 0:
            raise broken("fleet", "worker_died", f"a worker left with code {worker.code}", f"Read {worker.log}.")
        return time.monotonic() - began

    def stop_all(self) -> None:
        """End what still runs."""
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()

    @property
    def pids(self) -> Mapping[int, int]:
        """The process in each place."""
        return {place: worker.pid for place, worker in self._workers.items()}

    def check(self, connection: psycopg.Connection) -> None:
        """Raises Persistent when a worker has ended by itself, or a partition is stopped."""
        for worker in self._workers.values():
            contender.check(worker, connection, self.group)

    def held(self, connection: psycopg.Connection) -> Counter[int]:
        """How many partitions each process has taken last, by its place; of one that is gone they count for nobody."""
        alive = connection.execute(_HELD, [self.group]).fetchall()
        return Counter({int(str(owner)): int(count) for owner, count in alive})

    def settle(self, connection: psycopg.Connection, partitions: int) -> None:
        """Return when all partitions are held, by every worker that runs and evenly."""

        def even() -> bool:
            self.check(connection)
            held = self.held(connection)
            return held.keys() == self._workers.keys() and held.total() == partitions and _spread(held) <= 1

        if not wait_until(even, _PATIENCE):
            detail = f"partitions were not spread over the workers in {_PATIENCE:.0f} s: {dict(self.held(connection))}"
            raise late("fleet", detail, "Read the workers' logs.")


_HELD = """
SELECT split_part(substr(owner, 6), '-', 1), count(*) FROM headrace.positions
WHERE group_name = %s AND owner_pid IN (SELECT pid FROM pg_stat_activity) GROUP BY 1
"""


def _spread(held: Counter[int]) -> int:
    return max(held.values()) - min(held.values())


@contextmanager
def opened(rig: Rig, topics: Sequence[str], mode: Mode) -> Iterator[Fleet]:
    """A fleet without workers; those that run in the end are ended, as the kernel does when this process ends."""
    with closing(Spawner()) as spawner:
        fleet = Fleet(rig, topics, mode, spawner)
        try:
            yield fleet
        finally:
            fleet.stop_all()
