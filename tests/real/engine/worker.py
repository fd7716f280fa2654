"""Workers as real child processes: `headrace run` itself, or the test's own child program that pauses."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from consumer.stack.options import Endpoints
from consumer.stack.waiting import wait_until

from .nursery import nursery

# short, so that a dead member is noticed soon
_CLIENT = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "300", "max.poll.interval.ms": "45000"}
# for tests of groups in which nothing moves: a busy machine must not let a member seem dead
STEADY = {"session.timeout.ms": "45000"}
# seconds for what has to happen; a busy machine may be many times slower than this one
PATIENCE = 120.0
# what a process says of settings that it was to read again
TAKEN, REFUSED = "settings were read again", "settings are not taken; those of before go on"
_Found = TypeVar("_Found")
# characters of a log that the report of a failed test shows
_TOLD = 6000


def eventually(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition with a deadline."""
    assert wait_until(lambda: bool(condition()), seconds), f"not within {seconds:.0f} s: {what}"


def awaited(question: Callable[[], _Found], what: str, seconds: float = PATIENCE) -> _Found:
    """Wait for an answer that is not empty, and return it: asked once more, it might be empty again."""
    found: list[_Found] = []

    def answered() -> bool:
        found[:] = [question()]
        return bool(found[0])

    eventually(answered, what, seconds)
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Settings of a worker that tests vary."""

    at: Endpoints
    dsn: str
    group: str
    topics: tuple[str, ...]
    name: str = "w"
    initial: str = "earliest"
    max_rows: int = 50
    growth: int = 1
    # records below which the row decoder is used
    smallest_block: int = 20
    deadline: float = 5.0
    drain: float = 20.0
    # seconds that a broker may take to answer
    request_timeout: float = 30.0
    stall: float = 120.0
    level: str = "debug"
    registry_url: str = ""
    # the template of the target tables' names
    named: str = "{schema}.{table}"
    # seconds that unknown schema ids are waited for
    grace: float = 0.0
    client: Mapping[str, str] = field(default_factory=dict)
    letters: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    evolution: Mapping[str, str] = field(default_factory=dict)
    # by target table
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # by their names in the file
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def toml(self) -> str:
        """The settings file."""
        sections: dict[str, dict[str, Any]] = {
            "kafka": {
                "bootstrap_servers": self.at.kafka,
                "group": self.group,
                "topics": list(self.topics),
                "initial": self.initial,
                "metadata_refresh": 1,
                "request_timeout": self.request_timeout,
            },
            "kafka.client": {**_CLIENT, **self.client},
            "registry": {
                "url": self.registry_url or self.at.registry_url,
                "timeout": 2,
                "unknown_grace": self.grace,
            },
            "target": {
                "dsn": self.dsn,
                "batch_deadline": self.deadline,
                "connect_timeout": 3,
                "table": self.named,
            },
            "batch": {"max_rows": self.max_rows, "growth": self.growth, "smallest_block": self.smallest_block},
            "worker": {"name": self.name, "drain_timeout": self.drain, "stall_timeout": self.stall},
            "letters": dict(self.letters),
            "source": dict(self.source),
            "evolution": dict(self.evolution),
            "log": {"level": self.level, "format": "json"},
            **{f"tables.{json.dumps(name)}": dict(policy) for name, policy in self.tables.items()},
            **{name: dict(section) for name, section in self.sections.items()},
        }
        lines = []
        for section, values in sections.items():
            lines += [f"[{section}]", *_pairs(values)]
        return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, Any]) -> list[str]:
    # dotted keys must be quoted
    return [f"{json.dumps(key)} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:
    # a JSON string, number or list of strings is TOML too
    return f"{{{', '.join(_pairs(value))}}}" if isinstance(value, Mapping) else json.dumps(value)


class Process:
    """One running worker and its log."""

    def __init__(self, words: list[str], log: Path) -> None:
        self.log_file = log
        log.touch()
        self._popen = nursery().start(words, log, _environment())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """A signal from outside."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        if self.code is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
        self._popen.wait(10)

    def freeze(self) -> None:
        """SIGSTOP; returns when the kernel has stopped it."""
        self.send(signal.SIGSTOP)
        state = Path(f"/proc/{self.pid}/stat")
        eventually(lambda: state.read_text().rsplit(") ", 1)[1][0] == "T", "the process is stopped", 5)

    def thaw(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def finish(self, seconds: float = PATIENCE) -> int:
        """Wait for the exit code."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:.0f} s:\n{self.text()[-3000:]}") from None

    def leave(self, seconds: float = PATIENCE) -> int:
        """SIGTERM, and the exit code."""
        self.send(signal.SIGTERM)
        return self.finish(seconds)

    def text(self) -> str:
        """The whole log."""
        return self.log_file.read_text(errors="replace")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Log entries of one event."""
        # what the client library itself says may stand behind an entry, on its line
        read = json.JSONDecoder().raw_decode
        found = [read(line)[0] for line in self.text().splitlines() if line.startswith("{") and "}" in line]
        return [entry for entry in found if entry.get("event") == event]

    def said(self, event: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until the log has an event so often."""
        eventually(lambda: len(self.lines(event)) >= times, f"{event!r} {times} times in {self.log_file.name}", seconds)

    def told(self, line: str, seconds: float = PATIENCE) -> None:
        """Wait for a plain line that the child program prints."""
        eventually(lambda: line in self.text().splitlines(), f"{line!r} in {self.log_file.name}", seconds)


class Workers:
    """Starts workers of one test; all are killed afterwards."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[Process] = []

    def run(self, job: Job, *arguments: str) -> Process:
        """The unmodified program."""
        return self._start(job, ["-m", "consumer", "run", "--config", str(self._settings(job)), *arguments])

    def until_current(self, job: Job, seconds: float = PATIENCE) -> Process:
        """Run it until everything that is there is applied."""
        process = self.run(job, "--until-current")
        code = process.finish(seconds)
        assert code == 0, f"exit code {code}:\n{process.text()[-3000:]}"
        return process

    def command(self, job: Job, *words: str) -> Process:
        """Another command of the program, with the job's settings."""
        return self._start(job, ["-m", "consumer", *words, "--config", str(self._settings(job))])

    def child(self, job: Job, *words: str) -> Process:
        """The test's own child program, told what to do by words."""
        return self.program("child.py", job, *words)

    def program(self, name: str, job: Job, *words: str) -> Process:
        """A child program beside this file."""
        program = Path(__file__).with_name(name)
        return self._start(job, [str(program), str(self._settings(job)), *words])

    def kill_all(self) -> None:
        """End everything that still runs, and print how each log ends: the report of a failed test shows it."""
        for process in self._started:
            process.kill()
            print(f"{process.log_file.name} ends:\n{process.text()[-_TOLD:]}")

    def _settings(self, job: Job) -> Path:
        path = self._directory / f"{job.name}-{len(self._started)}.toml"
        path.write_text(job.toml())
        return path

    def _start(self, job: Job, words: list[str]) -> Process:
        log = self._directory / f"{job.name}-{len(self._started)}.log"
        process = Process(words, log)
        self._started.append(process)
        return process


def read_again(process: Process, job: Job | str) -> dict[str, Any]:
    """Write its file anew and send it SIGHUP; what it says of that, first."""
    before = len(process.lines(TAKEN)) + len(process.lines(REFUSED))
    process.log_file.with_suffix(".toml").write_text(job if isinstance(job, str) else job.toml())
    process.send(signal.SIGHUP)

    def said() -> list[dict[str, Any]]:
        return [*process.lines(TAKEN), *process.lines(REFUSED)]

    eventually(lambda: len(said()) > before, "it says what came of it")
    return max(said(), key=lambda entry: str(entry["timestamp"]))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
