"""Which recorded runs count: Headrace's only when it is the one that is looked at, and the sink's in turns with it."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import typer

from consumer.bench import campaign, cases, engine, summary, watched
from consumer.bench.race import Entry, failed
from consumer.bench.report import INTRODUCTION, LATENCY, LETTERS, page
from consumer.bench.scenario import SCENARIOS, Against
from consumer.bench.showing import Output, show
from consumer.bench.store import Result, Store

_UPDATES = SCENARIOS["updates"]
_SIZE = 1_000_000
_THIS, _OTHER = engine.version(), "0.1.0.dev0+00000000"
_ALWAYS = ("sink-grid", "consume")
_OF_A_VERSION = ("headrace", "headrace-one-table", "copy-upsert", "plain-copy-upsert", "sink-defaults", "sink-best")
_TURNS, _NO_TURNS = "The runs were made in turns.", "The runs were **not** made in turns"


def _run(contender: str, version: str = _THIS, rate: float = 100.0, **more: object) -> Result:
    fields = {"scenario": _UPDATES.name, "size": _SIZE, "seconds": 1.0, "wall_seconds": 2.0, **more}
    return Result(contender=contender, version=version, rate=rate, **fields)


def _store(directory: Path, results: Sequence[Result]) -> Store:
    store = Store(directory)
    for each in results:
        store.add(each)
    return store


@pytest.mark.parametrize("contender", [*_OF_A_VERSION, *_ALWAYS])
@pytest.mark.parametrize("version", [_THIS, _OTHER, "0.1.0.dev0", ""])
def test_a_run_of_or_beside_another_headrace_does_not_count_and_one_of_anything_else_does(
    contender: str, version: str
) -> None:
    """A version from before the digest, or none, is another one."""
    counts = contender in _ALWAYS or version == _THIS
    assert bool(summary.counting([_run(contender, version)], _THIS)) is counts


def test_a_changed_headrace_is_run_again_and_the_sink_in_turns_with_it(tmp_path: Path) -> None:
    """The runs that are missing are those of this version: else a ratio would be of two times, and of two machines'
    moods. What was killed in the middle of a round goes on with it.
    """
    runs = [_run(contender, _OTHER) for contender in ("headrace", "sink-defaults", "sink-best")] * 2
    store = _store(tmp_path, [*runs, _run("headrace")])
    missing = campaign.entries(store, _UPDATES, _SIZE, 2, Against.BEST)
    assert [each.contender for each in missing] == [
        "sink-defaults",
        "sink-best",
        "headrace",
        "sink-defaults",
        "sink-best",
    ]


def test_the_best_settings_are_those_of_the_grid_for_this_size(tmp_path: Path) -> None:
    """A grid that was tried on fewer events than are asked for decides nothing."""
    store = _store(
        tmp_path,
        [
            _run("sink-grid", rate=90.0, size=200_000, settings={"batch.size": "right"}),
            _run("sink-grid", rate=95.0, size=200_000, settings={"batch.size": "wrong rows"}, correct=False),
            _run("sink-grid", rate=99.0, size=1_000, settings={"batch.size": "other size"}),
        ],
    )
    assert campaign.best(store, _UPDATES, _SIZE) == {"batch.size": "right"}
    assert campaign.best(store, _UPDATES, 1_000) == {"batch.size": "other size"}
    assert campaign.best(store, _UPDATES, 5_000) is None


def test_the_page_shows_every_run_and_counts_those_of_one_version(tmp_path: Path) -> None:
    """An old run is in the last table, marked, and in no median."""
    runs = [_run("headrace", _OTHER, 900.0), _run("headrace", rate=300.0), _run("sink-defaults", rate=100.0)]
    shown = page(_store(tmp_path, runs), _THIS)
    assert "| headrace | 1 | 300 |" in shown
    assert "| times the sink's defaults | 4 | 3 | **no** |" in shown
    assert "1 run of another version does not count" in shown
    assert f"| {_OTHER}, **not counted** |" in shown
    assert f"| {_THIS} |" in shown


def _one_by_one(contenders: str, **more: object) -> list[Result]:
    """Runs in the order of their ends: of Headrace (H), the sink's defaults (D) and best (B), and of the references."""
    names = {"H": "headrace", "D": "sink-defaults", "B": "sink-best", "c": "consume", "p": "plain-copy-upsert"}
    return [_run(names[each], finished_at=f"2026-11-2{at}", **more) for at, each in enumerate(contenders)]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("HDBHDB", _TURNS),
        ("HDDH", _TURNS),
        ("HDHDHc", _TURNS),
        ("HDBHDBH", _TURNS),
        ("DDDHHH", _NO_TURNS),
        ("HHD", _NO_TURNS),
        ("DBDBHH", _NO_TURNS),
        ("HHHcp", ""),
    ],
)
def test_the_page_says_whether_runs_were_in_turns(tmp_path: Path, order: str, said: str) -> None:
    """By the order in which they ended, wherever they stand in the store; of one contender there is nothing to say."""
    for runs in (_one_by_one(order), _one_by_one(order)[::-1]):
        shown = page(_store(tmp_path / order / runs[0].finished_at, runs), _THIS)
        found = [each for each in (_TURNS, _NO_TURNS) if each in shown]
        assert found == ([said] if said else [])


