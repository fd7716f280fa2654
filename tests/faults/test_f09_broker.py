"""F9: the broker is killed and comes back, or the way to it is cut, slow, stopped or closed."""

import signal
from collections.abc import Callable

import pytest

from consumer.stack.options import KAFKA
from tests.real.engine.worker import Process, eventually

from .link import COMPARE, Link
from .trial import Trial

_KILLS = 20
_TIMES = 6
# partitions of a topic whose positions are compared at once
_MANY = 60
# A client that can't go on may take its process along, which is started again then; seconds, as few as there may be
_STARTED_AGAIN = "--workers", "2"
_STALL = 45.0


def _applied(worker: Process) -> int:
    return len(worker.lines("batch applied"))


@pytest.mark.seeds(1)
def test_f09_the_broker_is_killed_under_load(trial: Trial) -> None:
    """Twenty times, at moments that the seed chooses; no step by hand, no partition stopped."""
    trial.vary(max_rows=100, stall=_STALL)
    with trial.load():
        worker = trial.run(*_STARTED_AGAIN)
        for _ in range(_KILLS):
            seen = _applied(worker)
            worker.said("batch applied", seen + trial.chance.randrange(3, 30))
            trial.ground.stack.kill(KAFKA, signal.SIGKILL)
            trial.ground.stack.start_part(KAFKA)
            trial.over()
            seen = _applied(worker)
            eventually(lambda seen=seen: _applied(worker) > seen + 3, "batches are applied again")
    trial.recovers()
    assert worker.lines("partition stopped") == []
    trial.verify()


_BREAKS: dict[str, Callable[[Link], None]] = {
    "cut": Link.cut,
    "closed": Link.refuse,
    "stopped": Link.stop,
    "slow": lambda link: link.slow(0.2),
}
_MENDS: dict[str, Callable[[Link], None]] = {"closed": Link.accept}


def test_f09_the_way_to_the_broker_breaks_under_load(trial: Trial) -> None:
    """In ways, and for times, that the seed chooses."""
    link = trial.ground.kafka
    trial.vary(stall=_STALL)
    with trial.load():
        worker = trial.run(*_STARTED_AGAIN)
        worker.said("batch applied", 3)
        for _ in range(_TIMES):
            what = trial.chance.choice(sorted(_BREAKS))
            _BREAKS[what](link)
            try:
                trial.lasts(trial.chance.uniform(0.1, 3.0))
            finally:
                _MENDS.get(what, Link.go)(link)
            trial.over()
            seen = _applied(worker)
            eventually(lambda seen=seen: _applied(worker) > seen, "batches are applied again")
    trial.recovers()
    assert worker.lines("partition stopped") == []
    print(f"processes that a client took along: {len(worker.lines('worker died'))}")
    trial.verify()


def test_f09_the_way_breaks_while_positions_are_compared_with_the_log(trial: Trial) -> None:
    """The client's own threads may wait for each other then, for ever (librdkafka issue 5476)."""
    link = trial.ground.kafka
    trial.vary(max_rows=1000, request_timeout=5.0)
    feed = trial.feed("once", _MANY)
    feed.create(10 * _MANY)
    trial.workers.until_current(trial.job)
    feed.create(_MANY)
    link.swallow(COMPARE)
    try:
        trial.run()
        for _ in range(_TIMES):
            seen = link.lost
            eventually(lambda seen=seen: link.lost > seen, "positions are compared")
            link.refuse()
            try:
                trial.lasts(trial.chance.uniform(0.0, 1.5))
            finally:
                link.accept()
    finally:
        link.go()
    trial.over()
    trial.recovers(120)
    trial.verify()


_ANEW = "SELECT count(*) FROM headrace.healing WHERE act = 'client made anew'"


def test_f09_a_cluster_that_says_nothing_for_long_gets_another_client(trial: Trial) -> None:
    """Connections stay, and nothing comes: after the time that a broker may take, again and again; that is kept."""
    link = trial.ground.kafka
    trial.vary(request_timeout=2.0)
    with trial.load():
        worker = trial.run()
        worker.said("batch applied", 3)
        link.stop()
        try:
            eventually(lambda: trial.target.ask(_ANEW) != [(0,)], "the client is made anew, and that is kept", 60)
        finally:
            link.go()
        trial.over()
        seen = _applied(worker)
        eventually(lambda: _applied(worker) > seen + 3, "batches are applied again")
    trial.recovers()
    trial.verify()
