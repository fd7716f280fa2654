"""Seeds, servers that may be broken, and what was measured. See docs/how-to/run-the-fault-tests.md."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.stack.options import KAFKA, REGISTRY, TARGET
from tests.real.engine.feed import fresh_name
from tests.real.engine.wire import Proxy
from tests.real.engine.witness import TEMPLATE, Target, create_database
from tests.real.engine.worker import Workers

from .linked import linked, straight
from .trial import RECOVERIES, Ground, Trial

_HERE = Path(__file__).parent
_SEEDS = 2
_SHORT_SEED = 1
_RECOVERY = "recovery"
_STARTED = pytest.StashKey[int]()
# of the consumer group protocol that the broker leads (KIP-848): a dead member is noticed soon
_SOON = {
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.session.timeout.ms": "6000",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this directory."""
    group = parser.getgroup("faults")
    group.addoption(
        "--short", action="store_true", help="the few that are marked as short, with the same seed each time"
    )
    group.addoption("--seed", type=int, action="append", help="a seed to replay; may be repeated")
    group.addoption("--long", action="store_true", help="those that take many minutes, and only them")
    group.addoption("--seeds", type=int, help=f"how many new seeds (default: {_SEEDS}, or what a test is marked with)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs once for each seed, which its id names."""
    if "seed" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("seeds")
        usual = int(marker.args[0]) if marker else _SEEDS
        chosen = metafunc.config.getoption("--seed", None) or _seeds(metafunc.config, usual)
        metafunc.parametrize("seed", chosen, ids=[f"seed={seed}" for seed in chosen])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is long has to be asked for. A run of everything takes what `--short` takes."""
    left = [item for item in items if _HERE in item.path.parents and not _wanted(config, item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What processes of the same run have measured is gathered by the one that writes the summary."""
    properties: list[tuple[str, Any]] = report.user_properties
    for name, measured in properties:
        if name == _RECOVERY:
            test, seconds, account = measured
            RECOVERIES[test] = seconds, account


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each took to recover, and what became of the records."""
    if RECOVERIES:
        terminalreporter.section("recoveries")
    for name, (seconds, account) in RECOVERIES.items():
        terminalreporter.write_line(f"{seconds:6.1f} s  {name}  {account}")


def _wanted(config: pytest.Config, item: pytest.Item) -> bool:
    if item.get_closest_marker("long") or config.getoption("--long", False):
        return bool(item.get_closest_marker("long")) and bool(config.getoption("--long", False))
    return not _short(config) or item.get_closest_marker("short") is not None


def _short(config: pytest.Config) -> bool:
    """Whether only the short ones are wanted."""
    return bool(config.getoption("--short", False)) or _beside_others(config)


def _beside_others(config: pytest.Config) -> bool:
    """Whether neither this directory nor anything in it was named."""
    named = [Path(config.invocation_params.dir, str(argument).split("::")[0]).resolve() for argument in config.args]
    return not any(place == _HERE or _HERE in place.parents for place in named)


def _seeds(config: pytest.Config, usual: int) -> list[int]:
    """Of the short ones always the same, otherwise by the clock; all processes of one run need the same, so there they
    come from the run's id. `usual`: how many, if nobody says it.
    """
    if _short(config):
        return [_SHORT_SEED]
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    first = int(run, 16) if run else config.stash.setdefault(_STARTED, time.time_ns() // 1000)
    return [(first + number) % 1_000_000 for number in range(config.getoption("--seeds", None) or usual)]


@pytest.fixture(scope="package")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Broker, registry and target, which tests may break; each leaves them as it found them.

    Beside other tests they are the servers of all: what is short breaks none of them.
    """
    if _beside_others(request.config):
        with straight(request.getfixturevalue("at")) as servers:
            yield servers
        return
    with linked(tmp_path_factory.mktemp("faults"), {KAFKA, REGISTRY, TARGET}, _SOON) as servers:
        yield servers


@pytest.fixture
def trial(request: pytest.FixtureRequest, seed: int, ground: Ground, tmp_path: Path) -> Iterator[Trial]:
    """One fault with one seed, on a target database of its own."""
    workers = Workers(tmp_path)
    target = Target(create_database(ground.at.target_dsn, fresh_name("fault"), TEMPLATE))
    made = Trial(request.node.name, seed, ground, target, workers)
    yield made
    workers.kill_all()
    if made.name in RECOVERIES:
        request.node.user_properties.append((_RECOVERY, (made.name, *RECOVERIES[made.name])))


@pytest.fixture
def proxy(trial: Trial) -> Iterator[Proxy]:
    """The way to the target on which sessions are held at a statement."""
    with Proxy(trial.target.dsn) as opened:
        yield opened
