"""`headrace run` as a command: how it ends, and several workers under one supervisor."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Process, Workers, eventually


@pytest.fixture
def job(at: Endpoints, target: Target, fed: tuple[Feed, Feed]) -> Job:
    """A group of its own on the two fed topics."""
    return Job(at=at, dsn=target.dsn, group=fresh_name("run"), topics=tuple(feed.topic for feed in fed))


def members(process: Process) -> list[psutil.Process]:
    """The worker processes of a supervisor."""
    return psutil.Process(process.pid).children()


def test_until_current_applies_what_is_there_and_ends(
    workers: Workers, target: Target, job: Job, fed: tuple[Feed, Feed]
) -> None:
    """It exits 0 with everything applied, and again at once when there is nothing to do."""
    workers.until_current(job)
    target.must_equal(job.group, *fed)
    workers.until_current(job)
    target.must_equal(job.group, *fed)


def test_until_current_with_a_stopped_partition_exits_5_and_says_why(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """What is left belongs to a stopped partition only, so the command ends with the reason."""
    feed = fresh_feed("once")
    feed.create(30)
    feed.raw(feed.encode("t", 1, None), 1)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("run"), topics=(feed.topic,))
    process = workers.run(job, "--until-current")
    assert process.finish() == 5
    assert f"{feed.topic}-1: 1 records left: " in process.text()
    assert "offset 10" in process.text()
    assert len(target.rows("once")) == 30


def test_a_key_that_the_table_can_not_take_costs_its_record(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """It is a letter of no row, since there is none of that key; what stands behind it goes on."""
    target.do("ALTER TABLE once ALTER id TYPE integer")
    feed = fresh_feed("once")
    feed.create(30)
    feed.raw(feed.encode("c", 5_000_000_002, {"id": 5_000_000_002, "label": "far", "amount": 1}), 5_000_000_002)
    feed.create(30)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("run"), topics=(feed.topic,))
    process = workers.run(job, "--until-current")
    assert process.finish() == 0
    assert "1 letter is open" in process.text()
    assert target.ask("SELECT state, kind FROM headrace.letters") == [("dead", "record.value")]
    assert len(target.rows("once")) == 60


def test_two_supervised_workers_share_the_partitions_and_end_together(
    workers: Workers, target: Target, job: Job, fed: tuple[Feed, Feed]
) -> None:
    """Both work under one supervisor; SIGTERM ends all three cleanly."""
    supervisor = workers.run(job, "--workers", "2")
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    eventually(lambda: len(members(supervisor)) == 2, "two workers run")
    both = members(supervisor)
    assert supervisor.leave() == 0
    assert not [member for member in both if member.is_running()]
    target.must_equal(job.group, *fed)


def test_a_worker_that_is_drained_leaves_its_partitions_to_the_other(
    workers: Workers, target: Target, job: Job, fed: tuple[Feed, Feed]
) -> None:
    """It is not started again; with the last one the supervisor ends, and nothing was lost or done twice."""
    supervisor = workers.run(job, "--workers", "2")
    eventually(lambda: len(target.ask("SELECT name FROM headrace.workers")) == 2, "two workers report")
    (first,), (second,) = target.ask("SELECT name FROM headrace.workers ORDER BY name")

    def drained(name: str) -> None:
        asking = workers.command(job, "workers", "drain", name, "--reason", "its machine is restarted", "--yes")
        assert asking.finish() == 0, asking.text()

    drained(first)
    eventually(lambda: target.ask("SELECT name FROM headrace.workers") == [(second,)], "one has left")
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    eventually(lambda: len(members(supervisor)) == 1, "its process has ended")
    drained(second)
    assert supervisor.finish() == 0
    target.must_equal(job.group, *fed)


def test_a_worker_that_dies_is_started_again(
    workers: Workers, target: Target, job: Job, fed: tuple[Feed, Feed]
) -> None:
    """The supervisor replaces a killed worker, and the new one takes its partitions over."""
    supervisor = workers.run(job, "--workers", "2")
    eventually(lambda: len(members(supervisor)) == 2, "two workers run")
    dead = members(supervisor)[0]
    dead.send_signal(signal.SIGKILL)
    eventually(lambda: {m.pid for m in members(supervisor)} - {dead.pid} and len(members(supervisor)) == 2, "replaced")
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    assert supervisor.leave() == 0
    target.must_equal(job.group, *fed)
    healed = target.ask("SELECT act, subject, detail, times FROM headrace.healing WHERE act LIKE 'worker%%'")
    assert healed == [("worker restarted", "worker", "it died with exit code -9", 1)]


def test_workers_do_not_outlive_a_killed_supervisor(workers: Workers, job: Job) -> None:
    """SIGKILL of the supervisor ends its workers too."""
    supervisor = workers.run(job, "--workers", "2")
    eventually(lambda: len(members(supervisor)) == 2, "two workers run")
    both = members(supervisor)
    supervisor.kill()
    eventually(lambda: not [member for member in both if member.is_running()], "the workers are gone")


def test_a_setting_that_is_wrong_ends_the_command_with_every_mistake(
    workers: Workers, job: Job, tmp_path: Path
) -> None:
    """Exit code 2, all mistakes together, and no value in the text."""
    process = workers.run(Job(at=job.at, dsn="", group="", topics=(), max_rows=0))
    assert process.finish() == 2
    for name in ("kafka.group", "kafka.topics", "target.dsn", "batch.max_rows"):
        assert name in process.text()


def test_a_target_that_is_away_at_the_start_is_waited_for(workers: Workers, job: Job) -> None:
    """A sick environment costs time: the worker goes on trying, and leaves when told."""
    process = workers.run(Job(at=job.at, dsn="host=127.0.0.1 port=1 dbname=x user=x", group="away", topics=job.topics))
    process.said("waiting", times=2)
    assert process.leave() == 0
