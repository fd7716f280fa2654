"""Settings that are read again while `headrace run` runs: tables come, go, and change their names and policies."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from consumer.core.pausing import Subject
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.session import SessionSettings
from consumer.ports.desk import Note
from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import STEADY, TAKEN, Job, Workers, awaited, eventually, read_again

NOTE = Note("me", "a test")


def control(job: Job) -> closing[PostgresControl]:
    """What people ask of its group."""
    return closing(PostgresControl(SessionSettings(dsn=job.dsn, worker="person"), job.group))


def epochs(target: Target, job: Job, topic: str) -> list[Any]:
    """Those of a topic's partitions."""
    query = "SELECT epoch FROM headrace.positions WHERE group_name = %s AND topic = %s ORDER BY partition"
    return target.ask(query, job.group, topic)


def test_tables_are_added_changed_renamed_and_removed_without_a_restart(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """Another table is not disturbed by any of it; what can't be taken changes nothing."""
    once, items = fresh_feed("once", 1), fresh_feed("items", 1)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("reload"), topics=(once.topic,), client=STEADY)
    once.create(10)
    worker = workers.run(job)
    eventually(lambda: target.rows("once") == once.rows(), "rows arrive")
    undisturbed = epochs(target, job, once.topic)

    # added, with a policy
    items.create(3)
    mapped = {"columns": {"label": {"rename": "name"}}}
    more = replace(job, topics=(once.topic, items.topic), tables={"public.items": mapped})
    assert "topics that are read now" in read_again(worker, more)["changes"]
    eventually(lambda: target.reached(job.group, items), "the new table is applied")
    assert target.ask("SELECT id, name FROM items ORDER BY id") == [(1, "row 1"), (2, "row 2"), (3, "row 3")]

    # another policy
    checked = replace(more, tables={"public.items": {**mapped, "checks": {"amount": {"max": 900}}}})
    assert read_again(worker, checked)["changes"] == "tables: public.items"
    items.send("c", 4, "too much", 901)
    items.flush()
    letters = "SELECT state, table_name FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: target.ask(letters, job.group) == [("dead", "public.items")], "its check is heeded")

    # what can't be taken
    assert "is not TOML" in read_again(worker, "[kafka")["reason"]
    other = read_again(worker, replace(checked, dsn=f"{job.dsn} keepalives=0", tables={}))
    assert "target.dsn" in other["reason"]
    items.send("c", 5, "too much", 902)
    items.send("c", 6, "well", 6)
    items.flush()
    eventually(lambda: target.reached(job.group, items), "it goes on")
    assert target.ask("SELECT count(*) FROM headrace.letters WHERE group_name = %s", job.group) == [(2,)]

    # another name: while its table has the old one, that is refused
    sections = {f'topics."{items.topic}"': {"table": "public.things"}}
    policy = {"public.things": checked.tables["public.items"]}
    renamed = replace(checked, tables=policy, sections=sections)
    assert "ALTER TABLE public.items RENAME" in read_again(worker, renamed)["remedy"]
    with control(job) as people:
        people.pause(Subject(topic=items.topic), NOTE)
        target.do("ALTER TABLE items RENAME TO things")
        assert "public.things" in read_again(worker, renamed)["changes"]
        people.resume(Subject(topic=items.topic), NOTE)
    items.send("u", 4, "right", 4)
    items.flush()
    eventually(lambda: target.reached(job.group, items), "it goes on under the new name")
    assert target.ask("SELECT name FROM things WHERE id = 4") == [("right",)]
    states = [("dead", "public.things"), ("superseded", "public.things")]
    assert sorted(target.ask(letters, job.group), key=str) == states, "the letter of a row goes with its table"
    claims = "SELECT table_name FROM headrace.target_tables WHERE group_name = %s AND topic = %s"
    assert target.ask(claims, job.group, items.topic) == [("public.things",)]

    # removed
    assert "topics that are read no more" in read_again(worker, replace(job, sections=sections))["changes"]
    held = "SELECT partitions::text FROM headrace.workers WHERE group_name = %s"
    eventually(lambda: items.topic not in str(target.ask(held, job.group)[0][0]), "its partitions are given back")
    items.create(1)
    once.create(10)
    eventually(lambda: target.rows("once") == once.rows(), "the other goes on")
    assert not target.reached(job.group, items)
    assert epochs(target, job, once.topic) == undisturbed
    assert worker.leave() == 0


def test_a_supervisor_and_its_workers_read_them_again_and_start_others_with_what_was_taken(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """By a signal, and by a command to its workers; a file that is broken by then is no matter."""
    items = fresh_feed("items", 2)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("reload"), topics=(items.topic,))
    strict = replace(job, tables={"public.items": {"checks": {"amount": {"max": 900}}}})
    supervisor = workers.run(job, "--workers", "2")

    def pids() -> dict[str, Any]:
        query = "SELECT name, pid FROM headrace.workers WHERE group_name = %s AND seen_at > now() - interval '4 s'"
        return {str(name): pid for name, pid in target.ask(query, job.group)}

    both = awaited(lambda: found if len(found := pids()) == 2 else {}, "both report")
    supervisor.log_file.with_suffix(".toml").write_text(strict.toml())
    supervisor.send(signal.SIGHUP)
    # its own, and those of both
    supervisor.said(TAKEN, 3)
    items.send("c", 1, "too much", 901)
    items.send("c", 2, "well", 2)
    items.flush()
    letters = "SELECT count(*) FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: target.ask(letters, job.group) == [(1,)], "the check is heeded")

    stricter = replace(job, tables={"public.items": {"checks": {"amount": {"max": 800}}}})
    supervisor.log_file.with_suffix(".toml").write_text(stricter.toml())
    with control(job) as people:
        numbers = people.tell("reload", "", sorted(both), NOTE)
        eventually(lambda: all(one.outcome for one in people.told(numbers)), "both answer")
        assert {one.outcome for one in people.told(numbers)} == {"tables: public.items"}
    # the supervisor hears of it from them, and what it tells them is nothing new
    supervisor.said(TAKEN, 6)

    supervisor.log_file.with_suffix(".toml").write_text("[broken")
    killed = min(both.values())
    os.kill(int(killed), signal.SIGKILL)
    eventually(lambda: len(set(pids().values()) - {killed}) == 2, "another is started")
    items.send("c", 3, "too much", 801)
    items.send("c", 4, "too much", 801)
    items.flush()
    eventually(lambda: target.ask(letters, job.group) == [(3,)], "the checks that were taken last are heeded")
    assert supervisor.leave() == 0
