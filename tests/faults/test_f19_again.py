"""F19: a topic is replayed from its start, grows under load, or is applied by a worker whose clock jumps."""

import pytest

from tests.real.engine.load import Load

from .trial import Trial


@pytest.mark.short
def test_f19_the_whole_topic_again(trial: Trial) -> None:
    """Positions are set back by hand; afterwards the tables are what they were."""
    trial.both(400)
    assert trial.run("--until-current").finish() == 0
    back = trial.chance.choice((0, 0, 7))
    trial.target.do(f"UPDATE headrace.positions SET next_offset = least({back}, next_offset), epoch = epoch + 1")
    starts = len(trial.target.positions(trial.job.group)) * back
    trial.run()
    trial.recovers()
    trial.verify(read=2 * 800 - starts, often=True)


def test_f19_a_topic_gets_more_partitions_under_load(trial: Trial) -> None:
    """Rows whose keys move to another partition keep their order: it waits for what the old ones had."""
    once, churn = trial.both(partitions=4)
    worker = trial.run()
    with Load(once, churn, trial.seed):
        worker.said("batch applied", 10)
    for feed in (once, churn):
        feed.grow(8)
    trial.over()
    with Load(once, churn, trial.seed + 1):
        worker.said("partitions taken", 2)
        worker.said("batch applied", 30)
    trial.recovers()
    assert {number for _, number in trial.target.positions(trial.job.group)} == set(range(8))
    trial.verify()


def test_f19_a_clock_that_jumps(trial: Trial) -> None:
    """The wall clock is off by up to an hour, each time otherwise: order is the log's, waits are by another clock."""
    trial.both(400)
    assert trial.child("other-clock", "current").finish() == 0
    trial.recovers()
    trial.verify()
