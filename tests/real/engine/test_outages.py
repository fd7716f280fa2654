"""Broker, target and registry break under load and come back; the worker goes on by itself."""

import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from consumer.stack.options import KAFKA, REGISTRY, TARGET
from consumer.stack.stack import Stack

from .feed import Feed, fresh_name
from .load import Load, random_seed
from .test_control import told
from .witness import TEMPLATE, Target, create_database
from .worker import Job, Process, Workers, eventually

Feeds = tuple[Feed, Feed]


def _again(stack: Stack, part: str, number: signal.Signals) -> None:
    stack.kill(part, number)
    stack.start_part(part)


_BREAKS: dict[str, Callable[[Stack], None]] = {
    "broker restarted": lambda stack: stack.restart(KAFKA),
    "broker killed": lambda stack: _again(stack, KAFKA, signal.SIGKILL),
    "target stopped immediately": lambda stack: _again(stack, TARGET, signal.SIGQUIT),
    "target killed": lambda stack: _again(stack, TARGET, signal.SIGKILL),
}


@pytest.fixture
def own_target(breakable: Stack) -> Target:
    """A target database on the server that breaks."""
    return Target(create_database(breakable.endpoints.target_dsn, fresh_name("outage"), TEMPLATE))


def _feeds(stack: Stack) -> Feeds:
    return Feed(stack.endpoints, "once", fresh_name("once")), Feed(stack.endpoints, "churn", fresh_name("churn"))


def _job(stack: Stack, target: Target, feeds: Feeds, name: str = "w") -> Job:
    topics = tuple(feed.topic for feed in feeds)
    return Job(at=stack.endpoints, dsn=target.dsn, group=fresh_name("outage"), topics=topics, name=name, max_rows=100)


def _applied(worker: Process) -> int:
    return len(worker.lines("batch applied"))


@pytest.mark.parametrize("what", _BREAKS)
def test_a_server_breaks_under_load(breakable: Stack, own_target: Target, workers: Workers, what: str) -> None:
    """No restart of the worker, no manual step, no partition stopped, nothing lost or doubled."""
    feeds = _feeds(breakable)
    job = _job(breakable, own_target, feeds)
    worker = workers.run(job)
    with Load(*feeds, random_seed()):
        worker.said("batch applied", 3)
        _BREAKS[what](breakable)
        seen = _applied(worker)
        eventually(lambda: _applied(worker) > seen + 3, "batches are applied again")
    eventually(lambda: own_target.reached(job.group, *feeds), "everything is applied")
    assert own_target.stopped(job.group) == {}
    assert worker.leave() == 0
    own_target.must_equal(job.group, *feeds)
    if what.startswith("target"):
        healed = own_target.ask("SELECT DISTINCT act FROM headrace.healing WHERE subject = 'target'")
        assert {("reconnected",), ("server back",)} & set(healed), healed


def test_an_unknown_schema_waits_for_the_registry(breakable: Stack, own_target: Target, workers: Workers) -> None:
    """It costs time, not data: no position moves and no partition stops until the registry is back."""
    feeds = _feeds(breakable)
    job = _job(breakable, own_target, feeds)
    breakable.stop_part(REGISTRY)
    try:
        feeds[0].create(30)
        worker = workers.run(job)
        worker.said("partition waits")
        assert own_target.rows("public.once") == {}
        assert set(own_target.positions(job.group).values()) == {0}
    finally:
        breakable.start_part(REGISTRY)
    eventually(lambda: own_target.reached(job.group, *feeds), "everything is applied")
    assert own_target.stopped(job.group) == {}
    assert worker.leave() == 0
    own_target.must_equal(job.group, *feeds)


def test_a_known_schema_needs_no_registry(breakable: Stack, own_target: Target, workers: Workers) -> None:
    """A worker that starts while the registry is away reads what an earlier one kept of it."""
    feeds = _feeds(breakable)
    feeds[0].create(10)
    feeds[1].churn(10, seed=3)
    job = _job(breakable, own_target, feeds)
    workers.until_current(job)
    breakable.stop_part(REGISTRY)
    try:
        feeds[0].create(10)
        workers.until_current(job)
        own_target.must_equal(job.group, *feeds)
    finally:
        breakable.start_part(REGISTRY)


def test_a_registry_that_nobody_needs_any_more_is_seen_to_be_back(
    breakable: Stack, own_target: Target, workers: Workers
) -> None:
    """All schemas were kept, so nothing asks it once more; its breaker closes all the same."""
    feeds = _feeds(breakable)
    feeds[0].create(10)
    feeds[1].churn(10, seed=3)
    job = replace(_job(breakable, own_target, feeds), sections={"breaker": {"failures": 1}})
    workers.until_current(job)
    breakable.stop_part(REGISTRY)
    try:
        feeds[0].create(10)
        worker = workers.run(job)
        worker.said("server is away")
        eventually(lambda: own_target.reached(job.group, *feeds), "everything is applied")
    finally:
        breakable.start_part(REGISTRY)
    worker.said("server is back")
    assert worker.leave() == 0


def test_a_worker_starts_while_the_target_is_away(breakable: Stack, own_target: Target, workers: Workers) -> None:
    """It joins the group, polls, and takes its partitions when the target answers; the log tells of it once."""
    feeds = _feeds(breakable)
    feeds[0].create(10)
    job = _job(breakable, own_target, feeds)
    breakable.stop_part(TARGET)
    try:
        worker = workers.run(job)
        worker.said("server is away")
        worker.said("waiting", 5)
    finally:
        breakable.start_part(TARGET)
    eventually(lambda: own_target.reached(job.group, *feeds), "everything is applied")
    assert worker.leave() == 0
    told = {event: len(worker.lines(event)) for event in ("server is away", "server is back")}
    assert told == {"server is away": 1, "server is back": 1}
    assert [line["level"] for line in worker.lines("waiting")].count("warning") == 1
    own_target.must_equal(job.group, *feeds)


def test_a_breaker_that_is_reset_has_its_server_asked_at_once(
    breakable: Stack, own_target: Target, workers: Workers
) -> None:
    """By itself it would be asked minutes later."""
    feed = Feed(breakable.endpoints, "once", fresh_name("once"))
    feed.create(30)
    sections = {"breaker": {"failures": 2, "reset": 300}, "retry": {"environment_most": 1}}
    job = Job(
        at=breakable.endpoints, dsn=own_target.dsn, group=fresh_name("outage"), topics=(feed.topic,), sections=sections
    )

    def state() -> list[str]:
        process = workers.command(job, "breakers", "ls", "--output", "json")
        # nobody has reported yet
        if process.finish() == 3:
            return []
        return [breaker["state"] for breaker in told(process) if breaker["name"] == "registry"]

    breakable.stop_part(REGISTRY)
    try:
        worker = workers.run(job)
        eventually(lambda: state() == ["open"], "its breaker is open")
    finally:
        breakable.start_part(REGISTRY)
    assert own_target.rows("public.once") == {}
    (answer,) = told(
        workers.command(job, "breakers", "reset", "registry", "--reason", "it is back", "--output", "json")
    )
    assert answer["outcome"] == "the next question is let through"
    eventually(lambda: own_target.reached(job.group, feed), "everything is applied")
    assert worker.leave() == 0
