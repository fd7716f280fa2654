"""Many letters are sent again by a job: in bulk, cancelled in the middle, and while their worker is killed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from consumer.core.steering import Steer
from consumer.ports.desk import Note
from consumer.stack.options import Endpoints
from dlq.jobs import Job, Order, create, decide, job, report
from dlq.preview import Fate, Preview, Rules, preview
from dlq.selection import Selection

from .feed import Feed
from .letters import Scene
from .wire import MOVE, Proxy
from .witness import Target
from .worker import Workers, eventually

BAD = 40
SAID = Note("me@here", "the check is gone")
# name: side, statement, how many of them pass
_POINTS = {
    "letters locked, nothing marked": ("before", "UPDATE headrace.job_items i SET state = w.state", 0),
    "a step noted, not committed": ("after", "UPDATE headrace.jobs SET state", 1),
    "the first ones published": ("after", "SET published_attempt = m.attempt", 1),
    "a row written": ("after", 'INSERT INTO "public"', 1),
    "its item ended, not committed": ("after", MOVE, 1),
}


class Jobs:
    """The jobs of a scene's group."""

    def __init__(self, scene: Scene) -> None:
        self.target, self.group = scene.target, scene.job.group

    def look(self, selection: Selection) -> Preview:
        """What a job would do."""
        with self.target.connected() as connection:
            return preview(connection, self.group, selection, Rules())

    def start(self, selection: Selection, rate: float = 200.0) -> int:
        """A job of what goes."""
        with self.target.connected() as connection:
            goes = preview(connection, self.group, selection, Rules()).goes
            order = Order(selection=selection, rules=Rules(), expect=goes, said=SAID, rate=rate, canary=5)
            return create(connection, self.group, order)

    def now(self, number: int) -> Job:
        """A job as it is."""
        with self.target.connected() as connection:
            found = job(connection, self.group, number)
        assert found is not None
        return found

    def comes_to(self, number: int, state: str) -> None:
        """Wait for a job to be in this state."""
        eventually(lambda: self.now(number).state == state, f"job {state}")

    def cancel(self, number: int) -> None:
        """Cancel it."""
        with self.target.connected() as connection:
            assert decide(connection, self.group, number, Steer.CANCEL, SAID)

    def ends(self, number: int) -> Counter[str]:
        """Its items' states."""
        with self.target.connected() as connection:
            return Counter(item.state for item in report(connection, self.group, number))


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed]) -> Scene:
    """A topic of three partitions, of which a table does not take forty rows; they are dead letters."""
    scene = Scene(at, target, fresh_feed("once"))
    scene.job = replace(scene.job, letters={**scene.job.letters, "flood_percent": 100})
    for number in range(1, BAD + 1):
        scene.feed.send("c", number, f"row {number}", 666)
    scene.feed.flush()
    return scene


@pytest.fixture
def jobs(scene: Scene) -> Jobs:
    """Its jobs."""
    return Jobs(scene)


def all_dead(scene: Scene) -> None:
    """Wait for the letters."""
    query = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND state = 'dead'"
    eventually(lambda: scene.target.ask(query, scene.job.group) == [(BAD,)], "all are dead letters")


def replayed(scene: Scene) -> Counter[object]:
    """How often letters were sent."""
    return Counter(row[0] for row in scene.target.ask("SELECT replays FROM headrace.letters ORDER BY id"))


def test_a_group_is_replayed_in_bulk_without_its_stale_letter(scene: Scene, jobs: Jobs, workers: Workers) -> None:
    """What the log has lost is said before, and is left as it is."""
    worker = workers.run(scene.job)
    all_dead(scene)
    ((lost, fingerprint),) = scene.target.ask("SELECT min(id), min(fingerprint) FROM headrace.letters")
    scene.target.do(f"DELETE FROM headrace.letter_bytes WHERE letter_id = {lost}")
    scene.target.do(f"UPDATE headrace.letters SET origin_log = 'gone' WHERE id = {lost}")
    group = Selection(fingerprints=(str(fingerprint),), states=("dead",))
    assert jobs.look(group).counts == {Fate.ELIGIBLE: BAD - 1, Fate.STALE: 1}

    scene.heal()
    number = jobs.start(group)
    jobs.comes_to(number, "done")
    assert jobs.ends(number) == {"applied": BAD - 1}
    assert len(scene.target.rows("once")) == BAD - 1
    assert scene.target.double_writes() == []
    assert replayed(scene) == {0: 1, 1: BAD - 1}
    assert worker.leave() == 0


def test_a_canary_that_fails_leaves_the_rest_alone(scene: Scene, jobs: Jobs, workers: Workers) -> None:
    """Nobody has healed the table."""
    worker = workers.run(scene.job)
    all_dead(scene)
    number = jobs.start(Selection(states=("dead",)))
    jobs.comes_to(number, "stopped")
    assert jobs.ends(number) == {"dead": 5, "waiting": BAD - 5}
    assert "5 of the last 5" in jobs.now(number).why
    assert replayed(scene) == {0: BAD - 5, 1: 5}
    assert worker.leave() == 0


def test_it_is_cancelled_in_the_middle(scene: Scene, jobs: Jobs, workers: Workers) -> None:
    """What was sent is applied, the rest is dead as before and goes with the next job."""
    worker = workers.run(scene.job)
    all_dead(scene)
    scene.heal()
    # ten seconds and more from the first that are looked for to the last
    number = jobs.start(Selection(states=("dead",)), rate=3.0)
    eventually(lambda: jobs.now(number).state == "running" and jobs.ends(number)["applied"] > 8, "some are applied")
    jobs.cancel(number)
    eventually(lambda: not jobs.now(number).left, "what was sent has ended")
    ends = jobs.ends(number)
    assert set(ends) == {"applied", "cancelled"}
    assert len(scene.target.rows("once")) == ends["applied"]

    rest = jobs.start(Selection(states=("dead",)))
    jobs.comes_to(rest, "done")
    assert jobs.ends(rest) == {"applied": ends["cancelled"]}
    assert scene.target.rows("once") == scene.feed.rows()
    assert scene.target.double_writes() == []
    assert replayed(scene) == {1: BAD}
    assert worker.leave() == 0


@pytest.mark.parametrize("point", _POINTS)
def test_its_worker_is_killed(scene: Scene, jobs: Jobs, workers: Workers, proxy: Proxy, point: str) -> None:
    """Each letter is sent once by the job, and applied once."""
    first = workers.run(scene.job)
    all_dead(scene)
    assert first.leave() == 0
    scene.heal()
    number = jobs.start(Selection(states=("dead",)))
    side, pattern, passed = _POINTS[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, passed)
    victim = workers.run(replace(scene.job, dsn=proxy.dsn))
    hold.wait()
    victim.kill()
    hold.discard()
    worker = workers.run(scene.job)
    jobs.comes_to(number, "done")
    assert jobs.ends(number) == {"applied": BAD}
    assert scene.target.rows("once") == scene.feed.rows()
    assert scene.target.double_writes() == []
    assert replayed(scene) == {1: BAD}
    assert worker.leave() == 0
