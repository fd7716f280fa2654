"""What takes many minutes: the target is away for ten, and a million children come before their parents."""

from pathlib import Path

import pytest

from consumer.stack.options import TARGET
from tests.real.engine.worker import Process, eventually

from .trial import Trial

pytestmark = pytest.mark.long

_AWAY = 600.0
_CHILDREN, _PARENTS = 1_000_000, 20_000
# megabytes of a worker, at most
_MEMORY = 600


def _peak(worker: Process) -> int:
    """The most memory that the process has had, in megabytes."""
    line = next(line for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) // 1024


@pytest.mark.timeout(1800)
def test_the_target_is_away_for_ten_minutes_under_load(trial: Trial) -> None:
    """No letter, no rebalance, bounded memory, and it goes on without a hand."""
    trial.vary(max_rows=20_000, level="info")
    with trial.load():
        worker = trial.run()
        eventually(lambda: trial.target.rows("once"), "the first rows are there")
        trial.ground.stack.stop_part(TARGET)
        trial.lasts(_AWAY)
        taken = len(worker.lines("partitions taken"))
        trial.ground.stack.start_part(TARGET)
        trial.over()
        eventually(lambda: len(worker.lines("partitions taken")) > taken, "it goes on by itself")
    trial.recovers(300)
    assert worker.lines("partitions lost") == []
    assert len(worker.lines("server is away")) == len(worker.lines("server is back")) == 1
    assert _peak(worker) < _MEMORY
    trial.verify()


@pytest.mark.timeout(1800)
def test_a_million_children_are_read_before_their_parents(trial: Trial) -> None:
    """As in a snapshot that reads the children's table first: no letter, and everything is there in the end."""
    trial.target.do("ALTER TABLE churn ADD FOREIGN KEY (amount) REFERENCES once")
    children, parents = trial.feed("churn", 3), trial.feed("once", 3)
    for number in range(1, _CHILDREN + 1):
        children.send("r", number, "child", number % _PARENTS + 1)
        if number % 20_000 == 0:
            children.flush()
    trial.vary(max_rows=20_000, level="info")
    worker = trial.run()
    worker.said("partition stopped", 3)
    parents.create(_PARENTS)
    trial.over()
    trial.recovers(900)
    assert _peak(worker) < _MEMORY
    trial.verify()
