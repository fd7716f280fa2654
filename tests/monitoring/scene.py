"""A group on real servers that is watched by a real Prometheus with short thresholds."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from consumer.alerts.rules import ALERTS, rules
from consumer.settings.alerts import Alerts
from consumer.stack.ports import choose
from consumer.stack.stack import Stack
from tests.real.engine.feed import Feed
from tests.real.engine.witness import Target
from tests.real.engine.worker import Job, Process, Workers, eventually

from .servers import Watch

Labels = Mapping[str, str]
Provoke = Callable[["Scene"], AbstractContextManager[Labels]]
# a batch waits for a lock for longer than any test does
PATIENT = {"deadline": 60.0}
# an alert comes and goes within it
PATIENCE = 60.0
# a letter is overdue after a minute
_SLOW = {"HeadraceRetryOverdue": 120.0}
SOON = Alerts(
    runbooks="https://docs.example/runbooks",
    lag_seconds=3,
    lag_for=1,
    stalled_for=1,
    stopped_for=1,
    unknown_for=2,
    paused_for=2,
    stale_seconds=5,
    stale_for=1,
    unseen_seconds=6,
    unseen_for=2,
    silence_seconds=6,
    silence_for=1,
    connector_for=1,
    connect_for=1,
    workers_for=1,
    unread_for=1,
    loop_seconds=5,
    memory_for=1,
    window=40,
    restarts=3,
    restart_window=120,
    fence_losses=0,
    rebalances=4,
    dead_seconds=3,
    letters=3,
    letters_for=1,
    overdue_for=1,
    unpublished_for=3,
    new_kind_seconds=60,
    new_kind_shown=8,
    away_for=1,
    short_window=15,
    pool_waits=0.2,
    pool_for=1,
    control_bytes=30_000_000,
    control_for=1,
)
"""Thresholds under which a test need not wait."""

_KNOWN = {alert.name: alert for alert in ALERTS}


@dataclass(slots=True, kw_only=True)
class Scene:
    """One group: its job, its target and its topic, whoever runs, and who watches."""

    stack: Stack
    target: Target
    workers: Workers
    watch: Watch
    job: Job
    feed: Feed
    _ports: dict[int, Process] = field(default_factory=dict)

    def worker(self, **changes: Any) -> Process:
        """One more worker, scraped."""
        return self._scraped(self.workers.run(replace(self.job, **changes)))

    def admin(self) -> Process:
        """The admin process, scraped."""
        sections = {**self.job.sections, "admin": {"port": choose(["admin"], {})["admin"]}}
        return self._scraped(self.workers.command(replace(self.job, sections=sections), "admin", "serve"))

    def command(self, *words: str, code: int = 0) -> None:
        """A command of people, to its end."""
        process = self.workers.command(self.job, *words)
        assert process.finish() == code, process.text()

    def kill(self, process: Process) -> None:
        """End it at once; it is scraped no more."""
        process.kill()
        self.forget(process)

    def forget(self, process: Process) -> None:
        """It is scraped no more."""
        self._ports = {port: each for port, each in self._ports.items() if each is not process}
        self.watch.scrape(list(self._ports))

    def settle(self) -> None:
        """Wait until all is applied and known."""
        eventually(lambda: self.target.reached(self.job.group, self.feed), "everything is applied")
        eventually(lambda: self.watch.now("headrace_lag_looked_timestamp_seconds"), "Prometheus has a look")

    def bad(self, number: int) -> None:
        """So many records that the table does not take, as a check of it has it."""
        self.target.do("ALTER TABLE once DROP CONSTRAINT IF EXISTS devilish")
        self.target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666) NOT VALID")
        for _ in range(number):
            self.feed.last += 1
            self.feed.send("c", self.feed.last, "bad", 666)
        self.feed.flush()

    def dead(self) -> list[str]:
        """The ids of dead letters."""
        query = "SELECT id FROM headrace.letters WHERE group_name = %s AND state = 'dead' ORDER BY id"
        return [str(row[0]) for row in self.target.ask(query, self.job.group)]

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody else gets at a table meanwhile."""
        with psycopg.connect(self.target.dsn) as session:
            session.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            yield
            session.rollback()

    def is_told(self, name: str, labels: Mapping[str, str]) -> None:
        """It fires in Prometheus and has come to Alertmanager, with its words."""
        alert = _KNOWN[name]

        def fires() -> bool:
            return any(labels.items() <= found.items() for found in self.watch.firing(name))

        def heard() -> bool:
            return any(labels.items() <= each["labels"].items() for each in self.watch.told(name))

        eventually(fires, f"{name} fires in Prometheus", _SLOW.get(name, PATIENCE))
        eventually(heard, f"{name} is at Alertmanager", PATIENCE)
        (told, *_) = [each for each in self.watch.told(name) if labels.items() <= each["labels"].items()]
        assert told["labels"]["severity"] == alert.severity
        assert told["labels"]["group"] == self.job.group
        assert told["annotations"]["description"] == alert.meaning
        assert told["annotations"]["runbook_url"] == f"https://docs.example/runbooks/{name}.md"
        assert told["annotations"]["summary"]
        assert "<no value>" not in told["annotations"]["summary"]

    def is_over(self, name: str) -> None:
        """It fires no more, and Alertmanager knows."""
        eventually(lambda: not self.watch.firing(name), f"{name} has ended in Prometheus", PATIENCE)
        eventually(lambda: not self.watch.told(name), f"{name} has ended at Alertmanager", PATIENCE)

    def heed(self, **changes: Any) -> None:
        """Other thresholds from now on."""
        self.watch.follow(rules(self.job.group, SOON.model_copy(update=changes).model_dump()))

    def _scraped(self, process: Process) -> Process:
        process.said("metrics are served")
        self._ports[int(process.lines("metrics are served")[0]["port"])] = process
        self.watch.scrape(list(self._ports))
        return process
