"""F19: a topic is replayed from its start, grows under load, or is applied by a worker whose clock jumps."""

import pytest

from tests.real.engine.load import Load

from .trial import Trial


@pytest.mark.short
def test_f19_the_whole_topic_again(trial: Trial) -> None:
    """A person sets both topics back while they are read; afterwards the tables are what they were."""
    feeds = trial.both(400)
    trial.run()
    trial.recovers()
    for feed in feeds:
        for at in feed.ends():
            trial.jumps(at, 0)
    for command in [trial.decides("recover", "rewind", feed.topic, "--to", "earliest") for feed in feeds]:
        assert command.finish() == 0, command.text()
    trial.recovers()
    trial.verify()


def test_f19_one_partition_again(trial: Trial) -> None:
    """Back to an offset that the seed chooses: its records count twice, and all others once."""
    once, churn = trial.both(400)
    trial.run()
    trial.recovers()
    feed = trial.chance.choice((once, churn))
    at = trial.chance.choice(sorted(feed.ends()))
    back = trial.chance.randrange(1, feed.ends()[at])
    trial.jumps(at, back)
    trial.decided("positions", "set", at[0], str(at[1]), "--to", str(back))
    trial.recovers()
    trial.verify()


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
