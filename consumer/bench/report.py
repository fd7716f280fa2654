"""Renders `docs/benchmarks.md` from the results: every figure on the page comes from a run."""

from collections.abc import Iterable, Sequence

from consumer.bench import cases, latency, memory, summary, watched
from consumer.bench.contender import HEADRACE
from consumer.bench.scenario import LATENCY_P99_MS, PEAK_MEMORY_MB, SCENARIOS, Scenario
from consumer.bench.store import Result, Store
from consumer.bench.summary import State, Verdict

INTRODUCTION = """# Benchmarks

This page is written by `headrace bench report` from recorded runs; edit `consumer/bench/report.py`, not the page.

The Debezium JDBC sink connector and Headrace apply the same Kafka topics of real Debezium events (Avro) to the same
PostgreSQL server with the same table definitions. One connector task runs against one Headrace worker. Each section
says whether the runs were made in turns. `fsync` and `synchronous_commit` are on. Both do upserts and deletes. Before
each run the tables are made anew and a checkpoint is taken; after each run all rows are compared with the source's by
number and by hashes of whole rows.

- **Rate**: events a second from the moment at which effects are first seen in the target until the last one is there,
  less the events that the first look already found. Starting the process is not in it; "wall" is from the start.
- **CPU**: seconds of the Headrace process, or of Connect's JVM, per million events, over the same span; not the
  servers'.
- **Peak**: the largest resident memory of that process. The JVM keeps running between runs, so it is warm; Headrace
  starts cold each time. When Connect was just started, one run of the sink on the grid's topic is thrown away before
  the first that counts. Before many tables take turns with one, a small run of each is.
- **best**: the fastest correct point of the grid below, run once each on a smaller topic, then in full.
- **headrace-one-table**: Headrace on one table with as many events, in turns with its runs on many.
- **consume**: reading the topics and nothing else.
- **plain-copy-upsert**: PostgreSQL by itself, fed with COPY streams that were made beforehand. A session of a driver
  and nothing of Headrace's: for each batch of up to 20,000 events a COPY into a temporary table, from there one
  `INSERT ... ON CONFLICT DO UPDATE` (for deletes one `DELETE`; of many tables, one of each), and a COMMIT.
- **copy-upsert**: Headrace's database session alone, fed with the same streams. It also has positions, the ledger of
  batches, savepoints and locks.
"""

# the load that the contenders' own last run leaves behind on a machine without other work
_QUIET_LOAD = 3.0

LETTERS = """Fresh rows, Headrace alone. Each case reads a copy of the same topic into a table
with one CHECK constraint. Half of the bad records are cut in the middle of their value, half are refused by the
constraint, both spread evenly. Open letters are of other rows of the same table, made beforehand by applying bad
records in the same group. "Rows right" also means that exactly the bad records are letters, each with its kind. Copies
of letters are published behind the transactions that write them: what is unpublished when the last row is there is not
waited for.
"""

_WATCHED = """Fresh rows, Headrace alone: with nothing of its telemetry that can be switched off, and with
metrics that are scraped each second, a trace of every batch that a receiver takes, the log at `info`, looks at the
group every two seconds and a source that could be compared with. "Rows right" also means that metrics and traces came.
"""

_NOT_IN_TURNS = """The runs were **not** made in turns: what else the machine did may have met some of them and not
others.
"""

LATENCY = """Recorded events are produced at a steady rate into a topic with `LogAppendTime`.
The target's largest visible id is read by primary key every 5 ms on the same machine's clock; with one partition and
rising ids this says when each event was committed and visible, never too early and at most one look late. The first
5 s do not count.

"""


