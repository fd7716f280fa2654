"""A critical table's latency at a steady rate, alone, and while a backlog of a bulk table is applied beside it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from consumer.bench import contender, latency, replay, target
from consumer.bench.contender import Running
from consumer.bench.failures import late
from consumer.bench.memory import how_far
from consumer.bench.rig import Rig
from consumer.bench.scenario import Dataset
from consumer.bench.store import Result
from consumer.stack.waiting import wait_until

NAME = "priorities"
ALONE, BESIDE, ALIKE = "alone", "beside bulk", "beside bulk, without priorities"
_PARTITIONS = 4
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked: critical events a second for so many seconds, and the records of the backlog."""

    rate: int
    seconds: int
    backlog: int


def allowed(alone: Result) -> float:
    """The most milliseconds that the 99th percentile may be beside the backlog."""
    return max(2 * float(alone.details["p99"]), 300.0)


def measure(rig: Rig, critical: Dataset, bulk: Dataset, load: Load, *, alike: bool) -> list[Result]:
    """Alone, then beside a backlog that lasts longer than the measurement; `alike`: also without priorities."""
    tables = {_table(critical): "critical", _table(bulk): "bulk"}
    topic = f"bench-priorities-{load.backlog}"
    replay.ensure(
        rig,
        topic,
        _PARTITIONS,
        load.backlog,
        lambda: replay.again(rig, bulk.topics[0], bulk.events, load.backlog),
    )
    cases: list[tuple[str, dict[str, str], list[str]]] = [(ALONE, tables, []), (BESIDE, tables, [topic])]
    if alike:
        cases.append((ALIKE, {}, [topic]))
    return [_case(rig, critical, bulk, load, case) for case in cases]


def _table(dataset: Dataset) -> str:
    return f"{dataset.name}.{dataset.tables[0]}"


def _case(
    rig: Rig, critical: Dataset, bulk: Dataset, load: Load, case: tuple[str, dict[str, str], list[str]]
) -> Result:
    name, priorities, backlog = case
    target.reset(rig, bulk)
    applied: list[int] = []
    rig.say(f"{load.rate:,} critical events a second, {name}")

    @contextmanager
    def start(topics: Sequence[str]) -> Iterator[Running]:
        said = {"HEADRACE_TABLES": json.dumps({table: {"priority": each} for table, each in priorities.items()})}
        with contender.headrace(rig, [*topics, *backlog], variables=said) as running, rig.target() as connection:

            def far() -> int:
                return sum(how_far(connection, running.group, topic) for topic in backlog)

            if backlog:
                _await(lambda: far() > 0)
            else:
                _await(lambda: _ready(connection, running.group))
            applied.append(far())
            yield running
            applied.append(far())

    result = latency.measured(
        rig, critical, (f"headrace {name}".replace(" ", "-").replace(",", ""), start), load.rate, load.seconds
    )
    beside = {"bulk_records": applied[1] - applied[0], "backlog_lasted": not backlog or applied[1] < load.backlog}
    kept = replace(result, scenario=NAME, contender=name, details=result.details | beside)
    rig.store.add(kept)
    return kept


def _ready(connection: psycopg.Connection, group: str) -> bool:
    row = connection.execute("SELECT to_regclass('headrace.positions') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return False
    found = connection.execute("SELECT FROM headrace.positions WHERE group_name = %s LIMIT 1", [group]).fetchone()
    return found is not None


def _await(question: Callable[[], bool]) -> None:
    if not wait_until(question, _PATIENCE):
        raise late("priorities", f"nothing was applied in {_PATIENCE:.0f} s", "Read the worker's log.")
