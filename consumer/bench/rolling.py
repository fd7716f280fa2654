"""A rolling restart under load: each worker in turn is told to leave, waited for, and replaced, while events come.

A record's wait is from its append in Kafka to the moment at which its partition's position was seen behind it.
Triggers in the target see each row written, and each position moved, so nothing is lost or done twice unseen.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from consumer.bench import engine, fleet, pauses, replay, target, topics, witness, workload
from consumer.bench.failures import late, unusable
from consumer.bench.fleet import Fleet
from consumer.bench.modes import ROLLING, Mode
from consumer.bench.pauses import Restart
from consumer.bench.race import busy, now
from consumer.bench.replay import Record
from consumer.bench.rig import Rig
from consumer.bench.scenario import SCENARIOS, Dataset
from consumer.bench.store import Result
from consumer.bench.tide import Tide, Wait
from consumer.edges.postgres.migrate import migrate
from consumer.stack.waiting import wait_until

_PATIENCE = 120.0
# datasets of round sizes, so that one serves several plans
_ROUND = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`gap`: seconds from one restart's beginning to the next one's, at least. `calm`: before the first one."""

    workers: int = 4
    partitions: int = 64
    rate: int = 5_000
    gap: float = 20.0
    calm: float = 10.0
    round: int = _ROUND

    @property
    def events(self) -> int:
        """The most that come: restarts may take twice as long as planned."""
        return int(self.rate * (self.calm + 2 * self.workers * self.gap))

    def dataset(self) -> Dataset:
        """The rows that are written, each once."""
        return SCENARIOS["fresh"].dataset(-(-self.events // self.round) * self.round)


def measure(rig: Rig, plan: Plan, mode: Mode) -> Result:
    """One rolling restart of all workers of a fleet, kept in the store. Refuses a fleet of one."""
    if plan.workers < 2:
        raise unusable("a rolling restart needs two workers", "Ask for more --workers.")
    dataset, topic = plan.dataset(), f"bench-rolling-{mode.name.lower()}"
    topics.ensure(rig, dataset)
    recorded = _in_order(rig, dataset, plan.events)
    topics.create(rig, topic, plan.partitions, {"message.timestamp.type": "LogAppendTime"})
    target.reset(rig, dataset)
    load, version = busy(), engine.version()
    with rig.target() as connection, rig.target() as other, fleet.opened(rig, [topic], mode) as workers:
        migrate(connection)
        tide = Tide(workers.group, topic)
        with witness.watching(connection, workload.name(dataset, dataset.tables[0])):
            for place in range(1, plan.workers + 1):
                workers.start(place)
            workers.settle(connection, plan.partitions)
            with tide.watched(other):
                reached, restarts = _restarted(rig, plan, recorded, workers, topic)
                sent = topics.counts(rig, [topic])[topic]
                _await(workers, connection, tide, sent)
            wrong = {
                "twice": witness.twice(connection),
                "torn": witness.torn(connection, topic),
                "differ": 0 if target.same(rig, dataset, f"id BETWEEN 1 AND {sent}") else 1,
            }
    waits = tide.waits(rig.endpoints.kafka, sent)
    result = Result(
        scenario=ROLLING,
        contender=mode.name,
        size=sent,
        rate=round(reached, 1),
        seconds=round(sent / reached, 1),
        wall_seconds=round(sent / reached, 1),
        correct=not any(wrong.values()),
        settings=engine.overrides(),
        details={"workers": plan.workers, "partitions": plan.partitions, **wrong, **_costs(waits, restarts)},
        load_before=load,
        finished_at=now(),
        version=version,
    )
    rig.store.add(result)
    return result


def _in_order(rig: Rig, dataset: Dataset, most: int) -> Sequence[Record]:
    """The records of the rows 1, 2 and so on, so that it is known what is there when the first of them were sent."""
    by_id = {replay.row_id(each): each for each in replay.records(rig, dataset.topics[0], dataset.events)}
    return [by_id[number] for number in range(1, min(most, dataset.events - 1) + 1)]


def _restarted(
    rig: Rig, plan: Plan, recorded: Sequence[Record], workers: Fleet, topic: str
) -> tuple[float, list[Restart]]:
    """The rate at which events came, and the restarts meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="restarts") as pool:
        restarts = pool.submit(_roll, rig, plan, workers)
        reached = replay.steadily(recorded, rig, topic, plan.rate, restarts.done)
        return reached, _in_time(restarts)


def _in_time(restarts: "Future[list[Restart]]") -> list[Restart]:
    if not restarts.done():
        raise late("rolling", "the restarts took longer than there were events", "Ask for a larger --gap.")
    return restarts.result()


def _roll(rig: Rig, plan: Plan, workers: Fleet) -> list[Restart]:
    restarts = []
    with rig.target() as connection:
        time.sleep(plan.calm)
        for place in range(1, plan.workers + 1):
            began = time.monotonic()
            restarts.append(_replace(rig, plan, workers, connection, place))
            time.sleep(max(0.0, plan.gap - (time.monotonic() - began)))
    return restarts


def _replace(rig: Rig, plan: Plan, workers: Fleet, connection: psycopg.Connection, place: int) -> Restart:
    begun = time.time() * 1000
    workers.stop(place)
    left = time.time() * 1000
    workers.start(place)
    workers.settle(connection, plan.partitions)
    settled = time.time() * 1000
    rig.say(
        f"  place {place}: left in {(left - begun) / 1000:.1f} s, even again after {(settled - begun) / 1000:.1f} s"
    )
    return Restart(place=place, begun=begun, left=left, settled=settled)


def _await(workers: Fleet, connection: psycopg.Connection, tide: Tide, count: int) -> None:
    def settled() -> bool:
        workers.check(connection)
        return tide.height >= count

    if not wait_until(settled, _PATIENCE):
        raise late("rolling", f"the last event was not applied in {_PATIENCE:.0f} s", "Read the workers' logs.")


def _costs(waits: Sequence[Wait], restarts: Sequence[Restart]) -> dict[str, Any]:
    """All times in seconds, but for percentiles."""
    ends = [each.begun for each in restarts[1:]] + [max(each.appended for each in waits) + 1]
    found = [pauses.cost(waits, each.begun, end) for each, end in zip(restarts, ends, strict=True)]
    each = [
        {
            "place": restart.place,
            "left": round((restart.left - restart.begun) / 1000, 2),
            "settled": round((restart.settled - restart.begun) / 1000, 2),
            "recovered": cost.recovered,
            "longest": cost.longest,
            "typical": cost.typical,
            "stood": cost.stood,
            "pauses": list(cost.pauses),
        }
        for restart, cost in zip(restarts, found, strict=True)
    ]
    calm = [wait.took for wait in waits if wait.appended < restarts[0].begun]
    return {
        "recovered": max(cost.recovered for cost in found),
        "longest": max(cost.longest for cost in found),
        "typical": max(cost.typical for cost in found),
        "p99": round(pauses.p99([wait.took for wait in waits]), 1),
        "calm_p99": round(pauses.p99(calm), 1),
        "restarts": each,
    }
