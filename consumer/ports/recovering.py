"""Comparisons and recoveries as people start them, look at them and decide about them: values and a port."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from consumer.core.plans import Planned
from consumer.core.reconcile import DIFFERENCES, Verdict
from consumer.core.steering import Steer
from consumer.core.undo import Effect
from consumer.ports.desk import Note

Hides = Callable[[str, str], bool]
"""Whether the values of a target table's column are never shown."""

_TOLD = frozenset({"rows", "ranges", "size", "rounds", "expected", "walked", "source", "key", "columns", "left_out"})
_TOLD |= {"not_compared", "from", "to", "position", "goal", "positions", "goals", "place", "told", "sent", "moved"}
_TOLD |= {"deleted", "written_since", "taken_back", "stopped", "gone", *(effect.value for effect in Effect), "cannot"}


def told_progress(progress: Mapping[str, Any]) -> dict[str, Any]:
    """What people are told of a step's progress: nothing that rows hold, as their keys would be.

    `round`: whether rows are looked at again; `watched`: how many are waited for.
    """
    found = {name: value for name, value in progress.items() if name in _TOLD}
    if "round" in progress:
        found["round"] = progress["round"] is not None
    if "watched" in progress:
        found["watched"] = len(progress["watched"])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a workflow. `counts`: keys that it found, by verdict; `progress`: see `told_progress`."""

    number: int
    act: str
    subject: dict[str, Any]
    state: str
    progress: dict[str, Any]
    started_at: datetime | None
    ended_at: datetime | None
    counts: dict[str, int]

    @property
    def differences(self) -> int:
        """Keys that differ for sure."""
        return sum(self.counts.get(each, 0) for each in DIFFERENCES)

    @property
    def rows(self) -> int:
        """Rows of the source that were compared."""
        return int(self.progress.get("rows", 0))

    @property
    def share(self) -> float | None:
        """How much of its rows that is, as far as it can be guessed."""
        expected = int(self.progress.get("expected", 0))
        if self.state == "done" or self.progress.get("walked"):
            return 1.0
        return min(self.rows / expected, 0.99) if expected else None

    @property
    def verdict(self) -> str:
        """What came of it, in a word."""
        if self.progress.get("not_compared"):
            return "not compared"
        if self.state != "done":
            return self.state
        if self.act != "reconcile":
            return "done"
        if self.differences:
            return "different"
        return "not sure" if self.counts.get(Verdict.MOVING) else "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a workflow without its steps."""

    id: int
    kind: str
    subject: dict[str, Any]
    state: str
    why: str
    created_by: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSummary(Known):
    """A workflow as lists have it. `table`: that of its only step; `subject`: without the tables of a comparison.

    `steps`, `done`: how many it has, and how many of them are done; `rows`, `differences`: see `Workflow`.
    """

    table: str | None
    steps: int
    done: int
    rows: int
    differences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Known):
    """A workflow as it is now."""

    steps: list[Step]

    @property
    def differences(self) -> int:
        """Keys that differ for sure, by the last comparison of each table."""
        last = {step.subject.get("table"): step.differences for step in self.steps if step.act == "reconcile"}
        return sum(last.values())

    @property
    def summary(self) -> WorkflowSummary:
        """The same in short."""
        return WorkflowSummary(
            id=self.id,
            kind=self.kind,
            subject={name: value for name, value in self.subject.items() if name != "tables"},
            state=self.state,
            why=self.why,
            created_by=self.created_by,
            reason=self.reason,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            table=self.steps[0].subject.get("table") if len(self.steps) == 1 else None,
            steps=len(self.steps),
            done=sum(step.state == "done" for step in self.steps),
            rows=sum(step.rows for step in self.steps),
            differences=self.differences,
        )

    @property
    def is_over(self) -> bool:
        """Whether it goes on no more by itself."""
        return self.state not in ("planned", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingKey:
    """A row that differs: by which columns, or that only one side has it."""

    step: int
    table: str
    key: list[str]
    verdict: str
    columns: list[str]
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A row of a batch that is to be taken back: what is done with it, or `why` it can't be.

    Named by its records in the batch, and by the key's columns where they are known.
    """

    topic: str
    partition: int
    first_offset: int
    offset: int
    table: str | None
    key: Mapping[str, str]
    effect: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What the source would be asked for: rows, in how many signals. `extra`: rows that only the target has.

    `left`: rows that can't be asked for, by why.
    """

    keys: int
    signals: int
    extra: int
    left: Mapping[str, int]


class Repairs(Protocol):
    """The source, asked for rows that differ. Raises HeadraceError, Undecidable."""

    def look(self, number: int) -> Repair:
        """What would be asked for by what a comparison found."""
        ...

    def ask(self, number: int, expect: int, note: Note) -> Repair:
        """Ask for so many rows. Raises Undecidable, and asks nothing, when it would be others."""
        ...


class Recoveries(Protocol):
    """The workflows of a group. Raises HeadraceError, Undecidable."""

    def tables(self) -> list[str]:
        """Target tables that have a topic."""
        ...

    def planned(self, kind: str, subject: Mapping[str, Any]) -> list[Planned]:
        """The steps that it would have; nothing is done. Raises Undecidable."""
        ...

    def start(self, kind: str, subject: Mapping[str, Any], note: Note) -> int:
        """Have something done; returns the workflow's number. Raises Undecidable for what can't be."""
        ...

    def workflows(self, most: int, kind: str | None = None) -> list[WorkflowSummary]:
        """The newest ones."""
        ...

    def workflow(self, number: int) -> Workflow | None:
        """One of them."""
        ...

    def decide(self, number: int, decision: Steer, note: Note) -> bool:
        """Take no more turns until it is resumed, or for good; or go on. False when there is no such workflow."""
        ...

    def keys(self, number: int, note: Note, *, verdicts: Sequence[str] = (), most: int = 100) -> list[DifferingKey]:
        """Keys that differ. They are values of rows, so that somebody looked is kept."""
        ...

    def rows(self, number: int, note: Note, most: int = 100) -> list[BatchRow]:
        """Rows of a batch that is to be taken back, first those that can't be; that somebody looked is kept."""
        ...
