"""F1, F2: SIGKILL at each named point of the protocol, and at any moment."""

import time
from heapq import heapify, heappop, heappush

import pytest

from tests.real.engine.test_kill_points import INSIDE, WIRE
from tests.real.engine.wire import Proxy
from tests.real.engine.worker import Process

from .shortly import cases
from .trial import Trial

_KILLS = 200
_WORKERS = 3
# seconds that a victim has lived, at most: 200 of three workers die within five minutes
_LIFE = 9.0
_MEMBER = {"group.instance.id": "one"}


def _after_the_kill(trial: Trial, victim: Process) -> None:
    victim.kill()
    trial.over()
    successor = trial.run("--until-current")
    assert successor.finish() == 0, successor.text()[-3000:]
    trial.recovers()
    trial.verify()


@pytest.mark.seeds(20)
@pytest.mark.parametrize("point", cases(WIRE, "batch: COMMIT not answered", "take: taken, not committed"))
def test_f01_killed_at_a_statement(trial: Trial, proxy: Proxy, point: str) -> None:
    """At a batch that the seed chooses, in batches of a size that it chooses."""
    trial.both(400)
    trial.vary(client=_MEMBER)
    side, pattern, most = WIRE[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, trial.chance.randrange(most + 1))
    victim = trial.run(dsn=proxy.dsn)
    hold.wait()
    victim.kill()
    hold.discard()
    _after_the_kill(trial, victim)


@pytest.mark.seeds(20)
@pytest.mark.parametrize("point", cases(INSIDE, "batch: applied-not-told"))
def test_f01_killed_between_statements(trial: Trial, point: str) -> None:
    """At a call that the seed chooses."""
    trial.both(400)
    trial.vary(client=_MEMBER)
    name = point.split(": ")[1]
    victim = trial.child(name, str(trial.chance.randrange(INSIDE[point] + 1)))
    victim.told(f"paused {name}")
    _after_the_kill(trial, victim)


def _starts(trial: Trial, number: int) -> tuple[float, int, Process]:
    """A worker of that number, and when it is to be killed: in its start too."""
    worker = trial.run(name=f"w{number}", client={"group.instance.id": f"w{number}"})
    return time.monotonic() + trial.chance.uniform(0.0, _LIFE), number, worker


@pytest.mark.seeds(1)
def test_f02_killed_at_any_moment_under_load(trial: Trial) -> None:
    """Three workers, two hundred kills: whose turn it is and how long it has lived says the seed."""
    trial.vary(max_rows=trial.chance.choice((50, 200, 500)), level="info")
    with trial.load():
        alive = [_starts(trial, number) for number in range(_WORKERS)]
        heapify(alive)
        for _ in range(_KILLS):
            due, number, victim = heappop(alive)
            trial.lasts(max(0.0, due - time.monotonic()))
            victim.kill()
            heappush(alive, _starts(trial, number))
    trial.over()
    trial.recovers()
    assert [worker.lines("partition stopped") for _, _, worker in alive] == [[], [], []]
    trial.verify()
