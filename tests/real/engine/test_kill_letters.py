"""SIGKILL while letters are written, published and applied: afterwards each is applied once, and none is lost."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed
from .letters import Scene
from .wire import MOVE, Proxy
from .witness import Target
from .worker import Workers, eventually

# name: side, statement
_WRITING = {
    "letters written": ("after", "INSERT INTO headrace.letters"),
    "copies not confirmed": ("before", "SET published_attempt = m.attempt"),
    "copies confirmed": ("after", "SET published_attempt = m.attempt"),
}
_RETURNING = {
    "before it is judged": ("before", "WHERE l.group_name = .* AND l.topic = .* AND l.partition"),
    "next one set free": ("after", "published_attempt = attempt - 1\\nWHERE state"),
    "row written": ("after", 'INSERT INTO "public"'),
    "position moved": ("after", MOVE),
}


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed]) -> Scene:
    """A topic of one partition."""
    return Scene(at, target, fresh_feed("once", 1))


def killed(scene: Scene, workers: Workers, proxy: Proxy, point: tuple[str, str]) -> None:
    """Run a worker to a statement, and kill it there."""
    side, pattern = point
    hold = (proxy.before if side == "before" else proxy.after)(pattern, 0)
    victim = workers.run(replace(scene.job, dsn=proxy.dsn))
    hold.wait()
    victim.kill()
    hold.discard()


@pytest.mark.parametrize("point", _WRITING)
def test_killed_while_a_letter_is_written(scene: Scene, workers: Workers, proxy: Proxy, point: str) -> None:
    """It is there once, with its copy; what waits for it does too."""
    scene.bad()
    scene.feed.last = 1
    scene.feed.create(3)
    killed(scene, workers, proxy, _WRITING[point])
    worker = workers.run(scene.job)
    scene.comes_to("0/0d")
    query = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    eventually(lambda: scene.target.ask(query, scene.job.group) == [(1,)], "its copy is published")
    eventually(lambda: scene.target.reached(scene.job.group, scene.feed), "everything is applied")
    assert scene.target.bad_ranges(scene.job.group) == []
    scene.heal()
    scene.replay()
    scene.comes_to("0/0a")
    assert scene.target.rows("once") == scene.feed.rows()
    assert scene.target.double_writes() == []
    assert worker.leave() == 0


@pytest.mark.parametrize("point", _RETURNING)
def test_killed_while_a_letter_is_applied(scene: Scene, workers: Workers, proxy: Proxy, point: str) -> None:
    """Row, letter and the retry topic's position are one transaction."""
    scene.bad()
    first = workers.run(scene.job)
    scene.comes_to("0/0d")
    scene.partial(2)
    scene.comes_to("0/0d 0/1h")
    assert first.leave() == 0
    scene.heal()
    scene.replay()
    killed(scene, workers, proxy, _RETURNING[point])
    worker = workers.run(scene.job)
    scene.comes_to("0/0a 0/1a")
    assert scene.target.rows("once") == {1: ("bad", 2)}
    assert scene.target.writes() == {1: 1}
    assert worker.leave() == 0
