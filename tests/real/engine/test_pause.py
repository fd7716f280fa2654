"""A target that falls behind pauses reading; whatever happens meanwhile, reading goes on afterwards."""

from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import Hold, Proxy
from .witness import Target
from .worker import Job, Process, Workers, eventually

Fed = tuple[Feed, Feed]

_PAUSED = "paused: the target is behind"


@pytest.fixture
def job(at: Endpoints, fed: Fed, proxy: Proxy) -> Job:
    """A worker whose statements go through the proxy."""
    topics = tuple(feed.topic for feed in fed)
    return Job(at=at, dsn=proxy.dsn, group=fresh_name("pause"), topics=topics, deadline=20.0)


def _paused(proxy: Proxy, workers: Workers, job: Job) -> tuple[Hold, Process]:
    hold = proxy.before("^COPY", 2, worker=job.name)
    worker = workers.run(job)
    hold.wait()
    worker.said(_PAUSED)
    return hold, worker


def test_slow_then_goes_on(fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job) -> None:
    """The batch that was slow is applied, and reading resumes."""
    hold, worker = _paused(proxy, workers, job)
    hold.deliver()
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    assert worker.leave() == 0
    target.must_equal(job.group, *fed)


def test_cut_while_paused(fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job) -> None:
    """Everything is taken anew on a new session, and what was paused is read again from its position."""
    hold, worker = _paused(proxy, workers, job)
    hold.discard()
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    assert worker.leave() == 0
    target.must_equal(job.group, *fed)


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_partitions_move_while_paused(
    fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job, strategy: str
) -> None:
    """A second worker gets its share although the first is stuck, and nothing is left unread by either."""
    job = replace(job, name="stuck", client={"partition.assignment.strategy": strategy})
    hold, stuck = _paused(proxy, workers, job)
    second = workers.run(replace(job, name="second"))
    eventually(lambda: any(taken["count"] for taken in second.lines("partitions taken")), "the second has its share")
    hold.deliver()
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    assert [stuck.leave(), second.leave()] == [0, 0]
    target.must_equal(job.group, *fed)
