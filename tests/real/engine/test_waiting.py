"""A partition that a topic got later waits for the older ones, and says so."""

from collections.abc import Callable

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers

_PARTIAL = 5


def test_waiting_for_a_stopped_partition_is_said_and_not_waited_for(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """The log says what is waited for; `--until-current` ends with 5 and names both, and goes on when it is mended."""
    feed = fresh_feed("once", 1)
    feed.create(3)
    feed.raw(feed.encode("t", 0, None), 0)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("waits"), topics=(feed.topic,))
    assert workers.run(job, "--until-current").finish() == _PARTIAL
    feed.grow(2)
    feed.create(2)
    process = workers.run(job, "--until-current")
    assert process.finish() == _PARTIAL

    lines = process.lines("partition waits")
    assert {(line["topic"], line["partition"], line["level"]) for line in lines} == {(feed.topic, 1, "info")}
    line = lines[0]
    assert "partition 0, offset " in line["reason"]
    assert "follow that one's remedy" in line["remedy"]
    assert f"{feed.topic}-0: 2 records left: " in process.text()
    assert f"{feed.topic}-1: 1 records left: its rows depend on what stands in other" in process.text()
    assert set(target.rows("once")) == {1, 2, 3}

    target.do("UPDATE headrace.positions SET next_offset = 4, epoch = epoch + 1 WHERE partition = 0")
    workers.until_current(job)
    assert set(target.rows("once")) == {1, 2, 3, 4, 5}
    assert target.reached(job.group, feed)


def test_a_wait_that_is_over_is_not_said(workers: Workers, target: Target, at: Endpoints) -> None:
    """What the older partitions had then is applied, so the new one begins at once."""
    feed = Feed(at, "once", fresh_name("once"), 1)
    feed.create(3)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("waits"), topics=(feed.topic,))
    workers.until_current(job)
    feed.grow(2)
    feed.create(2)
    process = workers.until_current(job)
    assert target.reached(job.group, feed)
    again = workers.until_current(job)
    assert again.lines("partition waits") == []
    assert process.code == 0
