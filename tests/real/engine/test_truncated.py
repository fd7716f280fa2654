"""The log of a partition loses records that were read, as after an unclean election, and gets others in their place."""

import os
from pathlib import Path

import pytest

from consumer.stack.options import KAFKA
from consumer.stack.stack import Stack

from .feed import Feed, fresh_name
from .witness import TEMPLATE, Target, create_database
from .worker import Job, Process, Workers, eventually

# of a topic's three partitions, the one that is cut
PLACE = 1


@pytest.fixture
def own_target(breakable: Stack) -> Target:
    """A target database on the server that breaks."""
    return Target(create_database(breakable.endpoints.target_dsn, fresh_name("cut"), TEMPLATE))


@pytest.fixture
def once(breakable: Stack) -> Feed:
    """A topic with five rows in each of its partitions."""
    feed = Feed(breakable.endpoints, "once", fresh_name("once"))
    feed.create(15)
    return feed


def _job(stack: Stack, target: Target, feed: Feed) -> Job:
    return Job(at=stack.endpoints, dsn=target.dsn, group=fresh_name("cut"), topics=(feed.topic,))


def _segment(stack: Stack, feed: Feed) -> Path:
    (found,) = stack.data_dir.glob(f"**/{feed.topic}-{PLACE}/*.log")
    return found


def _cut(stack: Stack, feed: Feed, size: int) -> None:
    """Have the log end where it was so large, as if the broker that leads now had never got the rest."""
    stack.stop_part(KAFKA)
    segment = _segment(stack, feed)
    os.truncate(segment, size)
    for derived in segment.parent.glob(f"{segment.stem}.*index"):
        derived.unlink()
    for state in segment.parent.glob("*.snapshot"):
        state.unlink()
    stack.start_part(KAFKA)
    feed.reconnect()


def _stopped(target: Target, job: Job) -> dict[object, str]:
    return {at: why["kind"] for at, why in target.stopped(job.group).items()}


def _stops(worker: Process, target: Target, job: Job, feed: Feed) -> None:
    """The partition that was cut stops with the reason, the others are read to their ends."""
    eventually(lambda: _stopped(target, job), "a partition stops")
    others = {at: end for at, end in feed.ends().items() if at[1] != PLACE}
    eventually(lambda: target.positions(job.group).items() >= others.items(), "the others go on")
    assert _stopped(target, job) == {(feed.topic, PLACE): "log.truncated"}
    assert worker.code is None


@pytest.mark.provokes("log.truncated")
@pytest.mark.parametrize("running", [False, True], ids=["between two workers", "under a worker"])
def test_a_log_is_cut_below_the_position(
    breakable: Stack, own_target: Target, workers: Workers, once: Feed, running: bool
) -> None:
    """It has other records there by now, and as many as before and more: a person decides where to go on."""
    size = _segment(breakable, once).stat().st_size
    once.create(15)
    job = _job(breakable, own_target, once)
    first = workers.run(job, *([] if running else ["--until-current"]))
    eventually(lambda: own_target.reached(job.group, once), "everything is applied")
    if not running:
        assert first.finish() == 0
    _cut(breakable, once, size)
    held = own_target.rows("once")
    once.create(30)
    worker = first if running else workers.run(job)
    _stops(worker, own_target, job, once)
    new = once.rows().items() - held.items()
    assert own_target.rows("once").items() ^ once.rows().items() == {row for row in new if row[0] % 3 == PLACE}
    at = (once.topic, str(PLACE))
    assert workers.command(job, "positions", "set", *at, "--to", "5", "--reason", "cut", "--yes").finish() == 0
    eventually(lambda: own_target.reached(job.group, once), "the partition goes on where it was cut")
    assert own_target.rows("once") == once.rows()
    assert own_target.stopped(job.group) == {}
    assert worker.leave() == 0


def test_a_transaction_ends_under_another_leader_than_it_began(
    breakable: Stack, own_target: Target, workers: Workers, once: Feed
) -> None:
    """Nothing is cut: its marker alone has the new leader's epoch, and the position is behind it."""
    job = _job(breakable, own_target, once)
    worker = workers.run(job)
    with once.transaction():
        once.create(15)
        breakable.restart(KAFKA)
    eventually(lambda: own_target.reached(job.group, once), "the transaction is applied")
    assert worker.leave() == 0
    workers.until_current(job)
    breakable.restart(KAFKA)
    once.create(15)
    workers.until_current(job)
    own_target.must_equal(job.group, once)


def test_a_log_is_cut_where_only_an_aborted_transaction_was(
    breakable: Stack, own_target: Target, workers: Workers, once: Feed
) -> None:
    """No record that was read is gone, but there are records now in front of the position that never were."""
    size = _segment(breakable, once).stat().st_size
    with once.transaction(commit=False):
        for key in range(100, 109):
            once.raw(once.encode("c", key, {"id": key, "label": "aborted", "amount": 1}), key)
    job = _job(breakable, own_target, once)
    workers.until_current(job)
    assert own_target.reached(job.group, once)
    _cut(breakable, once, size)
    once.create(30)
    worker = workers.run(job)
    _stops(worker, own_target, job, once)
    assert worker.leave() == 0
