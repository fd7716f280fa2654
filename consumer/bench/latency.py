"""The time from Kafka's append to the commit in the target, at a steady rate.

The topic has LogAppendTime, so a record's timestamp is the broker's clock at the append. Rows are inserted with
rising ids on one partition, so a look at the largest visible id (by primary key, every 5 ms) says that every
event up to it is committed and visible: the latency measured is the true one or up to one look longer, never shorter.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from statistics import quantiles

import psycopg
from psycopg import sql

from consumer.bench import engine, replay, target, topics, workload
from consumer.bench.contender import Running
from consumer.bench.failures import late
from consumer.bench.race import busy, now
from consumer.bench.rig import Rig
from consumer.bench.scenario import Dataset
from consumer.bench.store import Result
from consumer.bench.tide import Watermarks
from consumer.stack.waiting import wait_until

NAME = "latency"
_LOOK = 0.005
_WARM_SECONDS = 5
_PATIENCE = 120.0


Contender = tuple[str, Callable[[Sequence[str]], AbstractContextManager[Running]]]


def measure(rig: Rig, dataset: Dataset, contender: Contender, rate: int, seconds: int) -> Result:
    """As `measured`, kept."""
    result = measured(rig, dataset, contender, rate, seconds)
    rig.store.add(result)
    return result


def measured(rig: Rig, dataset: Dataset, contender: Contender, rate: int, seconds: int) -> Result:
    """Produces the dataset's first records at the rate while the contender runs; the first seconds do not count."""
    name, start = contender
    count = rate * seconds
    topic = f"bench-latency-{name}"
    topics.create(rig, topic, 1, {"message.timestamp.type": "LogAppendTime"})
    recorded = list(replay.records(rig, dataset.topics[0], count))
    target.reset(rig, dataset)
    load, version = busy(), engine.version()
    with start([topic]) as running, rig.target() as connection:
        marks = Watermarks()
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(connection, dataset, marks, stop), name="latency-watch")
        watcher.start()
        try:
            reached = replay.steadily(recorded, rig, topic, rate)
            _await(running, marks, count)
        finally:
            stop.set()
            watcher.join()
    appended = _appended(rig, topic, count)[rate * _WARM_SECONDS :]
    result = _result(name, marks, appended, (rate, reached, seconds))
    return replace(result, load_before=load, version=version, finished_at=now())


def _watch(connection: psycopg.Connection, dataset: Dataset, marks: Watermarks, stop: threading.Event) -> None:
    query = sql.SQL("SELECT max(id) FROM {}").format(workload.name(dataset, dataset.tables[0]))
    while not stop.wait(_LOOK):
        row = connection.execute(query).fetchone()
        marks.note(int(row[0] or 0) if row else 0)


def _await(running: Running, marks: Watermarks, count: int) -> None:
    def settled() -> bool:
        running.check()
        return bool(marks.marks) and marks.marks[-1] >= count

    if not wait_until(settled, _PATIENCE):
        raise late("latency", f"the last event was not applied in {_PATIENCE:.0f} s", "Read the contender's log.")


def _appended(rig: Rig, topic: str, count: int) -> list[tuple[int, float]]:
    """Id and append time of every record; ids are the places in the topic."""
    found = replay.messages(rig.endpoints.kafka, topic, 1, count)
    return [(place, float(each.timestamp()[1])) for place, each in enumerate(found, 1)]


def _result(
    name: str, marks: Watermarks, appended: Sequence[tuple[int, float]], asked: tuple[int, float, int]
) -> Result:
    rate, reached, seconds = asked
    waits = sorted(marks.seen_at(place) - at for place, at in appended)
    cuts = quantiles(waits, n=1000, method="inclusive")
    shown = {"p50": cuts[499], "p95": cuts[949], "p99": cuts[989], "p999": cuts[998], "max": waits[-1]}
    return Result(
        scenario=NAME,
        contender=name,
        size=rate * seconds,
        rate=round(reached, 1),
        seconds=float(seconds),
        wall_seconds=float(seconds),
        details={"asked_rate": rate, **{key: round(value, 1) for key, value in shown.items()}},
    )