def page(store: Store, version: str) -> str:
    """The whole page, about this version of the engine."""
    recorded = store.results()
    results = summary.counting(recorded, version)
    others = len(recorded) - len(results)
    parts = [INTRODUCTION, _version(version, others), _caution(results), machine(store), _goals(results)]
    parts += [_section(results, scenario) for scenario in SCENARIOS.values()]
    parts += [
        _letters(results),
        _watched(results),
        _latency(results),
        _memory(results),
        _commands(),
        _raw(recorded, version),
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def which(version: str) -> str:
    """Which engine a page is about, in words."""
    return (
        f"Headrace is `{version}` here: the package's version and a digest of the engine's sources,\n"
        "its packages' versions and the settings that were changed."
    )


def _version(version: str, others: int) -> str:
    """Which engine the page is about, and how much of others is left out."""
    told = which(version)
    if others:
        runs = f"{others} runs of other versions do" if others > 1 else "1 run of another version does"
        told += f"\n{runs} not count; the last table marks what does not."
    return told + "\n"


def _caution(results: Sequence[Result]) -> str:
    """Says so when other work ran on the machine."""
    worst = max((each.load_before for each in results), default=0.0)
    if worst <= _QUIET_LOAD:
        return ""
    return f"**Provisional.** Some runs began on a busy machine (load up to {worst:g}); see the last table.\n"


def machine(store: Store) -> str:
    """What the results were measured on."""
    rows = [(name, value) for name, value in store.machine().items()]
    return "## Measured on\n\n" + table(("", ""), rows) if rows else ""


def _goals(results: Sequence[Result]) -> str:
    rows = []
    for scenario in SCENARIOS.values():
        main = summary.main_size(results, scenario.name)
        for size in summary.sizes(results, scenario.name):
            judge = summary.verdicts if size == main else summary.one_table
            name = f"({scenario.letter}) {scenario.title}, {size:,} events"
            found = judge(results, scenario, size)
            rows += [(name, *_judged(each)) for each in found if size == main or each.measured is not None]
    for size in summary.sizes(results, cases.NAME)[-1:]:
        rows += [(f"bad records, {size:,} events", *_judged(each)) for each in summary.costs(results, size)]
    for size in summary.sizes(results, watched.NAME)[-1:]:
        rows += [(f"telemetry, {size:,} events", *_judged(each)) for each in summary.watching(results, size)]
    rows += [
        (f"latency of {each.contender}", *_judged(_latency_verdict(each))) for each in _ours(results, latency.NAME)[-1:]
    ]
    rows += [
        (f"memory, {each.size:,} events", *_judged(_memory_verdict(each))) for each in _of(results, memory.NAME)[-1:]
    ]
    return "## Goals\n\n" + table(("scenario", "goal", "asked", "measured", "reached"), rows) if rows else ""


def _judged(verdict: Verdict) -> tuple[str, str, str, str]:
    asked = f"at most {verdict.asked:g}" if verdict.at_most else f"{verdict.asked:g}"
    if verdict.measured is None:
        return verdict.what, asked, "not measured", "-"
    answer = {State.REACHED: "yes", State.NOT_REACHED: "**no**"}.get(verdict.state, f"**{verdict.state}**")
    return verdict.what, asked, f"{verdict.measured:g}", answer


def _latency_verdict(result: Result) -> Verdict:
    return Verdict(what="p99 in ms", asked=LATENCY_P99_MS, measured=result.details["p99"], at_most=True)


def _memory_verdict(result: Result) -> Verdict:
    return Verdict(what="peak MB of the worker", asked=PEAK_MEMORY_MB, measured=result.peak_mb, at_most=True)


def _section(results: Sequence[Result], scenario: Scenario) -> str:
    main = summary.main_size(results, scenario.name)
    if main is None:
        return ""
    head = f"## ({scenario.letter}) {scenario.title}: {main:,} events\n"
    parts = [head, scenario.remark, *_told_of(results, scenario.name, main)]
    parts.append(_grid(summary.grid(results, scenario.name, main)))
    for size in summary.sizes(results, scenario.name):
        if size != main:
            parts += [f"### {scenario.title}: {size:,} events\n", *_told_of(results, scenario.name, size)]
    return "\n".join(part for part in parts if part)


def _told_of(results: Sequence[Result], name: str, size: int) -> list[str]:
    """What is said of a scenario at one size."""
    shares = [f"{share:.0%} of {other}" for other, share in summary.shares(results, name, size).items()]
    told = f"Headrace reaches {' and '.join(shares)}.\n" if shares else ""
    return [_turns(results, name, size), _medians(results, name, size), told]


def _turns(results: Sequence[Result], name: str, size: int) -> str:
    """Whether runs were made in turns, where there are any to compare."""
    match summary.in_turns(results, name, size):
        case True:
            return "The runs were made in turns.\n"
        case False:
            return _NOT_IN_TURNS
        case _:
            return ""


def _medians(results: Sequence[Result], name: str, size: int) -> str:
    rows = [
        (
            line.contender,
            str(line.runs),
            f"{line.rate:,.0f}",
            f"{line.cpu_per_million:.1f}" if line.cpu_per_million else "-",
            f"{line.peak_mb:,.0f}" if line.peak_mb else "-",
            "yes" if line.correct else "**no**",
        )
        for line in summary.lines(results, name, size)
    ]
    return table(("", "runs", "median events/s", "CPU s per million", "peak MB", "rows right"), rows)


def _grid(points: Sequence[Result]) -> str:
    rows = [(_settings(each.settings), f"{each.size:,}", f"{each.rate:,.0f}", _right(each)) for each in points]
    return "The sink's grid:\n\n" + table(("settings", "events", "events/s", "rows right"), rows) if rows else ""


def _right(result: Result) -> str:
    """Whether the rows were right in the end, if there was one."""
    if "failed" in result.details:
        return "**the sink failed**"
    return "yes" if result.correct else "**no**"


def _letters(results: Sequence[Result]) -> str:
    found = summary.sizes(results, cases.NAME)
    if not found:
        return ""
    size = found[-1]
    head = f"## What bad records cost: {size:,} events\n\n"
    cost = [f"- {each.what}: {each.measured:g}\n" for each in summary.costs(results, size) if each.measured is not None]
    turns = _turns(results, cases.NAME, size)
    parts = [head + LETTERS, turns, _medians(results, cases.NAME, size), "".join(cost)]
    return "\n".join(part for part in parts if part)


def _watched(results: Sequence[Result]) -> str:
    found = summary.sizes(results, watched.NAME)
    if not found:
        return ""
    size = found[-1]
    ratios = summary.watched_ratios(results, size).items()
    told = [f"- {ratio:g} of the {what} without any\n" for what, ratio in ratios]
    head = f"## What telemetry costs: {size:,} events\n\n"
    turns = _turns(results, watched.NAME, size)
    parts = [head + _WATCHED, turns, _medians(results, watched.NAME, size), "".join(told)]
    return "\n".join(part for part in parts if part)


def _latency(results: Sequence[Result]) -> str:
    rows = []
    for each in _of(results, latency.NAME):
        shown = [f"{each.details[key]:g}" for key in ("p50", "p95", "p99", "p999", "max")]
        rows.append((each.contender, f"{each.rate:,.0f}", f"{each.seconds:g}", *shown))
    if not rows:
        return ""
    head = ("", "events/s", "seconds", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms")
    return "## Latency from Kafka's append to the visible commit\n\n" + LATENCY + table(head, rows)


def _memory(results: Sequence[Result]) -> str:
    rows = [
        (
            f"{each.size:,}",
            str(each.details["partitions"]),
            f"{each.peak_mb:,.0f}",
            f"{each.rate:,.0f}",
            "yes" if each.correct else "**no**",
        )
        for each in _of(results, memory.NAME)
    ]
    head = ("backlog", "partitions", "peak MB", "events/s with start", "rows right")
    return "## Memory of one worker behind a backlog\n\n" + table(head, rows) if rows else ""


def _commands() -> str:
    names = [*SCENARIOS, cases.NAME, watched.NAME, latency.NAME, memory.NAME]
    return (
        "## Commands\n\n```sh\n"
        + "".join(f"headrace bench {name}\n" for name in names)
        + "headrace bench report\n```\n"
    )


def _raw(results: Sequence[Result], version: str) -> str:
    rows = [
        (
            each.finished_at,
            each.scenario,
            each.contender,
            f"{each.size:,}",
            f"{each.rate:,.0f}",
            f"{each.wall_seconds:g}",
            f"{each.cpu_per_million:g}",
            f"{each.peak_mb:,.0f}",
            f"{each.load_before:g}",
            _engine(each, version),
            _settings(each.settings),
        )
        for each in results
    ]
    head = (
        "finished",
        "scenario",
        "contender",
        "size",
        "events/s",
        "wall s",
        "CPU s/M",
        "peak MB",
        "load before",
        "engine",
        "settings",
    )
    return "## Every run\n\n" + table(head, rows) if rows else ""


def _engine(result: Result, version: str) -> str:
    if not summary.is_of_a_version(result):
        return "-"
    return version if result.version == version else f"{result.version or 'unknown'}, **not counted**"


def _settings(settings: dict[str, str]) -> str:
    short = {name.removeprefix("consumer.override."): value for name, value in settings.items() if "fetch" not in name}
    return ", ".join(f"`{name}={value}`" for name, value in short.items()) or "-"


def _of(results: Sequence[Result], scenario: str) -> list[Result]:
    return [each for each in results if each.scenario == scenario]


def _ours(results: Sequence[Result], scenario: str) -> list[Result]:
    return [each for each in _of(results, scenario) if each.contender == HEADRACE]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a page."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
