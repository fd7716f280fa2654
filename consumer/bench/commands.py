"""`headrace bench`: each scenario is a command that goes on where it was interrupted.

stdout is data, stderr is progress.
Importing this module needs nothing of the extra `headrace[stack]`; without it the commands end with the remedy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.bench.cases import NAME as LETTERS
from consumer.bench.modes import MODES, NAMES, ROLLING, SCALE
from consumer.bench.scenario import MILLION, SCENARIOS, Against, Scenario
from consumer.bench.showing import FAILED, Output, show, show_others
from consumer.bench.watched import NAME as TELEMETRY
from consumer.stack.failures import told

if TYPE_CHECKING:
    from consumer.bench.rig import Rig
    from consumer.bench.store import Result, Store

DEFAULT_DIR = Path(".headrace/bench")
_NOTHING = 3

app = typer.Typer(
    name="bench",
    help="Headrace and the Debezium JDBC sink connector on the same topics, in turns, on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class About(StrEnum):
    """The pages of results, by their names in docs."""

    BENCHMARKS = "benchmarks"
    SCALING = "scaling"


DataDir = Annotated[Path, typer.Option(help="Where topics, servers and results are kept.")]
Rows = Annotated[int, typer.Option(min=1_000, help="Events of the scenario.")]
Runs = Annotated[int, typer.Option(min=1, max=20, help="Runs of each contender.")]
Versus = Annotated[Against, typer.Option("--against", help="The sink with its best settings, its defaults, or not.")]
Again = Annotated[bool, typer.Option("--again", help="Forget this scenario's results at this size and begin anew.")]
Format = Annotated[Output, typer.Option("--output", help="How data is written to stdout.")]


def _race_command(scenario: Scenario) -> Callable[..., None]:
    def race(
        data_dir: DataDir = DEFAULT_DIR,
        rows: Rows = scenario.usual,
        runs: Runs = 3,
        against: Versus = Against.BEST,
        again: Again = False,
        output: Format = Output.TABLE,
    ) -> None:
        with _rig(data_dir) as rig:
            from consumer.bench import campaign, summary

            if again:
                rig.store.drop(scenario.name, rows)
            if against is Against.BEST:
                campaign.grid(rig, scenario, rows)
            campaign.measure(rig, scenario, rows, runs, against)
            results = _counting(rig.store)
            show((scenario.name, rows, scenario.title), results, summary.verdicts(results, scenario, rows), output)

    return race


for _scenario in SCENARIOS.values():
    app.command(_scenario.name, help=f"({_scenario.letter}) {_scenario.title}.")(_race_command(_scenario))


@app.command()
def letters(
    data_dir: DataDir = DEFAULT_DIR,
    rows: Rows = MILLION,
    runs: Runs = 3,
    again: Again = False,
    output: Format = Output.TABLE,
) -> None:
    """What bad records and open letters cost: Headrace alone, on fresh rows."""
    with _rig(data_dir) as rig:
        from consumer.bench import letters, summary

        if again:
            rig.store.drop(LETTERS, rows)
        letters.measure(rig, rows, runs)
        results = _counting(rig.store)
        show((LETTERS, rows, "what bad records cost"), results, summary.costs(results, rows), output)


@app.command()
def telemetry(
    data_dir: DataDir = DEFAULT_DIR,
    rows: Rows = MILLION,
    runs: Runs = 5,
    again: Again = False,
    output: Format = Output.TABLE,
) -> None:
    """What telemetry costs: all of it, scraped and received, and nothing of it in turns, on fresh rows.

    Exit code 1 when it costs more than it may.
    """
    with _rig(data_dir) as rig:
        from consumer.bench import summary, telemetry

        if again:
            rig.store.drop(TELEMETRY, rows)
        telemetry.measure(rig, rows, runs)
        results = _counting(rig.store)
        verdicts = summary.watching(results, rows)
        show((TELEMETRY, rows, "what telemetry costs"), results, verdicts, output)
        for what, ratio in summary.watched_ratios(results, rows).items():
            _say(f"with all of it {ratio:g} of the {what} without any")
        if any(each.reached is False for each in verdicts):
            raise typer.Exit(FAILED)


@app.command()
def latency(
    data_dir: DataDir = DEFAULT_DIR,
    rate: Annotated[int, typer.Option(min=10, max=100_000, help="Events a second.")] = 5_000,
    seconds: Annotated[int, typer.Option(min=10, max=3_600, help="How long.")] = 60,
    with_sink: Annotated[bool, typer.Option("--with-sink", help="Also measure the JDBC sink's defaults.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Time from Kafka's append to the commit in the target at a steady rate."""
    with _rig(data_dir) as rig:
        from consumer.bench import campaign, contender, latency, race, topics

        dataset = SCENARIOS["fresh"].dataset(max(MILLION, rate * seconds))
        topics.ensure(rig, dataset)
        latency.measure(rig, dataset, (contender.HEADRACE, lambda names: contender.headrace(rig, names)), rate, seconds)
        if with_sink:
            campaign.warm(rig, SCENARIOS["fresh"], MILLION)
            latency.measure(rig, dataset, (race.DEFAULTS, lambda names: contender.sink(rig, names, {})), rate, seconds)
        show_others(_counting(rig.store), latency.NAME, output)


