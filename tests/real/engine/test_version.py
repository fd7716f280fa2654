"""A table that the worker makes with a version column, and what is older than its rows."""

from collections.abc import Callable

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers


def test_what_is_older_than_its_row_is_kept_out(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """Changes that come late, one behind the other or in a batch of their own, by both decoders."""
    feed = fresh_feed("guarded", 1)
    policy = {"public.guarded": {"version_column": "source_lsn"}}
    job = Job(at=at, dsn=target.dsn, group=fresh_name("guarded"), topics=(feed.topic,), tables=policy)
    for key in range(1, 31):
        feed.lsn = 1000 + key
        feed.send("c", key, "first", key)
    feed.lsn = 2000
    feed.send("u", 1, "new", 1)
    feed.flush()
    workers.until_current(job)
    feed.lsn = 1500
    feed.send("u", 1, "late", 1)
    feed.send("d", 1)
    feed.send("u", 2, "newer", 2)
    feed.lsn = None
    feed.send("r", 3, "read", 3)
    feed.flush()
    workers.until_current(job)

    expected = {key: ("first", key, 1000 + key) for key in range(4, 31)}
    expected |= {1: ("new", 1, 2000), 2: ("newer", 2, 1500), 3: ("read", 3, 1003)}
    found = target.ask("SELECT id, label, amount, source_lsn FROM guarded")
    assert {row[0]: row[1:] for row in found} == expected
    assert target.ask("SELECT count(*) FROM headrace.letters WHERE group_name = %s", job.group) == [(0,)]
