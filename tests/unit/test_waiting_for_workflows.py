"""Commands that wait for a workflow wait as long as it goes on by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.workflow import State
from consumer.operate import reconcile, workflows
from consumer.ports.recovering import Step, Workflow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def workflow() -> Workflow:
    """A comparison that goes on."""
    step = Step(
        number=1,
        act="reconcile",
        subject={"table": "public.t"},
        state="running",
        progress={},
        started_at=NOON,
        ended_at=None,
        counts={},
    )
    return Workflow(
        id=1,
        kind="reconcile",
        subject={},
        state=State.RUNNING,
        why="",
        created_by="me",
        reason="ticket 1",
        created_at=NOON,
        started_at=NOON,
        ended_at=None,
        steps=[step],
    )


class Desk:
    """Has the comparison."""

    def __init__(self) -> None:
        self.kept = workflow()

    def workflow(self, number: int) -> Workflow | None:
        """As it is."""
        return self.kept if number == 1 else None


def test_a_turn_that_time_heals_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and taken again."""
    desk, turns = Desk(), list[int]()

    def turn(number: int) -> None:
        turns.append(number)
        if len(turns) == 1:
            raise Transient(failed(KINDS["source.away"], "source", "connect", "nobody answers"))
        steps = [replace(step, state="done") for step in desk.kept.steps]
        desk.kept = replace(desk.kept, state=State.DONE, ended_at=NOON, steps=steps)

    @contextmanager
    def opened(what: Any) -> Iterator[Any]:
        yield what

    monkeypatch.setattr(reconcile, "recoveries_of", lambda _: opened(desk))
    monkeypatch.setattr(workflows, "turns_of", lambda _: opened(turn))
    result = CliRunner().invoke(app, ["reconcile", "wait", "1"])
    assert (result.exit_code, turns) == (0, [1, 1]), result.output
    assert "nobody answers" in result.stderr
