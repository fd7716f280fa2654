"""What is to be bound anew: from then on nothing is applied that was planned before."""

from typing import Any

import pytest

from consumer.ports.target import Taken
from tests.unit.test_draining import AT, OTHER, Scene


@pytest.mark.parametrize("waiting", [False, True], ids=["between two turns", "while it waits for work"])
def test_what_was_planned_before_is_read_anew(monkeypatch: pytest.MonkeyPatch, waiting: bool) -> None:
    """Whenever in its turn the apply thread is asked for it."""
    scene = Scene()
    changes: list[str] = []
    took = scene.handover.next

    def asks() -> None:
        scene.applier.bind_anew(lambda: changes.append("made"))

    def takes(timeout: float) -> Any:
        asks()
        return took(timeout)

    scene.offer(AT, 100, 110)
    if waiting:
        monkeypatch.setattr(scene.handover, "next", takes)
    else:
        asks()
    scene.applier.turn(0)
    monkeypatch.undo()

    assert changes == ["made"]
    assert scene.target.applied == []
    taken = [notice for notice in scene.handover.notices() if isinstance(notice, Taken)]
    assert {one.at for one in taken} == {AT, OTHER}
