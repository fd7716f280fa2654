"""Workers that are told what to do through the database, while changes keep coming."""

import json
from collections.abc import Callable
from typing import Any

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .load import Load, random_seed
from .witness import Target
from .worker import Job, Process, Workers, eventually

PAUSE = ("tables", "pause", "public.churn", "--reason", "comparing rows")
RESUME = ("tables", "resume", "public.churn", "--reason", "they are equal")


def told(process: Process) -> Any:
    """What a command said as JSON."""
    assert process.finish() == 0, process.text()
    text = process.text()
    return json.loads(text[text.index("[") :])


def two_topics(
    at: Endpoints, target: Target, fresh_feed: Callable[..., Feed], **settings: Any
) -> tuple[Job, Feed, Feed]:
    """A job of both tables and the feeds of them."""
    once, churn = fresh_feed("once"), fresh_feed("churn")
    topics = (once.topic, churn.topic)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("control"), topics=topics, **settings)
    return job, once, churn


def positions(target: Target, job: Job, topic: str) -> list[Any]:
    """The stored offsets of a topic."""
    query = "SELECT next_offset FROM headrace.positions WHERE group_name = %s AND topic = %s ORDER BY partition"
    return target.ask(query, job.group, topic)


def test_a_table_that_is_paused_under_load_stands_still_whoever_takes_it(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """From when the command has returned until it is resumed: while others go on, and after a worker died."""
    job, once, churn = two_topics(at, target, fresh_feed)
    running = [workers.run(job), workers.run(job)]
    with Load(once, churn, random_seed()) as load:
        eventually(lambda: len(target.rows("public.once")) > 200, "rows arrive")
        eventually(lambda: target.rows("public.churn"), "rows of the other table arrive")
        assert len(told(workers.command(job, *PAUSE, "--output", "json"))) == 3
        rows, stands = target.rows("public.churn"), positions(target, job, churn.topic)
        before = load.fed
        eventually(lambda: len(target.rows("public.once")) > before + 300, "the other table goes on")
        running[0].kill()
        before = load.fed
        eventually(lambda: len(target.rows("public.once")) > before + 300, "it goes on with one worker")
        eventually(lambda: len(target.stopped(job.group)) == 3, "who has the partitions says why they stand")
        assert (target.rows("public.churn"), positions(target, job, churn.topic)) == (rows, stands)
        told(workers.command(job, *RESUME, "--output", "json"))
        eventually(lambda: positions(target, job, churn.topic) != stands, "the table goes on")
    eventually(lambda: target.reached(job.group, once, churn), "everything is applied")
    assert running[1].leave() == 0
    target.must_equal(job.group, once, churn)


def test_until_current_does_not_wait_for_what_is_paused(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """It says who paused it and why, and ends as partial; after it is resumed it ends well."""
    job, once, churn = two_topics(at, target, fresh_feed)
    once.create(30)
    churn.churn(30, seed=1)
    workers.until_current(job)
    told(workers.command(job, *PAUSE, "--output", "json"))
    churn.churn(30, seed=2)
    once.create(30)
    partial = workers.run(job, "--until-current")
    assert partial.finish() == 5
    assert "comparing rows" in partial.text()
    assert "headrace tables resume public.churn" in partial.text()
    assert len(target.rows("public.once")) == 60
    told(workers.command(job, *RESUME, "--output", "json"))
    workers.until_current(job)
    target.must_equal(job.group, once, churn)


def test_a_worker_that_was_killed_is_shown_as_gone_and_one_that_left_is_not_shown(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """Those that live say what they hold."""
    job, once, _ = two_topics(at, target, fresh_feed, sections={"control": {"report_every": 0.2}})
    once.create(30)

    def listed() -> dict[int, tuple[str, int]]:
        rows = target.ask("SELECT count(*) FROM headrace.workers WHERE group_name = %s", job.group)
        if rows == [(0,)]:
            return {}
        found = told(workers.command(job, "workers", "ls", "--output", "json"))
        return {worker["pid"]: (worker["condition"], worker["held"]) for worker in found}

    killed, left, lives = workers.run(job), workers.run(job), workers.run(job)
    spread = dict.fromkeys((killed.pid, left.pid, lives.pid), ("running", 2))
    # the retry topics are held too, when they are there
    eventually(lambda: listed().keys() == spread.keys() and min(n for _, n in listed().values()) >= 2, "all report")
    killed.kill()
    assert left.leave() == 0
    eventually(lambda: listed().get(killed.pid, ("", 0))[0] == "gone", "the killed one is gone")
    found = listed()
    assert left.pid not in found
    assert found[lives.pid][0] == "running"
    eventually(lambda: listed()[lives.pid][1] >= 6, "the last one has everything")
    assert lives.leave() == 0


def test_who_has_lost_the_session_that_it_listens_on_is_only_later(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """It reports again, and heeds what is decided."""
    job, once, churn = two_topics(at, target, fresh_feed)
    once.create(30)
    churn.churn(30, seed=1)
    worker = workers.run(job)
    eventually(lambda: target.reached(job.group, once, churn), "everything is applied")
    query = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'headrace %%'
          AND (query LIKE '%%headrace.workers%%' OR query LIKE '%%headrace.commands%%' OR query LIKE 'LISTEN%%'
               OR query LIKE '%%again_at IS NOT NULL)%%')
    """
    eventually(lambda: target.ask(query), "the session is found and ended")
    told(workers.command(job, *PAUSE, "--output", "json"))
    worker.said("partition paused", 3)
    told(workers.command(job, *RESUME, "--output", "json"))
    churn.churn(30, seed=2)
    eventually(lambda: target.reached(job.group, once, churn), "it goes on")
    query = "SELECT clock_timestamp() - seen_at < interval '3 s' FROM headrace.workers WHERE group_name = %s"
    eventually(lambda: target.ask(query, job.group) == [(True,)], "it reports again")
    assert worker.leave() == 0
    assert worker.lines("connection lost") == []
