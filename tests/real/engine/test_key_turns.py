"""The key's schema gets another id, so that rows go on in other partitions: their changes keep their order."""

from collections.abc import Callable

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers, eventually

_DEADLINE = 30.0


@pytest.fixture
def feed(fresh_feed: Callable[..., Feed]) -> Feed:
    """A topic of two partitions."""
    return fresh_feed("churn", 2)


def test_what_has_the_new_id_comes_behind_what_has_the_old_one(
    workers: Workers, target: Target, at: Endpoints, feed: Feed
) -> None:
    """A row is written often in one partition, and deleted in the other, where nothing is in front of that."""
    feed.create(2)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("turns"), topics=(feed.topic,), deadline=_DEADLINE)
    first = workers.run(job)
    eventually(lambda: target.reached(job.group, feed), "both partitions have had the old id")
    assert first.leave() == 0
    for number in range(3000):
        feed.send("u", 1, f"written {number}", number)
    feed.rekey()
    feed.send("d", 1)
    feed.send("u", 2, "goes on elsewhere", 1)
    feed.flush()

    process = workers.run(job)
    eventually(lambda: target.reached(job.group, feed), "all is applied")
    assert process.leave() == 0
    target.must_equal(job.group, feed)
    assert target.rows("public.churn") == {2: ("goes on elsewhere", 1)}
    waited = target.ask("SELECT partition, wait_for FROM headrace.positions WHERE wait_for IS NOT NULL")
    assert waited == [(0, {"1": feed.ends()[feed.topic, 1]})]


def test_partitions_that_meet_the_new_id_at_once_wait_in_a_row(
    workers: Workers, target: Target, at: Endpoints, feed: Feed
) -> None:
    """Two workers read what was written before and behind it; the waits are no circle."""
    feed.create(40)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("turns"), topics=(feed.topic,), deadline=_DEADLINE)
    processes = [workers.run(job), workers.run(job)]
    eventually(lambda: target.reached(job.group, feed), "both partitions have had the old id")
    feed.churn(2000, 1)
    feed.rekey()
    feed.churn(2000, 2)

    eventually(lambda: target.reached(job.group, feed), "all is applied")
    assert [process.leave() for process in processes] == [0, 0]
    target.must_equal(job.group, feed)
