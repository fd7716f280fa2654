"""Renders `docs/scaling.md`: rolling restarts, growth, what a rate takes. Every measured figure comes from a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumer.bench import rolled
from consumer.bench.model import Limits, Needs, Units, needs
from consumer.bench.modes import ROLLING, SCALE
from consumer.bench.remarks import Before, read, section
from consumer.bench.report import machine, table, which
from consumer.bench.store import Result, Store

_INTRODUCTION = """# Several workers, measured

This page is written by `headrace bench report --about scaling` from recorded runs; edit `consumer/bench/scaling.py`,
not the page, but for what stands behind the mark at the end of a section: that is written by hand, and kept. What
follows from it for your machines: [sizing](sizing.md). One worker alone: [benchmarks](benchmarks.md).

All servers, the workers and what feeds them share the cores that are named here. Each run has the machine's load of the
minute before it beside it: on a machine with other work every figure is worse than it would be, starts most of all.

"""

_SCALE = """A topic of recorded events over many partitions waits to be applied: a million fresh rows, and the same ones
again and again, so most are upserts of rows that are there. All workers but one run; then the last one joins.

- **rate**: events a second by all workers, from when all own an equal share up to 95 % of the backlog.
- **even**: seconds from the last worker's start as a process until all own an equal share of the partitions.
- **partitions** and **share**: the fewest and the most that a worker had, and of the records that were applied
  meanwhile.
- **CPU**: seconds for a million events; of the target with all its backends, of the broker with what it does besides.
- **bytes**: of WAL in the target, and of key, value and headers in Kafka, without compression.

"""

_MODEL = """What a rate takes by the unit costs of one worker above. This is a straight line through costs that were
measured on the cores above: nothing of it was tried at these rates. Assumed and not measured: {headroom:g} times the
steady rate has to be possible (to catch up after a stop), a database spends {cores:g} cores on applying and takes
{wal:g} MB of WAL a second, its replicas too. Indexes beside the primary key, larger rows, vacuum and your network are
not in it.

"""

_UNTRIED = """
- **Workers** are the easy part: they share nothing but the database, and a partition has one at a time. There can be no
  more of them than partitions.
- **The database** is what ends first. One PostgreSQL server writes one WAL, and a table's rows are in one place, so
  beyond one database's share the target has to be several: [sharded targets](sizing.md#more-than-one-database-takes).
- **The broker** sends every event once to the group; its replicas read as much again. Its figure here has no replica
  and no TLS.
"""

_UNMEASURED = "Not measured yet.\n"
_EARLIER = "**Of an earlier engine**"

_NEEDS = (
    "events/s",
    "for example",
    "worker cores",
    "workers",
    "database cores",
    "WAL MB/s",
    "databases",
    "broker cores",
    "Kafka MB/s",
)

_RATES = (100_000.0, 1_000_000.0, 10_000_000.0)
_MEANT = {
    100_000.0: "100 tables of 1 000 each",
    1_000_000.0: "100 tables of 10 000 each",
    10_000_000.0: "100 tables of 100 000 each",
}


def page(store: Store, version: str, written: str = "") -> str:
    """The whole page, about this version of the engine, and of what it was not measured in about the last one that was.

    `written`: the page as it is. Its remarks are kept, and so is a section of which the store has no run at all.
    """
    results, before = store.results(), read(written)
    rolling = newest([each for each in results if each.scenario == ROLLING], version)
    larger = newest([each for each in results if each.scenario == SCALE], version)
    made = {
        "A rolling restart under load": _of_which(rolling, version) + _rolling(rolling),
        "Workers over one group": _of_which(larger, version) + _grown(grown(larger)),
        "What a rate takes, extrapolated": _of_which(larger, version) + _modelled(grown(larger)),
    }
    sections = [section(title, _kept(title, text, before, version), before) for title, text in made.items()]
    parts = [f"{_INTRODUCTION}{which(version)}\n", machine(store), *sections, _COMMANDS]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _kept(title: str, text: str, before: Before, version: str) -> str:
    """What was made of a section, or what stands there where the store knows nothing of it."""
    there = before.made.get(title, "")
    if text != _UNMEASURED or not there or there == _UNMEASURED.strip():
        return text
    return there if there.startswith(_EARLIER) or before.version == version else _earlier(before.version) + there


def _earlier(version: str) -> str:
    return f"{_EARLIER}, `{version}`; not measured with this one.\n\n"


def newest(results: Sequence[Result], version: str) -> list[Result]:
    """Those of this version; where there are none, those of the version that was measured last."""
    versions = [each.version for each in results]
    chosen = version if version in versions or not versions else versions[-1]
    return [each for each in results if each.version == chosen]


def _of_which(results: Sequence[Result], version: str) -> str:
    """Says so where the figures are of another engine."""
    if not results or results[0].version == version:
        return ""
    return _earlier(results[0].version)


_COMMANDS = """## Commands

