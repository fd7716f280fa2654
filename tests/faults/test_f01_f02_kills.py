"""F1, F2: SIGKILL at each named point of the protocol, and at any moment."""

import pytest

from tests.real.engine.test_kill_points import INSIDE, WIRE
from tests.real.engine.wire import Proxy
from tests.real.engine.worker import Process, eventually

from .shortly import cases
from .trial import Trial

_KILLS = 10
_MEMBER = {"group.instance.id": "one"}


def _after_the_kill(trial: Trial, victim: Process) -> None:
    victim.kill()
    trial.over()
    successor = trial.run("--until-current")
    assert successor.finish() == 0, successor.text()[-3000:]
    trial.recovers()
    trial.verify()


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


@pytest.mark.parametrize("point", cases(INSIDE, "batch: applied-not-told"))
def test_f01_killed_between_statements(trial: Trial, point: str) -> None:
    """At a call that the seed chooses."""
    trial.both(400)
    trial.vary(client=_MEMBER)
    name = point.split(": ")[1]
    victim = trial.child(name, str(trial.chance.randrange(INSIDE[point] + 1)))
    victim.told(f"paused {name}")
    _after_the_kill(trial, victim)


def test_f02_killed_at_any_moment_under_load(trial: Trial) -> None:
    """Ten times; each victim has lived a little longer than its start takes."""
    trial.vary(client=_MEMBER)
    with trial.load():
        for number in range(_KILLS):
            victim = trial.run(name=f"victim{number}")
            victim.said("partitions taken")
            trial.lasts(trial.chance.uniform(0.0, 1.5))
            victim.kill()
    trial.over()
    last = trial.run()
    eventually(lambda: trial.oracle.reached(), "everything is applied", 120)
    trial.recovers()
    assert last.lines("partition stopped") == []
    trial.verify()
