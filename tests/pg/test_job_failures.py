"""Steps of jobs that fail, or end their processes: others go on, and people are told why."""

from collections.abc import Sequence

import psycopg
import pytest

from consumer.core.failure import Persistent, Transient, failed
from consumer.core.jobs import JobKind, next_step
from consumer.core.kinds import KINDS
from consumer.core.steering import Steer
from consumer.edges.postgres.jobs import Portion, PostgresJobs
from consumer.ports.desk import Note
from dlq.actions import replay
from dlq.jobs import decide
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

AWAY = failed(KINDS["target.resources"], "postgres", "act on letters", "no memory")


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


def unable(pools: Pools, scene: Scene, bad: Sequence[int], error: Exception) -> PostgresJobs:
    """Steps of jobs, of which those with these letters can't be taken."""

    def act(session: psycopg.Connection, group: str, portion: Portion) -> Sequence[int]:
        if set(portion.letters) & set(bad):
            raise error
        return replay(session, group, portion.letters).changed

    return PostgresJobs(pools(), scene.group, {JobKind.REPLAY: act})


def test_a_job_whose_step_fails_keeps_no_other_from_going_on(scene: Scene, pools: Pools) -> None:
    """It says why, and has its turn again; by then it may be well."""
    (letter,), others = scene.letters(), scene.letters(3, first=10)
    first = scene.start(Selection(ids=(letter,)))
    second = scene.start(Selection(ids=tuple(others)), rate=1.0)
    failing = unable(pools, scene, [letter], Transient(AWAY))
    with pytest.raises(Transient):
        failing.step(next_step)
    assert (scene.job(first).state, scene.ends(first)) == ("planned", ["waiting"])
    assert "no memory [target.resources]" in scene.job(first).why
    for _ in others:
        scene.rested(second)
        stepped = failing.step(next_step)
        assert stepped is not None
        assert (stepped.job, stepped.acted) == (second, 1)
    scene.rest(others)
    scene.rest([letter])
    assert (scene.job(first).state, scene.job(first).why) == ("done", "")


def test_a_job_whose_step_fails_for_good_waits_for_a_person(scene: Scene, pools: Pools) -> None:
    """It is stopped, and goes on when it is resumed."""
    (letter,) = scene.letters()
    number = scene.start()
    failing = unable(pools, scene, [letter], Persistent(AWAY))
    with pytest.raises(Persistent):
        failing.step(next_step)
    assert (scene.job(number).state, failing.step(next_step)) == ("stopped", None)
    decide(scene.session, scene.group, number, Steer.RESUME, Note("me@here", "it fits now"))
    scene.rest([letter])
    assert scene.job(number).state == "done"


def test_a_job_whose_step_ends_its_processes_is_stopped(scene: Scene, pools: Pools) -> None:
    """One after the other took it up, and nothing came of it."""
    (letter,) = scene.letters()
    number = scene.start()
    failing = unable(pools, scene, [letter], SystemExit())
    for _ in range(5):
        with pytest.raises(SystemExit):
            failing.step(next_step)
    assert failing.step(next_step) is None
    assert scene.job(number).state == "stopped"
    assert "ended 5 processes" in scene.job(number).why