@pytest.mark.parametrize(("order", "answer"), [("HDHD", "reached"), ("HHDD", "not in turns")])
def test_no_goal_is_reached_by_runs_that_were_not_in_turns(tmp_path: Path, order: str, answer: str) -> None:
    """As when the sink was added to a race of Headrace alone. Nor is it missed: nobody knows."""
    runs = [replace(each, rate=900.0) if each.contender == "headrace" else each for each in _one_by_one(order)]
    verdict, *_ = summary.verdicts(runs, _UPDATES, _SIZE)
    assert (verdict.measured, verdict.state) == (9.0, answer)
    assert verdict.reached is {"reached": True}.get(answer)
    shown = {"reached": "yes"}.get(answer, f"**{answer}**")
    assert f"| times the sink's defaults | 4 | 9 | {shown} |" in page(_store(tmp_path, runs), _THIS)


@pytest.mark.parametrize("wrong", ["headrace", "sink-defaults"])
def test_no_goal_is_reached_where_rows_are_wrong(tmp_path: Path, wrong: str) -> None:
    """On either side: the command fails."""
    runs = [_run("headrace", rate=900.0), _run("sink-defaults")]
    runs = [replace(each, correct=each.contender != wrong) for each in runs]
    verdict, *_ = summary.verdicts(runs, _UPDATES, _SIZE)
    assert (verdict.state, verdict.reached) == ("rows differ", False)
    assert "| times the sink's defaults | 4 | 9 | **rows differ** |" in page(_store(tmp_path, runs), _THIS)
    for output in Output:
        with pytest.raises(typer.Exit) as ended:
            show((_UPDATES.name, _SIZE, _UPDATES.title), runs, [verdict], output)
        assert ended.value.exit_code == 1


