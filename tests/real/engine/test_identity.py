"""Tables without a fitting unique index: replaced row by row from a topic of one partition, refused from others."""

from dataclasses import replace

import pytest

from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.ports.topics import Traits
from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import BATCH_COMMIT, Proxy
from .witness import Target
from .worker import Job, Workers, eventually

_PARTIAL = 5
_POINTS = {
    "rows replaced": ("after", "^WITH t AS", 2),
    "COMMIT not sent": ("before", BATCH_COMMIT, 3),
    "COMMIT not answered": ("after", BATCH_COMMIT, 3),
}


@pytest.fixture
def unindexed(target: Target) -> Target:
    """A target whose table has lost its primary key."""
    target.do("ALTER TABLE churn DROP CONSTRAINT churn_pkey")
    return target


def job_of(at: Endpoints, target: Target, *feeds: Feed) -> Job:
    """A group of its own."""
    return Job(at=at, dsn=target.dsn, group=fresh_name("identity"), topics=tuple(feed.topic for feed in feeds))


def count(target: Target) -> int:
    """How many rows the table has; a key that is there twice counts twice."""
    return int(str(target.ask("SELECT count(*) FROM churn")[0][0]))


def test_a_topic_of_one_partition_is_applied(workers: Workers, unindexed: Target, at: Endpoints) -> None:
    """Over many batches and a restart, rows that were there twice before included, the table equals the model."""
    feed = Feed(at, "churn", fresh_name("churn"), 1)
    feed.churn(400, seed=3)
    key = min(feed.rows())
    unindexed.do(f"INSERT INTO churn SELECT {key}, 'old', n FROM generate_series(1, 3) AS n")
    job = job_of(at, unindexed, feed)
    workers.until_current(job)
    feed.churn(400, seed=4)
    feed.send("u", key, "last", 7)
    feed.flush()
    workers.until_current(job)

    unindexed.must_equal(job.group, feed)
    assert count(unindexed) == len(feed.rows())


@pytest.mark.parametrize("point", _POINTS)
def test_killed_while_rows_are_replaced(
    workers: Workers, unindexed: Target, proxy: Proxy, at: Endpoints, point: str
) -> None:
    """No index would refuse a row that is inserted a second time."""
    side, pattern, skip = _POINTS[point]
    feed = Feed(at, "churn", fresh_name("churn"), 1)
    feed.churn(400, seed=9)
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip)
    job = replace(job_of(at, unindexed, feed), dsn=proxy.dsn, client={"group.instance.id": "one"})
    victim = workers.run(job)
    hold.wait()
    victim.kill()
    hold.discard()
    workers.until_current(job)
    unindexed.must_equal(job.group, feed)
    assert count(unindexed) == len(feed.rows())


@pytest.mark.provokes("table.identity")
def test_a_topic_of_several_partitions_is_refused_with_the_remedy(
    workers: Workers, unindexed: Target, at: Endpoints
) -> None:
    """Nothing is written, each partition says why, and an index made afterwards is enough."""
    feed = Feed(at, "churn", fresh_name("churn"), 3)
    feed.churn(60, seed=5)
    job = job_of(at, unindexed, feed)
    worker = workers.run(job, "--until-current")
    assert worker.finish() == _PARTIAL
    stopped = unindexed.stopped(job.group)
    assert set(stopped) == set(feed.ends())
    assert {reason["kind"] for reason in stopped.values()} == {"table.identity"}
    assert all("PRIMARY KEY (id)" in reason["remedy"] for reason in stopped.values())
    assert count(unindexed) == 0

    unindexed.do("ALTER TABLE churn ADD PRIMARY KEY (id)")
    workers.until_current(job)
    unindexed.must_equal(job.group, feed)


@pytest.mark.parametrize("key", [2, 3], ids=["a record of the old partition", "a record of the new one"])
def test_a_topic_that_grows_while_it_is_read_stops(
    workers: Workers, unindexed: Target, at: Endpoints, key: int
) -> None:
    """What was right for one partition is not gone on with for two; nothing is written after that."""
    feed = Feed(at, "churn", fresh_name("churn"), 1)
    feed.send("c", 2, "before", 1)
    feed.flush()
    job = job_of(at, unindexed, feed)
    worker = workers.run(job)
    worker.said("batch applied")
    feed.grow(2)
    eventually(lambda: (feed.topic, 1) in unindexed.positions(job.group), "the new partition is taken")
    worker.said("topic has grown")
    feed.send("u", key, "after", 2)
    feed.flush()
    worker.said("partition stopped")

    assert unindexed.stopped(job.group)[feed.topic, key % 2]["kind"] == "table.identity"
    assert unindexed.rows("churn") == {2: ("before", 1)}
    assert worker.leave() == 0


def test_growth_is_noticed_without_being_assigned_the_new_partition(
    workers: Workers, unindexed: Target, at: Endpoints
) -> None:
    """The count itself is looked at: here the group does not hear of the new partition."""
    feed = Feed(at, "churn", fresh_name("churn"), 1)
    feed.send("c", 2, "before", 1)
    feed.flush()
    deaf = {"topic.metadata.refresh.interval.ms": "600000"}
    job = replace(job_of(at, unindexed, feed), client=deaf)
    worker = workers.run(job)
    worker.said("batch applied")
    feed.grow(2)
    worker.said("topic has grown")
    feed.send("u", 2, "after", 2)
    feed.flush()
    worker.said("partition stopped")

    assert (feed.topic, 1) not in unindexed.positions(job.group)
    assert unindexed.stopped(job.group)[feed.topic, 0]["kind"] == "table.identity"
    assert unindexed.rows("churn") == {2: ("before", 1)}
    assert worker.leave() == 0


def test_what_a_topic_is_like_is_asked_of_the_broker(at: Endpoints) -> None:
    """Partitions and cleanup policy, as they are now; a topic that is not there is left out."""
    plain, compacted = fresh_name("plain"), fresh_name("compacted")
    feed = Feed(at, "churn", plain, 1)
    Feed(at, "churn", compacted, 3, {"cleanup.policy": "compact,delete"})
    offsets = KafkaOffsets(KafkaSettings(bootstrap_servers=at.kafka, group="g", topics=()))
    wanted = {plain: Traits(compacted=False, partitions=1), compacted: Traits(compacted=True, partitions=3)}
    # what was made is told to the broker that answers in its own time
    eventually(lambda: offsets.traits([plain, compacted, "nowhere"]) == wanted, "both are known as they are")
    assert set(offsets.topic_ids([plain, "nowhere"])) == {plain}
    assert offsets.traits([]) == {}
    # who only looks is told of those that are there
    asked = [TopicPartition(plain, 0), TopicPartition(plain, 7), TopicPartition("nowhere", 0)]
    assert offsets.known_ends(asked) == {TopicPartition(plain, 0): 0}

    feed.grow(2)
    eventually(lambda: offsets.traits([plain])[plain].partitions == 2, "the new partition is known")
