"""What a scenario works with: a worker, an admin process, what both tell, and the ways to their servers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.front import Front
from tests.faults.link import Link
from tests.faults.office import Office
from tests.faults.trial import Trial
from tests.real.engine.load import Load
from tests.real.engine.worker import Process, eventually

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


@dataclass(frozen=True)
class Ways:
    """To each server of the worker and the admin process but the broker, whose way the ground has."""

    target: Link
    registry: Link
    collector: Link
    front: Front


@dataclass
class Scene:
    """One scenario while it goes on."""

    trial: Trial
    ways: Ways
    worker: Process = field(init=False)
    office: Office = field(init=False)

    @contextmanager
    def working(self) -> Iterator[Load]:
        """Both tables are fed and applied, until the context is left."""
        with self.trial.load() as load:
            self.begin()
            yield load

    def begin(self, batches: int = 5) -> None:
        """The worker applies so many, the admin process answers."""
        self.worker = self.trial.run()
        self.office = Office(self.trial.workers, self.trial.job)
        self.worker.said("batch applied", batches)
        self.office.answers("GET", "/about")

    def killed(self) -> None:
        """The worker is killed, and another one begins."""
        self.worker.kill()
        self.worker = self.trial.run()

    @property
    def applied(self) -> int:
        """Batches that the worker has applied."""
        return len(self.worker.lines("batch applied"))

    def goes_on(self, batches: int = 3) -> None:
        """Wait until it has applied so many more."""
        seen = self.applied
        eventually(lambda: self.applied >= seen + batches, "rows go on", 60)

    def api(self, path: str) -> httpx.Response:
        """What the admin process says."""
        found: list[httpx.Response] = []

        def asked() -> bool:
            answer = self.office.ask("GET", path)
            found.extend([answer] if answer is not None else [])
            return bool(found)

        eventually(asked, "the admin process answers", 60)
        return found[0]

    def lag(self) -> dict[str, Any]:
        """How far the group is behind, as the admin process says it."""
        answer = self.api("/lag")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def behind(self) -> int:
        """How many records are not applied, as the admin process says it."""
        return sum(each["records"] or 0 for each in self.lag()["items"])

    def healed(self) -> set[str]:
        """What was put right by itself so far."""
        return {str(row[0]) for row in self.trial.target.ask("SELECT act FROM headrace.healing")}

    def metric(self, name: str, *labels: str) -> float:
        """The sum of a metric's samples that have all these labels, as the worker serves them."""
        (served, *_) = self.worker.lines("metrics are served")
        text = httpx.get(f"http://127.0.0.1:{served['port']}/metrics", timeout=10).text
        found = [match for line in text.splitlines() if (match := _SAMPLE.match(line)) and match[1] == name]
        return sum(float(match[3]) for match in found if all(label in (match[2] or "") for label in labels))

    def lives(self) -> None:
        """Its loops turn."""
        (served, *_) = self.worker.lines("metrics are served")
        assert httpx.get(f"http://127.0.0.1:{served['port']}/healthz", timeout=10).status_code == 200

    def stays(self) -> None:
        """The same, and it has kept its partitions."""
        self.lives()
        assert self.worker.lines("partitions lost") == []
