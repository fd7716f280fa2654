"""How a worker ends when it is told to, once and again, by signals to a real process; nothing is left of it."""

import signal
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Process, Workers, eventually

# a batch of one row takes so long
_SLOW = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({}); RETURN NEW; END'"
_OURS = "application_name LIKE 'headrace w-%'"


@pytest.fixture
def feed(fresh_feed: Callable[..., Feed]) -> Feed:
    """A topic whose table is there."""
    return fresh_feed("heavy", 1)


def _job(at: Endpoints, target: Target, feed: Feed, workers: Workers, seconds: float, **more: float) -> Job:
    """A job whose next batch takes so many seconds."""
    job = Job(at=at, dsn=target.dsn, group=fresh_name("stop"), topics=(feed.topic,), deadline=30.0, drain=20.0)
    job = replace(job, **more)  # type: ignore[arg-type]
    feed.send("c", 1, "made", 1)
    feed.flush()
    workers.until_current(job)
    target.do(_SLOW.format(seconds))
    target.do("CREATE TRIGGER slow BEFORE INSERT ON heavy FOR EACH ROW EXECUTE FUNCTION slow()")
    feed.send("c", 2, "later", 2)
    feed.flush()
    return job


def _begun(target: Target) -> None:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep' AND {_OURS}"
    eventually(lambda: target.ask(query) == [(1,)], "the batch is in flight", 30)


def _nothing_is_left(target: Target, at: Endpoints, job: Job) -> None:
    """No session, no staging table, no member of the group, no worker that seems to live."""
    eventually(lambda: target.ask(f"SELECT count(*) FROM pg_stat_activity WHERE {_OURS}") == [(0,)], "no session", 5)
    staged = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'headrace%'"
    assert target.ask(staged) == [(0,)]
    assert target.ask("SELECT count(*) FROM headrace.workers") == [(0,)]
    admin = AdminClient({"bootstrap.servers": at.kafka})
    described = admin.describe_consumer_groups([job.group])[job.group].result(20)
    assert list(described.members) == []


def _ended_within(worker: Process, seconds: float) -> int:
    began = time.monotonic()
    code = worker.finish(seconds + 20)
    assert time.monotonic() - began < seconds, f"it took {time.monotonic() - began:.1f} s"
    return code


def test_told_once_the_batch_in_flight_has_its_time(
    workers: Workers, target: Target, at: Endpoints, feed: Feed
) -> None:
    """It is applied, and then all is closed."""
    job = _job(at, target, feed, workers, 2.0)
    worker = workers.run(job)
    _begun(target)
    worker.send(signal.SIGTERM)

    assert _ended_within(worker, 8) == 0
    assert len(target.ask("SELECT id FROM heavy")) == 2
    _nothing_is_left(target, at, job)


def test_told_again_the_batch_in_flight_is_undone(workers: Workers, target: Target, at: Endpoints, feed: Feed) -> None:
    """In a few seconds, in order; whoever is next applies it."""
    job = _job(at, target, feed, workers, 25.0)
    worker = workers.run(job)
    _begun(target)
    worker.send(signal.SIGTERM)
    # as a terminal and a supervisor send it: at the same time, which means no hurry
    worker.send(signal.SIGINT)
    assert not _gone(worker, 1.5)
    worker.send(signal.SIGTERM)

    assert _ended_within(worker, 5) == 0
    assert worker.lines("told to stop again: the batch in flight is undone")
    assert len(target.ask("SELECT id FROM heavy")) == 1
    _nothing_is_left(target, at, job)
    target.do("DROP TRIGGER slow ON heavy")
    workers.until_current(job)
    assert len(target.ask("SELECT id FROM heavy")) == 2


def test_a_batch_that_takes_too_long_ends_with_the_process(
    workers: Workers, target: Target, at: Endpoints, feed: Feed
) -> None:
    """Within what whoever stops it gives it; the server does not work on for nobody."""
    job = _job(at, target, feed, workers, 25.0, drain=1.0)
    worker = workers.run(replace(job, sections={"worker": _worker(job) | {"stop_within": 7}}))
    _begun(target)
    worker.send(signal.SIGTERM)

    assert _ended_within(worker, 7) in (0, 1)
    assert len(target.ask("SELECT id FROM heavy")) == 1
    _nothing_is_left(target, at, job)


def _worker(job: Job) -> dict[str, object]:
    return {"name": job.name, "drain_timeout": job.drain, "stall_timeout": job.stall}


def _gone(worker: Process, seconds: float) -> bool:
    try:
        psutil.Process(worker.pid).wait(seconds)
    except psutil.TimeoutExpired:
        return False
    except psutil.NoSuchProcess:
        return True
    return True
