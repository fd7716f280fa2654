"""A stopped partition is tried again by whoever starts next."""

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers

_PARTIAL = 5


def test_until_current_tries_a_stopped_partition_again(at: Endpoints, target: Target, workers: Workers) -> None:
    """The reason that an earlier run left behind does not count as this run's result."""
    target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
    feed = Feed(at, "once", fresh_name("once"), 1)
    feed.send("c", 1, "bad", 666)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("retry"), topics=(feed.topic,))
    first = workers.run(job, "--until-current")
    assert first.finish() == _PARTIAL
    assert f"topic {feed.topic}, partition 0, offset 0" in first.text()
    target.do("ALTER TABLE once DROP CONSTRAINT devilish")
    workers.until_current(job)
    target.must_equal(job.group, feed)