def test_a_command_whose_rows_are_right_does_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether its goals are reached or not."""
    runs = [_run("headrace"), _run("sink-defaults")]
    show((_UPDATES.name, _SIZE, _UPDATES.title), runs, summary.verdicts(runs, _UPDATES, _SIZE), Output.TABLE)
    assert "1 times the sink's defaults (asked: 4): not reached" in capsys.readouterr().out


def test_cases_and_telemetry_say_it_too(tmp_path: Path) -> None:
    """Each for itself."""
    kinds = [
        (cases.NAME, ("clean", "1% bad", "clean", "1% bad")),
        (watched.NAME, (watched.OFF, watched.OFF, watched.ON)),
    ]
    runs = [
        _run(name, scenario=scenario, cpu_per_million=1.0, finished_at=f"2026-11-2{at}")
        for scenario, names in kinds
        for at, name in enumerate(names)
    ]
    shown = page(_store(tmp_path, runs), _THIS)
    bad, telemetry = shown.partition("## What telemetry costs")[::2]
    assert (_TURNS in bad, _NO_TURNS in bad) == (True, False)
    assert (_TURNS in telemetry, _NO_TURNS in telemetry) == (False, True)


def test_many_tables_are_held_against_one_in_the_same_campaign_at_each_size(tmp_path: Path) -> None:
    """At which both were run; what else was run is shown at each size, behind the one with most contenders."""
    runs = [
        _run(contender, scenario=scenario, size=size, rate=rate)
        for scenario, contender, size, rate in (
            # in a campaign of its own, at another hour
            ("fresh", "headrace", 4_000_000, 900.0),
            ("many-tables", "headrace", 1_000_000, 80.0),
            ("many-tables", "headrace-one-table", 1_000_000, 200.0),
            ("many-tables", "headrace", 4_000_000, 210.0),
            ("many-tables", "headrace-one-table", 4_000_000, 300.0),
            ("many-tables", "headrace", 9_000, 1.0),
        )
    ]
    shown = page(_store(tmp_path, runs), _THIS)
    goals = shown.partition("## Goals")[2].partition("\n## ")[0].splitlines()
    assert [line for line in goals if "one table" in line] == [
        "| (e) 200 tables, 1,000,000 events | of our own rate on one table | 0.6 | 0.4 | **no** |",
        "| (e) 200 tables, 4,000,000 events | of our own rate on one table | 0.6 | 0.7 | yes |",
    ]
    heads = [line for line in shown.splitlines() if line.startswith("#") and "events" in line]
    assert heads == [
        "## (a) fresh rows: 4,000,000 events",
        "## (e) 200 tables: 4,000,000 events",
        "### 200 tables: 9,000 events",
        "### 200 tables: 1,000,000 events",
    ]
    assert "| headrace | 1 | 210 |" in shown
    assert "5,000 rows" in shown.partition("## (e) ")[2].partition("| headrace")[0]


def test_what_stands_on_the_page_in_front_of_figures_is_what_would_be_written() -> None:
    """Who changes the text changes the page, too; its figures are those of the last runs."""
    text = (engine.ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert text.startswith(INTRODUCTION)
    assert LETTERS in text
    assert LATENCY in text


def test_a_point_at_which_the_sink_fails_is_tried_shown_and_never_the_best(tmp_path: Path) -> None:
    """Its place in the grid is taken, so that the grid comes to an end."""
    entry = Entry(scenario=_UPDATES.name, size=200_000, contender="sink-grid", settings=campaign.POINTS[0])
    store = _store(tmp_path, [failed(entry, "task_failed"), _run("sink-defaults")])
    assert [each.settings for each in summary.grid(store.results(), _UPDATES.name, _SIZE)] == [campaign.POINTS[0]]
    assert campaign.best(store, _UPDATES, _SIZE) is None
    assert "| 200,000 | 0 | **the sink failed** |" in page(store, _THIS)


def _case(name: str, rate: float, version: str = _THIS) -> Result:
    return _run(name, version, rate, scenario=cases.NAME)


def test_bad_records_cost_what_their_median_lacks_to_the_clean_one_of_this_engine(tmp_path: Path) -> None:
    """In percent, each held against its own limit; what was not run is not reached."""
    runs = [_case("clean", 900.0, _OTHER)]
    for rate in (90.0, 100.0, 110.0):
        runs += [_case("clean", rate), _case("0.1% bad", 60.0), _case("1% bad", 33.0)]
    store = _store(tmp_path, runs)
    verdicts = summary.costs(summary.counting(store.results(), _THIS), _SIZE)
    assert [(each.measured, each.reached) for each in verdicts] == [(40.0, True), (67.0, False), (None, None)]
    assert "| 0.1% bad: percent of the clean rate that they cost | at most 40 | 40 | yes |" in page(store, _THIS)


def test_cases_are_run_in_turns_and_each_as_often_as_it_is_missing(tmp_path: Path) -> None:
    """So that what changes on the machine meanwhile meets all of them."""
    store = _store(tmp_path, [_case("clean", 1.0), _case("1% bad", 1.0, _OTHER)])
    wanted = [Entry(scenario=cases.NAME, size=_SIZE, contender=name) for name in ("clean", "1% bad")]
    assert [each.contender for each in campaign.turns(store, wanted, 2)] == ["1% bad", "clean", "1% bad"]


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_a_case_has_as_many_bad_rows_as_its_name_says_half_of_each_kind(case: cases.Case) -> None:
    """Never the first and the last one, by which beginning and end of a run are seen."""
    share = {"0.1% bad": 10, "1% bad": 100}.get(case.name, 0)
    rows = range(20_000)
    cut, refused = [row for row in rows if case.is_cut(row)], [row for row in rows if case.is_refused(row)]
    assert (len(cut), len(refused)) == (share, share)
    assert not {0, 1} & {*cut, *refused}
    assert not {*cut} & {*refused}


def test_a_store_from_before_the_digest_is_read(tmp_path: Path) -> None:
    """Its runs of the sink's grid count, and those of Headrace are shown without counting."""
    old = [asdict(_run("headrace", "0.1.0.dev0")), asdict(_run("sink-grid", ""))]
    del old[1]["version"]
    (tmp_path / "results.json").write_text(json.dumps(old), encoding="utf-8")
    store = Store(tmp_path)
    assert [each.contender for each in summary.counting(store.results(), _THIS)] == ["sink-grid"]
    assert "| 0.1.0.dev0, **not counted** |" in page(store, _THIS)


