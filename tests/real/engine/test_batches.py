"""Batches in trouble as the ledger and people see them, and decisions that a running worker heeds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import Proxy
from .witness import Target
from .worker import Job, Workers, eventually


def ledger(target: Target, group: str) -> list[tuple[Any, ...]]:
    """State, records and kind of failure of each batch, oldest first."""
    query = "SELECT state, records, error ->> 'kind' FROM headrace.batches WHERE group_name = %s ORDER BY id"
    return target.ask(query, group)


def test_a_batch_in_trouble_is_tried_smaller_and_abandoned_when_its_worker_dies(
    at: Endpoints, target: Target, proxy: Proxy, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """A failed batch says why; what is in the middle of it when the worker dies is done by the next one."""
    feed = fresh_feed("once", 1)
    feed.create(40)
    # a static member, so that its successor need not wait for its session to end
    client = {"group.instance.id": "one"}
    job = Job(at=at, dsn=target.dsn, group=fresh_name("batch"), topics=(feed.topic,), deadline=2.0, client=client)
    again = proxy.before("FOR UPDATE OF p", 1)
    with target.connected() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK once IN SHARE MODE")
        victim = workers.run(replace(job, dsn=proxy.dsn))
        again.wait()
        victim.kill()
    again.discard()
    (_, whole, kind), (_, part, _) = ledger(target, job.group)
    assert (kind, part) == ("target.locked", max(1, whole // 2))
    workers.until_current(job)
    states = [row[0] for row in ledger(target, job.group)]
    assert states[:3] == ["failed", "abandoned", "applied"]
    assert set(states[3:]) <= {"applied"}
    target.must_equal(job.group, feed)


def test_a_truncated_table_goes_on_behind_the_truncate_when_a_person_says_so(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """The worker that stopped the partition goes on by itself, and what was decided is on record."""
    feed = fresh_feed("once", 1)
    feed.create(5)
    feed.raw(feed.encode("t", 1, None), 1)
    feed.create(5)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("batch"), topics=(feed.topic,))
    worker = workers.run(job)
    eventually(lambda: target.stopped(job.group), "the partition is stopped")
    assert len(target.rows("once")) == 5

    words = ("positions", "set", feed.topic, "0", "--to", "skip", "--reason", "emptied by mistake", "--output", "json")
    refused = workers.command(job, *words)
    assert refused.finish() == 4
    decided = workers.command(job, *words, "--yes")
    assert decided.finish() == 0, decided.text()
    eventually(lambda: target.reached(job.group, feed), "the partition goes on")
    target.must_equal(job.group, feed)
    query = "SELECT action, topic, partition, reason, details FROM headrace.audit WHERE group_name = %s"
    ((*what, details),) = target.ask(query, job.group)
    assert what == ["set position", feed.topic, 0, "emptied by mistake"]
    assert (details["from"], details["to"]) == (5, 6)
    assert len(worker.lines("partition stopped")) == 1
    assert worker.leave() == 0
