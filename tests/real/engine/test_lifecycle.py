"""A worker begins where it is told, notices what is new or replaced, and leaves in order."""

import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .load import Load, random_seed
from .witness import Target
from .worker import Job, Workers, eventually

_DRAIN = 30.0


def _job(at: Endpoints, target: Target, *topics: str) -> Job:
    return Job(at=at, dsn=target.dsn, group=fresh_name("life"), topics=topics, drain=_DRAIN)


def test_leaving_under_load_is_in_order(at: Endpoints, target: Target, workers: Workers) -> None:
    """SIGTERM ends it with 0 within the drain timeout, three times; the next one goes on without a gap."""
    feeds = Feed(at, "once", fresh_name("once")), Feed(at, "churn", fresh_name("churn"))
    job = _job(at, target, *(feed.topic for feed in feeds))
    with Load(*feeds, random_seed()):
        for _ in range(3):
            worker = workers.run(job)
            worker.said("batch applied", 3)
            since = time.monotonic()
            assert worker.leave() == 0
            assert time.monotonic() - since < _DRAIN
            assert worker.lines("worker left cleanly")
    workers.until_current(job)
    target.must_equal(job.group, *feeds)


def test_a_new_topic_of_the_pattern_is_picked_up(at: Endpoints, target: Target, workers: Workers) -> None:
    """It is read from its log start although the group began at the latest records."""
    word = fresh_name("late")
    churn = Feed(at, "churn", f"{word}_churn")
    churn.churn(20, seed=1)
    job = replace(_job(at, target, f"^{word}_.*"), initial="latest")
    worker = workers.run(job)
    eventually(lambda: target.reached(job.group, churn), "the group has begun at the end")
    once = Feed(at, "once", f"{word}_once")
    once.create(30)
    eventually(lambda: target.reached(job.group, once), "the new topic is applied")
    assert target.rows("churn") == {}
    assert worker.leave() == 0
    target.must_equal(job.group, once)


def test_latest_begins_at_the_end(at: Endpoints, target: Target, workers: Workers) -> None:
    """What was there before the first start is left out, what comes after is applied."""
    once = Feed(at, "once", fresh_name("once"))
    once.create(30)
    before = set(once.rows())
    job = replace(_job(at, target, once.topic), initial="latest")
    workers.until_current(job)
    once.create(30)
    workers.until_current(job)
    assert set(target.rows("once")) == set(once.rows()) - before
    assert target.double_writes() == []


def test_another_groups_offsets_are_taken_over(at: Endpoints, target: Target, workers: Workers) -> None:
    """Partitions that the other group has committed begin there, the others at their log start."""
    once = Feed(at, "once", fresh_name("once"))
    once.create(30)
    other = fresh_name("other")
    consumer = Consumer({"bootstrap.servers": at.kafka, "group.id": other, "log_level": 0})
    consumer.commit(offsets=[TopicPartition(once.topic, 1, 4)], asynchronous=False)
    consumer.close()
    job = replace(_job(at, target, once.topic), initial=f"group:{other}")
    workers.until_current(job)
    skipped = {key for key in once.rows() if key % 3 == 1 and key < 12}
    assert set(target.rows("once")) == set(once.rows()) - skipped
    assert target.double_writes() == []


@pytest.mark.provokes("log.recreated")
def test_a_topic_created_again_is_refused(at: Endpoints, target: Target, workers: Workers) -> None:
    """Its stored positions belong to the old one: the partitions stop, until somebody decides about each of them."""
    once = Feed(at, "once", fresh_name("once"))
    once.create(30)
    job = _job(at, target, once.topic)
    workers.until_current(job)
    held = target.rows("once")
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    admin.delete_topics([once.topic])[once.topic].result(30)
    eventually(lambda: once.topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    again = Feed(at, "once", once.topic)
    again.last = 1000
    again.create(90)
    worker = workers.run(job)
    worker.said("partition stopped", 3)
    stopped = target.stopped(job.group)
    assert {reason["kind"] for reason in stopped.values()} == {"log.recreated"}
    assert all(once.topic in reason["detail"] and reason["remedy"] for reason in stopped.values())
    assert target.rows("once") == held
    begun = workers.command(job, *("positions", "set", once.topic, "1", "--to", "earliest", "--reason", "new"), "--yes")
    assert begun.finish() == 0, begun.text()
    new = {key: row for key, row in again.rows().items() if key % 3 == 1}
    eventually(lambda: target.rows("once") == held | new, "the partition begins anew")
    assert len(target.stopped(job.group)) == 2
    assert worker.leave() == 0
