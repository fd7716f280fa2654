"""Servers, ways to them, and the processes of one group: a worker that stays, a service whose workers die, an admin."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.stack.options import KAFKA, REGISTRY, TARGET
from consumer.stack.stack import Stack
from tests.faults.front import Front
from tests.faults.link import Address, Link
from tests.faults.linked import LOOPBACK, linked
from tests.faults.office import Office
from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.witness import TEMPLATE, Target, create_database
from tests.real.engine.worker import Job, Process, Workers

_PARTITIONS = 6
# a worker that is killed now and then is no reason to give up
_HEALING = {"worker_deaths": 100, "worker_window": 60.0}


@dataclass
class Ground:
    """All that faults break. `stays`: the worker that nobody kills."""

    stack: Stack
    kafka: Link
    target_way: Link
    registry_way: Link
    front: Front
    target: Target
    workers: Workers
    job: Job
    once: Feed
    churn: Feed
    logs: Path
    stays: Process = field(init=False)
    service: Process = field(init=False)
    office: Office = field(init=False)
    # records that no decoder reads
    damaged: list[tuple[str, int, int]] = field(default_factory=list)

    def begin(self) -> None:
        """Start all processes."""
        self.stays = self.workers.run(replace(self.job, name="stays"))
        self.serve()
        self.office = Office(self.workers, self.job)

    def serve(self) -> None:
        """Start the service of two workers."""
        self.service = self.workers.run(replace(self.job, name="dies"), "--workers", "2")

    def mortals(self) -> list[int]:
        """Workers of the service, by process id."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int((place / "stat").read_text().rsplit(") ", 1)[1].split()[1]) == self.service.pid:
                    found.append(int(place.name))
        return sorted(found)

    def leave(self) -> dict[str, int]:
        """Tell all to leave; their exit codes."""
        self.office.close()
        for process in (self.stays, self.service):
            process.send(signal.SIGTERM)
        return {name: process.finish(90) for name, process in (("stays", self.stays), ("service", self.service))}


@contextmanager
def ground(place: Path, seed: int) -> Iterator[Ground]:
    """Everything, closed afterwards."""
    servers, logs = place / "servers", place / "logs"
    for folder in (servers, logs):
        folder.mkdir(parents=True)

    with ExitStack() as opened:
        base = opened.enter_context(linked(servers, {KAFKA, REGISTRY, TARGET}))
        stack = base.stack
        target = Target(create_database(stack.endpoints.target_dsn, fresh_name("soak"), TEMPLATE))
        front = opened.enter_context(Front(stack.endpoints.registry_url))
        registry = opened.enter_context(Link(lambda: (LOOPBACK, front.server_port)))
        way = opened.enter_context(Link(lambda: _address(target.dsn)))
        once = Feed(stack.endpoints, "once", fresh_name("once"), _PARTITIONS)
        churn = Feed(stack.endpoints, "churn", fresh_name("churn"), _PARTITIONS)
        job = Job(
            at=stack.endpoints,
            dsn=make_conninfo(target.dsn, host=LOOPBACK, port=way.port),
            group=f"soak_{seed}",
            topics=(once.topic, churn.topic),
            registry_url=front.url.replace(str(front.server_port), str(registry.port)),
            level="info",
            sections={
                "batch": {"max_rows": 2000, "min_rows": 10, "smallest_block": 20},
                "retry": {"table_first": 0.5, "table_most": 2.0, "environment_most": 2.0},
                "healing": _HEALING,
                "telemetry": {"look_every": 2},
            },
            letters={"flood_percent": 50},
        )
        workers = Workers(logs)
        opened.callback(workers.kill_all)
        yield Ground(stack, base.kafka, way, registry, front, target, workers, job, once, churn, logs)


def _address(dsn: str) -> Address:
    parts = conninfo_to_dict(dsn)
    return str(parts["host"]), int(parts["port"] or 5432)
