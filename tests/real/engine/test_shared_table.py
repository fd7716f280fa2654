"""A table belongs to one topic of a group, whichever worker applies it."""

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers

_PARTIAL = 5


@pytest.mark.provokes("table.shared")
def test_a_second_topic_of_one_table_is_refused_also_by_another_worker(
    workers: Workers, target: Target, at: Endpoints
) -> None:
    """The first topic's worker is long gone; its rows stay as they are."""
    group = fresh_name("shared")
    first, second = (Feed(at, "once", fresh_name("once"), 1) for _ in range(2))
    first.send("c", 1, "first", 1)
    first.flush()
    second.send("c", 1, "second", 2)
    second.flush()
    workers.until_current(Job(at=at, dsn=target.dsn, group=group, topics=(first.topic,)))
    other = workers.run(Job(at=at, dsn=target.dsn, group=group, topics=(second.topic,)), "--until-current")
    assert other.finish() == _PARTIAL, other.text()
    reason = target.stopped(group)[second.topic, 0]
    assert reason["kind"] == "table.shared"
    assert first.topic in reason["detail"]
    assert target.rows("once") == {1: ("first", 1)}
