"""F5, F6: the target is restarted, loses sessions, freezes, or comes back as it was some time ago."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.stack.options import TARGET
from tests.real.engine.feed import Feed
from tests.real.engine.worker import STEADY, Process, eventually

from .shortly import cases
from .trial import Trial

_FROZEN = 60.0
END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name LIKE 'headrace %'"
)


def _restarted(trial: Trial, worker: Process) -> None:
    trial.ground.stack.kill(TARGET, signal.SIGQUIT)
    trial.ground.stack.start_part(TARGET)


def _sessions_ended(trial: Trial, worker: Process) -> None:
    for _ in range(5):
        seen = _applied(worker)
        trial.target.do(END)
        more = trial.chance.randrange(1, 5)
        eventually(lambda seen=seen, more=more: _applied(worker) > seen + more, "batches are applied again")


def _frozen(trial: Trial, worker: Process) -> None:
    trial.ground.stack.pause(TARGET)
    trial.lasts(_FROZEN)
    trial.ground.stack.resume(TARGET)


_BREAKS: dict[str, Callable[[Trial, Process], None]] = {
    "restarted at once": _restarted,
    "sessions ended": _sessions_ended,
    "frozen for a minute": _frozen,
}


def _applied(worker: Process) -> int:
    return len(worker.lines("batch applied"))


@pytest.mark.parametrize("what", cases(_BREAKS, "sessions ended"))
def test_f05_the_target_is_away_under_load(trial: Trial, what: str) -> None:
    """It costs its time: no letter, no partition lost, no rebalance."""
    trial.vary(stall=120.0, max_rows=100, client=STEADY)
    with trial.load():
        worker = trial.run()
        worker.said("batch applied", trial.chance.randrange(3, 15))
        _BREAKS[what](trial, worker)
        trial.over()
        seen = _applied(worker)
        eventually(lambda: _applied(worker) > seen + 3, "batches are applied again")
    trial.recovers()
    assert worker.lines("partitions lost") == []
    trial.verify()


def test_f05_the_breaker_opens_once_and_closes_once(trial: Trial) -> None:
    """For as long as the target is away, which the seed chooses."""
    stack = trial.ground.stack
    trial.vary(client=STEADY)
    with trial.load():
        worker = trial.run()
        worker.said("batch applied", 3)
        stack.stop_part(TARGET)
        try:
            worker.said("server is away")
            trial.lasts(trial.chance.uniform(0.0, 10.0))
        finally:
            stack.start_part(TARGET)
        trial.over()
        worker.said("server is back")
    trial.recovers()
    told = [len(worker.lines(event)) for event in ("server is away", "server is back", "partitions lost")]
    assert told == [1, 1, 0]
    trial.verify()


def _copied(source: Path, to: Path) -> None:
    """With owners and modes; the server is stopped."""
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(to)], check=True, timeout=120)


def _goes_back(trial: Trial, place: Path) -> Feed:
    """Commits are lost while a worker runs that has applied everything; returns the topic of keys that occur once."""
    stack = trial.ground.stack
    cluster, backup = stack.data_dir / TARGET / "cluster", place / "backup"
    once, churn = trial.both(200)
    trial.run()
    trial.recovers()
    stack.stop_part(TARGET)
    _copied(cluster, backup)
    stack.start_part(TARGET)
    once.create(trial.chance.randrange(50, 300))
    churn.churn(200, seed=trial.seed + 1)
    trial.recovers()
    later = trial.target.positions(trial.job.group)
    stack.kill(TARGET, signal.SIGQUIT)
    _copied(backup, cluster)
    stack.start_part(TARGET)
    assert trial.target.positions(trial.job.group) != later
    trial.over()
    return once


def test_f06_the_target_comes_back_as_an_older_backup(trial: Trial, tmp_path: Path) -> None:
    """The worker goes back with the positions, and reads again from there."""
    once = _goes_back(trial, tmp_path)
    once.create(1)
    trial.recovers()
    trial.verify()


def test_f06_nothing_new_comes_after_the_older_backup(trial: Trial, tmp_path: Path) -> None:
    """What was lost is read again all the same."""
    _goes_back(trial, tmp_path)
    trial.recovers()
    trial.verify()
