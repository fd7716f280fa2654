"""A worker that is stopped past its poll interval and woken again writes nothing and holds nobody up."""

import time
from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import BATCH_COMMIT, COPY_DATA, Proxy
from .witness import Target
from .worker import Job, Process, Workers, eventually

Fed = tuple[Feed, Feed]

_DEADLINE = 3.0
# what a busy machine may add to the deadline; a sleeper that is waited for has fifty
_MARGIN = 8.0
_LOCK = "FOR UPDATE OF p"
_FENCED = "partitions fenced: another owner took them"
_TAKE = r"epoch = p\.epoch \+ 1"
# name: side, statement
STALLS = {
    "in COPY": ("before", COPY_DATA),
    "between lock and write": ("after", _LOCK),
    "with COMMIT on its way": ("before", BATCH_COMMIT),
}


def _job(at: Endpoints, dsn: str, feeds: Fed, name: str) -> Job:
    topics = tuple(feed.topic for feed in feeds)
    client = {"max.poll.interval.ms": "3000"}
    return Job(at=at, dsn=dsn, group=fresh_name("fence"), topics=topics, name=name, deadline=_DEADLINE, client=client)


def _takes_over(job: Job, proxy: Proxy, workers: Workers) -> Process:
    """The second worker; asserts that its taking is not held up for longer than the batch deadline."""
    asks = proxy.before(_TAKE, worker="second")
    second = workers.run(replace(job, name="second"))
    asks.wait()
    since = time.monotonic()
    asks.deliver()
    second.said("partitions taken")
    assert time.monotonic() - since < _DEADLINE + _MARGIN
    return second


def _writes_of(target: Target, worker: str) -> int:
    query = "SELECT count(*) FROM witness.writes WHERE application LIKE 'headrace ' || %s || '-%%'"
    return int(str(target.ask(query, worker)[0][0]))


def overtake(job: Job, feeds: Fed, proxy: Proxy, workers: Workers, stall: str, skip: int) -> None:
    """The job's worker is stopped at a statement; its successor finishes all the work while it sleeps, and what it
    wakes up with is thrown away. Both leave in order.
    """
    target = Target(job.dsn)
    side, pattern = STALLS[stall]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip, worker=job.name)
    first = workers.run(job)
    hold.wait()
    first.freeze()
    second = _takes_over(job, proxy, workers)
    eventually(lambda: target.reached(job.group, *feeds), "the second worker has done all")
    before = _writes_of(target, job.name)
    first.thaw()
    hold.deliver()
    eventually(
        lambda: first.lines("partitions lost") or first.lines(_FENCED),
        "the first worker learns of it",
    )
    assert [first.leave(), second.leave()] == [0, 0]
    assert _writes_of(target, job.name) == before


@pytest.mark.parametrize("stall", STALLS)
def test_stopped_within_a_batch(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers, stall: str
) -> None:
    """What is in the target afterwards is its successor's alone."""
    job = _job(at, proxy.dsn, fed, "first")
    overtake(job, fed, proxy, workers, stall, 3)
    target.must_equal(job.group, *fed)


def test_one_that_wakes_up_takes_nothing_back(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers
) -> None:
    """It has a new session before it learns that its partitions are another's, who goes on all the while."""
    job = _job(at, proxy.dsn, fed, "first")
    hold = proxy.after(_LOCK, 3, worker="first")
    first = workers.run(job)
    hold.wait()
    first.freeze()
    second = _takes_over(job, proxy, workers)
    eventually(lambda: target.reached(job.group, *fed), "the second worker has done all")
    first.thaw()
    hold.deliver()
    first.said("connection lost")
    eventually(lambda: _goes_on(fed, target, job, first), "the first worker learns of it")

    assert not second.lines(_FENCED)
    assert [first.leave(), second.leave()] == [0, 0]
    target.must_equal(job.group, *fed)


def _goes_on(feeds: Fed, target: Target, job: Job, sleeper: Process) -> bool:
    """Feeds more, to be applied, until the sleeper knows."""
    feeds[0].create(30)
    eventually(lambda: target.reached(job.group, *feeds), "that is applied")
    return bool(sleeper.lines("partitions lost"))


def test_stopped_while_idle(at: Endpoints, target: Target, proxy: Proxy, workers: Workers) -> None:
    """It wakes up, learns that its partitions are gone, and shares the work again."""
    feeds = Feed(at, "once", fresh_name("once")), Feed(at, "churn", fresh_name("churn"))
    feeds[0].create(60)
    job = _job(at, proxy.dsn, feeds, "first")
    first = workers.run(job)
    eventually(lambda: target.reached(job.group, *feeds), "the first worker has done all")
    first.freeze()
    before = _writes_of(target, "first")
    feeds[0].create(60)
    feeds[1].churn(60, seed=1)
    second = _takes_over(job, proxy, workers)
    eventually(lambda: target.reached(job.group, *feeds), "the second worker has done the rest")
    first.thaw()
    first.said("partitions lost")
    assert _writes_of(target, "first") == before
    feeds[0].create(60)
    eventually(lambda: target.reached(job.group, *feeds), "both share the work")
    assert [first.leave(), second.leave()] == [0, 0]
    target.must_equal(job.group, *feeds)


def test_a_taker_ends_the_session_that_blocks_it(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers
) -> None:
    """The sleeper's own deadline is far away, so the taker ends the sleeper's session by its own."""
    job = replace(_job(at, proxy.dsn, fed, "first"), deadline=50.0)
    hold = proxy.after(_LOCK, 3, worker="first")
    first = workers.run(job)
    hold.wait()
    first.freeze()
    second = _takes_over(replace(job, deadline=_DEADLINE), proxy, workers)
    eventually(lambda: target.reached(job.group, *fed), "the second worker has done all")
    first.thaw()
    hold.deliver()
    first.said("connection lost")
    assert [first.leave(), second.leave()] == [0, 0]
    target.must_equal(job.group, *fed)
