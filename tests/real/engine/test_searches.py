"""A letter that nobody could read, whose schema is known by now: what was passed behind it in the log decides."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.background.searcher import Searcher
from consumer.stack.options import Endpoints

from .feed import Feed, envelope, key_schema, register
from .letters import Scene
from .replica import Replica
from .wire import Proxy
from .witness import Target
from .worker import Workers, eventually


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed], replica: Replica) -> Scene:
    """A topic of one partition, whose first record has a key of a schema that the registry does not know yet.

    Nothing else has its value's schema, so no binding says its row either.
    """
    made = Scene(at, target, fresh_feed("once", 1))
    made.job = replace(made.job, registry_url=replica.url, max_rows=5000)
    made.heal()
    feed = made.feed
    number = register(at, f"{feed.topic}-late", {**key_schema(feed.topic), "doc": "late"})
    replica.behind = number
    own = register(at, f"{feed.topic}-own", {**envelope(feed.topic), "doc": "its own"})
    value = b"\0" + own.to_bytes(4) + feed.encode("c", 1, {"id": 1, "label": "old", "amount": 1})[5:]
    feed.raw(value, 1, b"\0" + number.to_bytes(4))
    feed.last = 1
    return made


def passed(scene: Scene) -> bool:
    """Whether the letter is dead, and everything behind it applied."""
    return scene.states() == "0/0d" and scene.target.reached(scene.job.group, scene.feed)


def cut(scene: Scene, offset: int) -> None:
    """Move the log's start."""
    admin = AdminClient({"bootstrap.servers": scene.job.at.kafka, "log_level": 0})
    (done,) = admin.delete_records([TopicPartition(scene.feed.topic, 0, offset)]).values()
    done.result(30)


@pytest.mark.parametrize("changed", [True, False])
def test_what_stands_behind_it_in_the_log_decides(
    scene: Scene, workers: Workers, replica: Replica, changed: bool
) -> None:
    """A later full image of its row makes it superfluous; else it is applied, though others came between."""
    scene.feed.create(2)
    if changed:
        scene.feed.send("u", 1, "new", 5)
    scene.feed.flush()
    worker = workers.run(scene.job)
    eventually(lambda: passed(scene), "the letter is passed")
    replica.behind = None
    scene.replay()

    scene.comes_to("0/0s" if changed else "0/0a")
    assert scene.target.rows("once") == scene.feed.rows() | ({} if changed else {1: ("old", 1)})
    worker.said("letter searched for")
    assert worker.leave() == 0


@pytest.mark.parametrize("behind", [2, 0])
def test_a_later_change_in_a_partition_that_came_later_is_not_undone(
    scene: Scene, workers: Workers, replica: Replica, behind: int
) -> None:
    """Its own partition shows none, since keys are spread anew; so the letter stays dead, and says why."""
    scene.feed.create(behind)
    scene.feed.flush()
    worker = workers.run(scene.job)
    eventually(lambda: passed(scene), "the letter is passed")
    assert worker.leave() == 0
    scene.feed.grow(2)
    scene.feed.send("u", 1, "new", 5)
    scene.feed.flush()
    worker = workers.run(scene.job)
    eventually(lambda: passed(scene), "the later change is applied")
    replica.behind = None
    scene.replay()
    query = "SELECT state, kind FROM headrace.letters WHERE group_name = %s AND detail LIKE %s"
    found = "%more partitions%"
    eventually(lambda: scene.target.ask(query, scene.job.group, found), "the letter is refused")

    assert scene.target.ask(query, scene.job.group, found) == [("dead", "record.unplaced")]
    assert scene.target.rows("once") == scene.feed.rows()
    assert worker.leave() == 0


def test_a_log_that_is_gone_shows_nothing(scene: Scene, workers: Workers, replica: Replica) -> None:
    """The letter is not applied, and says what to do instead."""
    scene.feed.create(2)
    worker = workers.run(scene.job)
    eventually(lambda: passed(scene), "the letter is passed")
    cut(scene, 2)
    replica.behind = None
    scene.replay()
    query = "SELECT state, kind, remedy, reason FROM headrace.letters WHERE group_name = %s AND detail LIKE %s"
    group = scene.job.group
    eventually(lambda: scene.target.ask(query, group, "%behind it have left the log%"), "the letter is refused")
    ((state, kind, remedy, _),) = scene.target.ask(query, group, "%behind it have left the log%")

    assert (state, kind) == ("dead", "record.unplaced")
    assert "Ask the source for the row again" in str(remedy)
    assert scene.target.rows("once") == scene.feed.rows()
    assert worker.leave() == 0


def test_a_search_that_was_killed_goes_on_where_it_was(
    scene: Scene, workers: Workers, replica: Replica, proxy: Proxy
) -> None:
    """What it has read is not read again: it is gone from the log meanwhile."""
    read = 1 + Searcher.RECORDS
    scene.feed.create(2 * Searcher.RECORDS + 100)
    first = workers.run(scene.job)
    eventually(lambda: passed(scene), "the letter is passed")
    assert first.leave() == 0
    replica.behind = None
    scene.replay()
    hold = proxy.before("SET searched = .*search_doubt", 1)
    victim = workers.run(replace(scene.job, dsn=proxy.dsn))
    hold.wait()
    victim.kill()
    hold.discard()
    query = "SELECT searched FROM headrace.letters WHERE group_name = %s"
    assert scene.target.ask(query, scene.job.group) == [(read,)]
    cut(scene, read)
    worker = workers.run(scene.job)

    scene.comes_to("0/0a")
    assert scene.target.rows("once") == scene.feed.rows() | {1: ("old", 1)}
    assert scene.target.writes()[1] == 1
    assert worker.leave() == 0