@pytest.mark.parametrize(
    ("place", "is_another"),
    [
        ("consumer/core/fold.py", True),
        ("consumer/edges/postgres/sink.py", True),
        ("consumer/edges/postgres/sql/new.sql", True),
        ("dlq/new.py", True),
        ("consumer/bench/report.py", False),
        ("consumer/stack/stack.py", False),
        ("consumer/core/__pycache__/fold.pyc", False),
        ("tests/new.py", False),
    ],
)
def test_the_version_follows_the_sources_that_a_worker_runs(tmp_path: Path, place: str, is_another: bool) -> None:
    """Nothing else: not the benchmark, not the stack, not what Python leaves behind."""
    for part in ("consumer", "dlq"):
        shutil.copytree(engine.ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    assert engine.version(tmp_path) == _THIS
    (tmp_path / place).parent.mkdir(exist_ok=True)
    with (tmp_path / place).open("a", encoding="utf-8") as changed:
        changed.write("\n")
    assert (engine.version(tmp_path) != _THIS) is is_another


def test_the_version_follows_the_packages_that_a_worker_works_with() -> None:
    """Another driver is another Headrace."""
    assert engine.version(packages=[*engine.PACKAGES, "pytest"]) != _THIS


@pytest.mark.parametrize(
    ("environment", "is_another"),
    [
        ({"HEADRACE_BATCH__MAX_ROWS": "5000"}, True),
        ({"headrace_batch__max_rows": "5000"}, True),
        ({"HEADRACE_BATCH": '{"max_rows": 5000}'}, True),
        ({"HEADRACE_KAFKA__CLIENT": '{"sasl.password": "x"}'}, True),
        ({"HEADRACE_TARGET__DSN": "postgresql://elsewhere"}, False),
        ({"HEADRACE_SOURCE__DSN": "postgresql://elsewhere"}, False),
        # of commands, and of nothing
        ({"HEADRACE_CACHE": "elsewhere"}, False),
        ({"HEADRACE_SERVER": "https://elsewhere"}, False),
        ({"HEADRACE_TOKEN": "secret"}, False),
        ({"HEADRACE_BATCH__NOTHING": "1"}, False),
        ({"HOME": "elsewhere"}, False),
    ],
)
def test_runs_with_other_settings_are_of_another_headrace(environment: dict[str, str], is_another: bool) -> None:
    """Else a median would be of both. Where the target is changes nothing."""
    plain = engine.version(environment={})
    assert (engine.version(environment=environment) != plain) is is_another
    assert engine.version(environment=environment).startswith(plain)


@pytest.mark.parametrize(
    "name",
    [
        "HEADRACE_TOKEN",
        "HEADRACE_SECRETS__HASH_KEY",
        "HEADRACE_SECRETS",
        "HEADRACE_KAFKA__CLIENT",
        "HEADRACE_KAFKA__CLIENT__SASL.PASSWORD",
        "HEADRACE_KAFKA",
        "HEADRACE_REGISTRY__URL",
        "HEADRACE_REGISTRY__PASSWORD",
        "HEADRACE_TRACE__ENDPOINT",
        "HEADRACE_ADMIN__TOKENS",
        "HEADRACE_TARGET__DSN",
        "HEADRACE_TARGET",
    ],
)
def test_no_secret_of_the_environment_is_kept_or_shown(tmp_path: Path, name: str) -> None:
    """Its name is, where it is a setting; what else is set is shown as it is."""
    settings = engine.overrides({name: "canary", "HEADRACE_BATCH__MAX_ROWS": "5000"})
    store = _store(tmp_path, [_run("headrace", settings=settings)])
    assert "canary" not in (tmp_path / "results.json").read_text(encoding="utf-8")
    shown = page(store, _THIS)
    assert "canary" not in shown
    assert "`HEADRACE_BATCH__MAX_ROWS=5000`" in shown
    assert (f"`{name}=***`" in shown) is (name not in ("HEADRACE_TOKEN", "HEADRACE_TARGET__DSN"))


def _watched(contender: str, rate: float, cpu: float) -> Result:
    return _run(contender, rate=rate, scenario=watched.NAME, cpu_per_million=cpu)


@pytest.mark.parametrize(("rate", "cost", "reached"), [(97.5, 2.5, True), (96.0, 4.0, False), (101.0, -1.0, True)])
def test_what_telemetry_costs_is_told_of_medians(rate: float, cost: float, reached: bool) -> None:
    """In percent of the rate without any; one slow run decides nothing."""
    pairs = ((1.0, 1.0), (100.0, rate), (100.0, rate))
    runs = [run for off, on in pairs for run in (_watched(watched.OFF, off, 3.0), _watched(watched.ON, on, 3.3))]
    (verdict,) = summary.watching(runs, _SIZE)
    assert (verdict.measured, verdict.reached) == (cost, reached)
    assert summary.watched_ratios(runs, _SIZE) == {"rate": rate / 100, "CPU": 1.1}


def test_what_telemetry_costs_is_not_known_of_one_kind_of_runs() -> None:
    """Nor of runs of another version."""
    (verdict,) = summary.watching([_watched(watched.ON, 100.0, 3.0)], _SIZE)
    assert (verdict.measured, verdict.reached) == (None, None)
    other = _run(watched.ON, _OTHER, scenario=watched.NAME)
    assert summary.counting([other], _THIS) == []
