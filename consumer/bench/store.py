"""What outlives a run: which topics are complete, and every result. JSON files in the data directory."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. `contender`: headrace, sink-defaults, sink-grid, sink-best, a reference, or a case of Headrace alone.

    Rates are events a second between the first and the last effect that was seen in the target, less the events
    that the first look already found; CPU and memory are the contender's process alone. `version` is the engine's,
    see `engine.version`; older stores have the package's, or none.
    """

    scenario: str
    contender: str
    size: int
    rate: float
    seconds: float
    wall_seconds: float
    cpu_per_million: float = 0.0
    peak_mb: float = 0.0
    correct: bool = True
    settings: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    load_before: float = 0.0
    finished_at: str = ""
    version: str = ""


class Store:
    """The files. One process at a time: the stack's data directory has one owner."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def topics(self) -> dict[str, dict[str, int]]:
        """Complete datasets: records by topic."""
        found: dict[str, dict[str, int]] = _read(self._directory / "topics.json", {})
        return found

    def topics_complete(self, dataset: str, counts: dict[str, int]) -> None:
        """Remember that a dataset's topics hold everything."""
        _write(self._directory / "topics.json", self.topics() | {dataset: counts})

    def results(self) -> list[Result]:
        """Every result, oldest first."""
        return [Result(**each) for each in _read(self._directory / "results.json", [])]

    def add(self, result: Result) -> None:
        """Keep a result."""
        _write(self._directory / "results.json", [asdict(each) for each in (*self.results(), result)])

    def drop(self, scenario: str, size: int) -> None:
        """Forget the results of a scenario at a size."""
        kept = [each for each in self.results() if (each.scenario, each.size) != (scenario, size)]
        _write(self._directory / "results.json", [asdict(each) for each in kept])

    def machine(self) -> dict[str, str]:
        """What the results were measured on."""
        found: dict[str, str] = _read(self._directory / "machine.json", {})
        return found

    def note_machine(self, facts: dict[str, str]) -> None:
        """Remember what the results were measured on."""
        _write(self._directory / "machine.json", facts)


def _read(file: Path, empty: Any) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else empty


def _write(file: Path, content: Any) -> None:
    """Replaces the file at once, so that an interrupted run leaves the old one."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(fresh, file)
