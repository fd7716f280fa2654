"""A rolling restart under load: nothing is lost, nothing counts twice, and no partition stands still for long."""

import time
from dataclasses import replace

from consumer.bench.tide import Tide
from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .load import Load, random_seed
from .witness import Target
from .worker import Job, Process, Workers, eventually

# a worker that went without a word would be waited for as long
_SESSION = {"session.timeout.ms": "45000", "heartbeat.interval.ms": "500"}
# on a machine with other work, where a start alone takes seconds
_PAUSE_MS = 40_000


def _replaced(workers: Workers, job: Job, old: Process) -> Process:
    """Told to leave, waited for, and another one in its place that has taken partitions."""
    assert old.leave() == 0
    new = workers.run(job)
    new.said("partitions taken")
    return new


def test_workers_are_replaced_one_after_the_other_under_load(at: Endpoints, target: Target, workers: Workers) -> None:
    """Two workers, each told to leave, waited for and replaced; each record's wait is known."""
    feeds = Feed(at, "once", fresh_name("once"), 4), Feed(at, "churn", fresh_name("churn"), 4)
    topics = tuple(feed.topic for feed in feeds)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("rolling"), topics=topics, client=_SESSION)
    jobs = [replace(job, name=name) for name in ("one", "two")]
    running = [workers.run(each) for each in jobs]
    for process in running:
        process.said("partitions taken")
    tide = Tide(job.group, feeds[0].topic)
    with target.connected() as connection, tide.watched(connection):
        with Load(*feeds, random_seed()):
            running = [_replaced(workers, each, old) for each, old in zip(jobs, running, strict=True)]
        began = time.monotonic()
        eventually(lambda: target.reached(job.group, *feeds), "everything is applied")
        print(f"applied {time.monotonic() - began:.1f} s after the last change")
    for process in running:
        assert process.leave() == 0
    target.must_equal(job.group, *feeds)
    waits = tide.waits(at.kafka, feeds[0].last)
    assert len(waits) == feeds[0].last
    longest = max(each.took for each in waits)
    print(f"longest wait {longest / 1000:.1f} s")
    assert longest < _PAUSE_MS
