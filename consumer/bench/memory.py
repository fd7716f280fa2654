"""The memory of one worker that finds a large backlog over many partitions."""

import time
from functools import partial

from psycopg import Connection

from consumer.bench import engine, replay, target
from consumer.bench.contender import HEADRACE, headrace
from consumer.bench.failures import late
from consumer.bench.race import busy, now
from consumer.bench.rig import Rig
from consumer.bench.sampler import Sampler
from consumer.bench.scenario import Dataset
from consumer.bench.store import Result
from consumer.stack.waiting import wait_until

NAME = "memory"


def measure(rig: Rig, dataset: Dataset, backlog: int, partitions: int) -> Result:
    """One worker from nothing to the end of the backlog."""
    topic = topic_of(rig, dataset, backlog, partitions)
    target.reset(rig, dataset)
    load, version = busy(), engine.version()
    with headrace(rig, [topic]) as running, Sampler(running.pid) as sampler, rig.target() as connection:
        with rig.bar("memory: headrace", backlog) as progress:

            def done() -> bool:
                running.check()
                applied = how_far(connection, running.group, topic)
                progress(applied)
                return applied >= backlog

            if not wait_until(done, target.STALLED + backlog / 1_000, interval=0.5):
                raise late("memory", "the backlog was not applied in time", "Read the worker's log.")
        seconds = time.monotonic() - running.started
        cpu, details = sampler.cpu(), running.details()
    result = Result(
        scenario=NAME,
        contender=HEADRACE,
        size=backlog,
        rate=round(backlog / seconds, 1),
        seconds=round(seconds, 3),
        wall_seconds=round(seconds, 3),
        cpu_per_million=round(cpu / backlog * 1e6, 2),
        peak_mb=round(sampler.peak_mb, 1),
        correct=target.same(rig, dataset),
        settings=engine.overrides(),
        details={"partitions": partitions, **details},
        load_before=load,
        finished_at=now(),
        version=version,
    )
    rig.store.add(result)
    return result


def topic_of(rig: Rig, dataset: Dataset, backlog: int, partitions: int) -> str:
    """The topic of such a backlog, made if it is not there: recorded records, again and again, spread by key."""
    topic = f"bench-backlog-{backlog}-{partitions}"
    again = partial(replay.again, rig, dataset.topics[0], dataset.events, backlog)
    replay.ensure(rig, topic, partitions, backlog, again)
    return topic


def how_far(connection: Connection, group: str, topic: str) -> int:
    """Records of the topic that this group has applied. Earlier runs have left positions of theirs, at the end."""
    row = connection.execute("SELECT to_regclass('headrace.positions') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return 0
    row = connection.execute(
        "SELECT coalesce(sum(next_offset), 0) FROM headrace.positions WHERE group_name = %s AND topic = %s",
        [group, topic],
    ).fetchone()
    return int(row[0]) if row else 0
