"""Tombstones: noise behind a delete, but a delete of their own on a compacted topic."""

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers


def test_tombstones_are_passed_over_on_a_topic_that_only_deletes(
    workers: Workers, target: Target, at: Endpoints
) -> None:
    """A tombstone without a delete in front of it leaves the row."""
    feed = Feed(at, "churn", fresh_name("plain"), 1)
    feed.send("c", 1, "kept", 1)
    feed.raw(None, 1)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("tomb"), topics=(feed.topic,))
    workers.until_current(job)
    assert target.rows("churn") == {1: ("kept", 1)}
    assert target.reached(job.group, feed)


def test_a_tombstone_on_a_compacted_topic_deletes_its_key(workers: Workers, target: Target, at: Endpoints) -> None:
    """After compaction the tombstone may come alone; a later insert of the key wins over it."""
    topic = fresh_name("compacted")
    feed = Feed(at, "churn", topic, 1, {"cleanup.policy": "compact"})
    feed.send("c", 1, "gone", 1)
    feed.send("c", 2, "back", 2)
    feed.raw(None, 1)
    feed.raw(None, 2)
    feed.send("c", 2, "again", 3)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("tomb"), topics=(topic,))
    workers.until_current(job)
    assert target.rows("churn") == {2: ("again", 3)}


@pytest.mark.parametrize(
    "since",
    [
        pytest.param("", id="nothing else has changed"),
        pytest.param("ALTER TABLE churn DROP COLUMN label", id="the table has changed since"),
        pytest.param("DELETE FROM headrace.schemas", id="the registry alone knows the key"),
    ],
)
def test_a_worker_that_meets_a_tombstone_first_knows_the_table_from_the_last_one(
    workers: Workers, target: Target, at: Endpoints, since: str
) -> None:
    """Feed, apply, end the worker; then nothing but a tombstone comes, and its row is gone."""
    feed = Feed(at, "churn", fresh_name("compacted"), 1, {"cleanup.policy": "compact"})
    feed.send("c", 1, "gone", 1)
    feed.send("c", 2, "kept", 2)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("tomb"), topics=(feed.topic,))
    workers.until_current(job)
    if since:
        target.do(since)
    feed.raw(None, 1)
    feed.flush()
    workers.until_current(job)

    assert target.ask("SELECT id, amount FROM churn") == [(2, 2)]
    assert target.reached(job.group, feed)


@pytest.mark.provokes("table.tombstones")
def test_a_group_that_never_bound_the_topic_stops_at_the_tombstone(
    workers: Workers, target: Target, at: Endpoints
) -> None:
    """What another group has bound says nothing; the remedy does."""
    feed = Feed(at, "churn", fresh_name("compacted"), 1, {"cleanup.policy": "compact"})
    feed.raw(None, 1)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("tomb"), topics=(feed.topic,))
    worker = workers.run(job, "--until-current")

    assert worker.finish() == 5
    assert "its table is not known yet" in worker.text()
    assert target.stopped(job.group)[feed.topic, 0]["kind"] == "table.tombstones"
