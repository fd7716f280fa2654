"""Workers of one group behind a backlog over many partitions: how the rate grows with them, and what it costs.

All workers but one run and have their partitions; then the last one joins. The time until all own an equal share is the
rebalance's. What is applied from then on, up to the last twentieth of the backlog, is the rate: behind that, workers
whose partitions are through wait for the others.
"""

import time

import psycopg
from confluent_kafka import Message

from consumer.bench import engine, fleet, memory, replay, summary, target, topics
from consumer.bench.failures import late, unusable
from consumer.bench.fleet import Fleet
from consumer.bench.modes import MODES, SCALE
from consumer.bench.race import busy, now
from consumer.bench.rig import Rig
from consumer.bench.scenario import MILLION, SCENARIOS, Dataset
from consumer.bench.spent import Spent, spent
from consumer.bench.store import Result
from consumer.edges.kafka.intake import read_headers
from consumer.edges.postgres.migrate import migrate
from consumer.stack.waiting import wait_until

_UNTIL = 0.95
_SAMPLE = 10_000


def measure(rig: Rig, backlog: int, partitions: int, most: int) -> None:
    """The missing runs: of one worker, of two, and so on up to `most`."""
    dataset = SCENARIOS["fresh"].dataset(min(backlog, MILLION))
    topics.ensure(rig, dataset)
    topic = memory.topic_of(rig, dataset, backlog, partitions)
    for workers in range(1, most + 1):
        name = contender_of(workers)
        if name not in _done(rig, backlog):
            rig.say(f"scale: {name}")
            result = _run(rig, dataset, (topic, backlog, partitions), workers)
            rig.say(f"  {result.rate:,.0f} events/s, even after {result.details['rebalance']:g} s")


def contender_of(workers: int) -> str:
    """What a run is filed under."""
    return f"{workers} worker{'s' if workers > 1 else ''}"


def _done(rig: Rig, backlog: int) -> set[str]:
    counting = summary.counting(rig.store.results(), engine.version())
    return {each.contender for each in counting if (each.scenario, each.size) == (SCALE, backlog)}


def _run(rig: Rig, dataset: Dataset, what: tuple[str, int, int], workers: int) -> Result:
    """`what`: the topic, its records and its partitions."""
    topic, backlog, partitions = what
    target.reset(rig, dataset)
    load, version = busy(), engine.version()
    with rig.target() as connection, fleet.opened(rig, [topic], MODES[0]) as group:
        migrate(connection)
        for place in range(1, workers):
            group.start(place)
        if workers > 1:
            group.settle(connection, partitions)
        joined = time.monotonic()
        group.start(workers)
        group.settle(connection, partitions)
        rebalance = time.monotonic() - joined
        began, before = time.monotonic(), spent(rig, group, connection)
        left = backlog - sum(before.records.values())
        _await(rig, group, connection, (topic, int(backlog * _UNTIL)))
        seconds, used = time.monotonic() - began, spent(rig, group, connection).since(before)
        held = dict(sorted(group.held(connection).items()))
        _await(rig, group, connection, (topic, backlog))
    if left < backlog / 4:
        raise unusable(
            f"{backlog - left:,} of {backlog:,} records were applied before all workers had joined",
            "Ask for more --rows.",
        )
    applied = sum(used.records.values())
    result = Result(
        scenario=SCALE,
        contender=contender_of(workers),
        size=backlog,
        rate=round(applied / seconds, 1),
        seconds=round(seconds, 3),
        wall_seconds=round(seconds, 3),
        cpu_per_million=round(used.clients / applied * MILLION, 2),
        correct=target.same(rig, dataset),
        settings=engine.overrides(),
        details={
            "workers": workers,
            "partitions": partitions,
            "rebalance": round(rebalance, 2),
            "held": held,
            "records": used.records,
            **_units(used, applied),
            "event_bytes": _event_bytes(rig, topic, partitions),
        },
        load_before=load,
        finished_at=now(),
        version=version,
    )
    rig.store.add(result)
    return result


def _await(rig: Rig, workers: Fleet, connection: psycopg.Connection, until: tuple[str, int]) -> None:
    topic, count = until
    with rig.bar(f"scale: {len(workers.pids)}", count) as progress:

        def done() -> bool:
            workers.check(connection)
            applied = memory.how_far(connection, workers.group, topic)
            progress(min(applied, count))
            return applied >= count

        if not wait_until(done, target.STALLED + count / 1_000, interval=0.1):
            raise late("scale", "the backlog was not applied in time", "Read the workers' logs.")


def _units(used: Spent, applied: int) -> dict[str, float]:
    return {
        "server_cpu": round(used.server / applied * MILLION, 2),
        "broker_cpu": round(used.broker / applied * MILLION, 2),
        "wal_bytes": round(used.wal / applied, 1),
        "batch_records": round(applied / max(1, used.batches), 1),
    }


def _event_bytes(rig: Rig, topic: str, partitions: int) -> float:
    """Key, value and headers of a record, on average."""
    sizes = [_size(each) for each in replay.messages(rig.endpoints.kafka, topic, partitions, _SAMPLE)]
    return round(sum(sizes) / len(sizes), 1)


def _size(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in read_headers(message))
    return len(message.key() or b"") + len(message.value() or b"") + headers
