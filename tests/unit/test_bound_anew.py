"""What is to be bound anew: from then on nothing is applied that was planned before."""

import threading

import pytest

from consumer.ports.target import Taken
from consumer.stack.waiting import wait_until
from tests.unit.test_draining import AT, OTHER, Scene


@pytest.mark.parametrize("waiting", [False, True], ids=["between two turns", "while it waits for work"])
def test_what_was_planned_before_is_read_anew(waiting: bool) -> None:
    """Whenever in its turn the apply thread is asked for it."""
    scene = Scene()
    changes: list[str] = []

    def asks() -> None:
        assert not waiting or wait_until(scene.handover.hungry, 10)
        scene.applier.bind_anew(lambda: changes.append("made"))
        scene.offer(AT, 100, 110)

    other = threading.Thread(target=asks)
    other.start()
    if not waiting:
        other.join()
    scene.applier.turn(10)
    other.join()

    assert changes == ["made"]
    assert scene.target.applied == []
    taken = [notice for notice in scene.handover.notices() if isinstance(notice, Taken)]
    assert {one.at for one in taken} == {AT, OTHER}
