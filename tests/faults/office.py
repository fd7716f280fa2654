"""`headrace admin serve` as a process that may be killed, and a person who asks it again until it answers."""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from consumer.stack.waiting import wait_until
from tests.real.engine.worker import Job, Process, Workers

_STARTS = 60.0
WHY = {"reason": "the check is gone"}


@dataclass(slots=True)
class Office:
    """The API of a job's group, on a port that stays."""

    workers: Workers
    job: Job
    kills: int = 0
    _port: int = field(init=False)
    _process: Process = field(init=False)

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self._port = taken.getsockname()[1]
        self.open()

    def open(self) -> None:
        """Start the process; it answers some time later."""
        sections = {**self.job.sections, "admin": {"port": self._port}}
        self._process = self.workers.command(replace(self.job, name="api", sections=sections), "admin", "serve")

    def kill(self) -> None:
        """SIGKILL, whatever it is at, and a new one."""
        self._process.kill()
        self.kills += 1
        self.open()

    def close(self) -> None:
        """End the process."""
        self._process.leave()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response | None:
        """What it answers; None where it is gone in between."""
        with suppress(httpx.TransportError):
            return httpx.request(
                method, f"http://127.0.0.1:{self._port}/api/v1{path}", json=body, timeout=120, verify=False
            )
        return None

    def answers(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask until it answers."""
        found: list[httpx.Response] = []

        def asked() -> bool:
            answer = self.ask(method, path, body)
            found.extend([answer] if answer is not None else [])
            return bool(found)

        assert wait_until(asked, _STARTS, interval=0.2), "the API does not answer"
        assert found[0].status_code < 300, found[0].text
        return found[0].json()

    def looks(self, number: int) -> dict[str, Any]:
        """A job as it is."""
        found: dict[str, Any] = self.answers("GET", f"/jobs/{number}")
        return found

    def decides(self, number: int, action: str, before: set[str], after: set[str]) -> None:
        """Pause a job or have it go on, as a person would: look whether it was done, and say it again."""
        until = time.monotonic() + _STARTS
        while time.monotonic() < until and (state := self.looks(number)["state"]) not in after:
            assert state in before, state
            # by the time that it is told the job may be through
            self.ask("POST", f"/jobs/{number}/{action}", WHY)