@app.command()
def priorities(
    data_dir: DataDir = DEFAULT_DIR,
    rate: Annotated[int, typer.Option(min=10, max=100_000, help="Critical events a second.")] = 1_000,
    seconds: Annotated[int, typer.Option(min=10, max=3_600, help="How long.")] = 30,
    rows: Annotated[int, typer.Option("--rows", min=1_000, help="Records of the bulk backlog.")] = 5 * MILLION,
    alike: Annotated[bool, typer.Option("--alike", help="Also with both tables of the same priority.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """A critical table's latency beside a backlog of a bulk table. Exit code 1 when it is not held."""
    with _rig(data_dir) as rig:
        from consumer.bench import priorities, topics

        bulk = SCENARIOS["fresh"].dataset(min(rows, MILLION))
        critical = SCENARIOS["fresh"].dataset(max(100_000, rate * seconds) + 1)
        for dataset in (bulk, critical):
            topics.ensure(rig, dataset)
        load = priorities.Load(rate=rate, seconds=seconds, backlog=rows)
        alone, beside, *_ = priorities.measure(rig, critical, bulk, load, alike=alike)
        show_others(_counting(rig.store), priorities.NAME, output)
        p99, most = beside.details["p99"], priorities.allowed(alone)
        _say(f"p99 {p99} ms beside the backlog, {most:g} ms are allowed")
        if p99 > most:
            raise typer.Exit(FAILED)


@app.command()
def rolling(
    data_dir: DataDir = DEFAULT_DIR,
    mode: Annotated[list[str] | None, typer.Option("--mode", help=f"Of {', '.join(NAMES)}; all by default.")] = None,
    workers: Annotated[int, typer.Option(min=2, max=16, help="Workers, each restarted once.")] = 4,
    rate: Annotated[int, typer.Option(min=10, max=100_000, help="Events a second.")] = 5_000,
    gap: Annotated[float, typer.Option(min=5, max=600, help="Seconds from one restart to the next.")] = 20.0,
    output: Format = Output.TABLE,
) -> None:
    """Workers restarted one after the other under load: pauses, p99, and that every change counts once."""
    wanted = [each for each in MODES if mode is None or each.name in mode]
    if mode and (unknown := set(mode) - set(NAMES)):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: none of {', '.join(NAMES)}", param_hint="--mode")
    with _rig(data_dir) as rig:
        from consumer.bench import rolling

        plan = rolling.Plan(workers=workers, rate=rate, gap=gap)
        for each in wanted:
            rig.say(f"rolling restart of {workers} workers: {each.name}")
            rolling.measure(rig, plan, each)
        show_others(_counting(rig.store), ROLLING, output)


@app.command()
def scale(
    data_dir: DataDir = DEFAULT_DIR,
    rows: Rows = 6 * MILLION,
    partitions: Annotated[int, typer.Option(min=1, max=1_000, help="Partitions of the topic.")] = 64,
    workers: Annotated[int, typer.Option(min=1, max=16, help="The most workers of one group.")] = 4,
    again: Again = False,
    output: Format = Output.TABLE,
) -> None:
    """Workers of one group behind a backlog, one after the other joining: rate, rebalance, fairness, unit costs."""
    with _rig(data_dir) as rig:
        from consumer.bench import scale

        if again:
            rig.store.drop(SCALE, rows)
        scale.measure(rig, rows, partitions, workers)
        show_others(_counting(rig.store), SCALE, output)


@app.command()
def memory(
    data_dir: DataDir = DEFAULT_DIR,
    rows: Rows = 5 * MILLION,
    partitions: Annotated[int, typer.Option(min=1, max=1_000, help="Partitions of the topic.")] = 200,
    output: Format = Output.TABLE,
) -> None:
    """Peak memory of one worker behind a backlog over many partitions."""
    with _rig(data_dir) as rig:
        from consumer.bench import memory, topics

        dataset = SCENARIOS["fresh"].dataset(min(rows, MILLION))
        topics.ensure(rig, dataset)
        memory.measure(rig, dataset, rows, partitions)
        show_others(_counting(rig.store), memory.NAME, output)


@app.command()
def report(
    data_dir: DataDir = DEFAULT_DIR,
    about: Annotated[About, typer.Option(help="One worker beside the sink, or several workers.")] = About.BENCHMARKS,
    file: Annotated[Path | None, typer.Option(help="The page; by default its own name in docs, or here.")] = None,
) -> None:
    """Write a results page; what people wrote into it stays. Exit code 3 when there are no results."""
    with told("name others with --data-dir and --file"):
        from consumer.bench import engine, scaling
        from consumer.bench import report as benchmarks
        from consumer.bench.store import Store

        if not (data_dir / "results.json").exists():
            _say(f"there are no results in {data_dir}")
            raise typer.Exit(_NOTHING)
        file, store, version = file or _page_of(about), Store(data_dir), engine.version()
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        page = scaling.page(store, version, before) if about is About.SCALING else benchmarks.page(store, version)
        file.write_text(page, encoding="utf-8")
        _say(f"written: {file}")


def _page_of(about: About) -> Path:
    """Where a page stands in the sources; elsewhere the working directory gets it."""
    docs = Path("docs")
    return (docs if docs.is_dir() else Path()) / f"{about}.md"


@contextmanager
def _rig(data_dir: Path) -> Iterator["Rig"]:
    """The benchmark's servers; failures become a message and an exit code."""
    with told():
        from consumer.bench import machine, rig

        with rig.opened(data_dir) as opened:
            opened.store.note_machine(machine.facts(opened))
            yield opened


def _counting(store: "Store") -> "list[Result]":
    from consumer.bench import engine, summary

    return summary.counting(store.results(), engine.version())


def _say(text: str) -> None:
    typer.echo(text, err=True)
