"""Native decoding that never ends costs its process once, then the marked range goes to the row decoder."""

from collections.abc import Callable

from consumer.lifecycle import HUNG
from consumer.stack.options import Endpoints
from consumer.worker import FAILED

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers, eventually


def test_a_range_that_hangs_the_decoder_is_marked_and_read_by_the_row_decoder(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """The first process ends and leaves the mark; the next one reads it, applies everything, and forgets it."""
    feed = fresh_feed("once", 1)
    feed.create(40)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("hang"), topics=(feed.topic,))
    first = workers.program("hanging_child.py", job)
    assert first.finish() == HUNG
    assert target.ask("SELECT topic, start_offset FROM headrace.decode_marks") == [(feed.topic, 0)]
    assert target.rows("once") == {}
    second = workers.program("hanging_child.py", job)
    assert second.finish() == 0, second.text()[-2000:]
    target.must_equal(job.group, feed)
    # who finds everything current may leave before it takes anything
    third = workers.run(job)
    eventually(lambda: target.ask("SELECT 1 FROM headrace.decode_marks") == [], "the mark is forgotten")
    assert third.leave() == 0


def test_a_process_in_which_nothing_runs_any_more_ends(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """It says where its threads stood; the next one goes on."""
    feed = fresh_feed("once", 1)
    feed.create(40)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("hang"), topics=(feed.topic,))
    first = workers.program("hanging_child.py", job, "frozen")
    assert first.finish() == FAILED
    assert "hanging_child.py" in first.text().split("Timeout (", 1)[1]
    assert target.rows("once") == {}
    workers.until_current(job)
    target.must_equal(job.group, feed)
