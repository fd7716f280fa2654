"""A partition that no broker leads, by a whole worker."""

from dataclasses import replace

import pytest

from tests.light.scene import Scene
from tests.real.engine.worker import eventually


@pytest.mark.provokes("kafka.leaderless")
def test_a_partition_without_a_leader_keeps_no_other_from_being_taken(scene: Scene) -> None:
    """It is new to the group, so its log's start is asked for. It is read once it has a leader."""
    plain, late = scene.topic("plain"), scene.topic("late")
    plain.send(1)
    late.send(1)
    job = scene.job(plain)
    scene.workers.until_current(job)
    scene.broker.take_leader(late.name)
    plain.send(2)
    worker = scene.workers.run(replace(job, topics=(plain.name, late.name)))
    eventually(lambda: scene.target.ask("SELECT count(*) FROM plain") == [(2,)], "the other is read")
    eventually(lambda: "kafka.leaderless" in worker.text(), "it is said why one is not")
    assert scene.target.ask("SELECT to_regclass('public.late')") == [(None,)]
    scene.broker.give_leader(late.name)
    eventually(lambda: scene.target.ask("SELECT to_regclass('public.late') IS NOT NULL") == [(True,)], "it is taken")
    eventually(lambda: scene.target.ask("SELECT count(*) FROM late") == [(1,)], "it is read")
    assert worker.leave() == 0
