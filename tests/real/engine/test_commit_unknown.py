"""The connection is cut after COMMIT was sent: the worker finds out what happened and never does it twice."""

from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import BATCH_COMMIT, Hold, Proxy
from .witness import Target
from .worker import Job, Process, Workers, eventually

Fed = tuple[Feed, Feed]

_LOCK = "FOR UPDATE OF p"
_DEADLINE = 3.0
# batches that pass before
_SKIP = 2


@pytest.fixture
def job(at: Endpoints, fed: Fed, proxy: Proxy) -> Job:
    """A worker whose statements go through the proxy."""
    topics = tuple(feed.topic for feed in fed)
    return Job(at=at, dsn=proxy.dsn, group=fresh_name("unknown"), topics=topics, deadline=_DEADLINE)


def _resolved(worker: Process) -> list[str]:
    assert worker.finish() == 0, worker.text()
    return [entry["outcome"] for entry in worker.lines("commit resolved")]


def test_lost_before_the_server_got_it(fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job) -> None:
    """The batch is not there, and is applied again from its start."""
    hold = proxy.before(BATCH_COMMIT, _SKIP)
    worker = workers.run(job, "--until-current")
    hold.wait()
    hold.discard()
    assert _resolved(worker) == ["not committed"]
    target.must_equal(job.group, *fed)


def test_lost_after_the_server_did_it(fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job) -> None:
    """The batch is there, and is not applied again."""
    hold = proxy.after(BATCH_COMMIT, _SKIP)
    worker = workers.run(job, "--until-current")
    hold.wait()
    hold.discard()
    assert _resolved(worker) == ["committed"]
    target.must_equal(job.group, *fed)


def _still_running(target: Target, proxy: Proxy, workers: Workers, job: Job) -> tuple[Hold, Process]:
    """The worker's side is cut while COMMIT is on its way; the worker's question waits for that transaction."""
    commit = proxy.before(BATCH_COMMIT, _SKIP)
    worker = workers.run(job, "--until-current")
    commit.wait()
    question = proxy.before(_LOCK)
    commit.cut_client()
    question.wait()
    question.deliver()
    eventually(target.blocked, "the question waits for the lock")
    return commit, worker


def test_a_commit_still_running_is_waited_for(
    fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job
) -> None:
    """A plain read would say that nothing happened; the row lock waits for the commit and sees it."""
    commit, worker = _still_running(target, proxy, workers, job)
    commit.deliver()
    assert _resolved(worker) == ["committed"]
    target.must_equal(job.group, *fed)


def test_a_commit_that_never_arrives_is_ended_in_time(
    fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job
) -> None:
    """The server ends the abandoned transaction within the batch deadline, and the batch is applied again."""
    commit, worker = _still_running(target, proxy, workers, job)
    worker.said("commit resolved", seconds=_DEADLINE + 5)
    commit.discard()
    assert _resolved(worker) == ["not committed"]
    target.must_equal(job.group, *fed)


def test_overtaken_while_in_doubt(fed: Fed, target: Target, proxy: Proxy, workers: Workers, job: Job) -> None:
    """Another owner took the partitions before the question was asked: neither outcome, only the fence."""
    commit = proxy.before(BATCH_COMMIT, _SKIP)
    # the question waits in the proxy as long as the other worker takes
    worker = workers.run(replace(job, deadline=30.0), "--until-current")
    commit.wait()
    question = proxy.before(_LOCK, worker="w-")
    commit.discard()
    question.wait()
    assert workers.child(replace(job, name="other"), "alone", "current").finish() == 0
    question.deliver()
    assert _resolved(worker) == ["fenced"]
    target.must_equal(job.group, *fed)