```sh
headrace bench rolling
headrace bench scale
headrace bench report --about scaling
```
"""


def grown(results: Sequence[Result]) -> list[Result]:
    """The last run with each number of workers, at the largest backlog."""
    found = [each for each in results if each.scenario == SCALE]
    most = max((each.size for each in found), default=0)
    newest = {each.details["workers"]: each for each in found if each.size == most}
    return [newest[workers] for workers in sorted(newest)]


def units(result: Result) -> Units:
    """The unit costs of a run."""
    details = result.details
    return Units(
        rate=result.rate,
        client_cpu=result.cpu_per_million,
        server_cpu=details["server_cpu"],
        broker_cpu=details["broker_cpu"],
        event_bytes=details["event_bytes"],
        wal_bytes=details["wal_bytes"],
    )


def _rolling(results: Sequence[Result]) -> str:
    found = rolled.newest(results)
    if not found:
        return _UNMEASURED
    asked = [rolled.verdict(each) for each in found]
    goals = [
        f"- {each.contender}: {verdict.measured:g} {verdict.what} (asked: at most {verdict.asked:g}):"
        f" {'reached' if verdict.reached else '**not reached**'}\n"
        for each, verdict in zip(found, asked, strict=True)
    ]
    return rolled.TOLD + table(rolled.HEAD, map(rolled.row, found)) + "\n" + "".join(goals)


def _grown(found: Sequence[Result]) -> str:
    if not found:
        return _UNMEASURED
    head = ("", "events/s", "even s", "partitions", "share", "rows right", "load before")
    costs = ("", "client CPU", "target CPU", "broker CPU", "WAL bytes an event", "bytes an event", "events a batch")
    size = f"Here: {found[0].size:,} events, {found[0].details['partitions']} partitions.\n\n"
    rates, spent = table(head, map(_scale_row, found)), table(costs, map(_cost_row, found))
    return _SCALE + size + rates + "\n" + spent


def _scale_row(result: Result) -> tuple[str, ...]:
    held, records = result.details["held"], result.details["records"]
    return (
        result.contender,
        f"{result.rate:,.0f}",
        f"{result.details['rebalance']:g}",
        _span(held, 1.0, ""),
        _span(records, 100 / max(1, sum(records.values())), " %"),
        "yes" if result.correct else "**no**",
        f"{result.load_before:g}",
    )


def _span(found: Mapping[Any, float], times: float, unit: str) -> str:
    least, most = min(found.values()) * times, max(found.values()) * times
    return f"{least:.0f}{unit}" if round(least) == round(most) else f"{least:.0f} to {most:.0f}{unit}"


def _cost_row(result: Result) -> tuple[str, ...]:
    shown = units(result)
    figures = (shown.client_cpu, shown.server_cpu, shown.broker_cpu)
    rest = (shown.wal_bytes, shown.event_bytes, result.details["batch_records"])
    return (result.contender, *(f"{each:.1f}" for each in figures), *(f"{each:,.0f}" for each in rest))


def _modelled(found: Sequence[Result]) -> str:
    if not found:
        return _UNMEASURED
    limits = Limits()
    told = _MODEL.format(headroom=limits.headroom, cores=limits.database_cores, wal=limits.database_wal)
    rows = [_needs_row(needs(rate, units(found[0]), limits)) for rate in _RATES]
    return told + table(_NEEDS, rows) + _UNTRIED


def _needs_row(wanted: Needs) -> tuple[str, ...]:
    return (
        f"{wanted.rate:,.0f}",
        _MEANT[wanted.rate],
        f"{wanted.worker_cores:.1f}",
        str(wanted.workers),
        f"{wanted.database_cores:.1f}",
        f"{wanted.wal:,.0f}",
        str(wanted.databases),
        f"{wanted.broker_cores:.1f}",
        f"{wanted.traffic:,.0f}",
    )
