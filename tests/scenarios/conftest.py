"""The servers of the scenarios, all of which may be broken, and the ways to them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.stack.options import CONNECT, KAFKA, REGISTRY, SOURCE, TARGET
from tests.collector import Collector
from tests.faults.front import Front
from tests.faults.link import Address, Link
from tests.faults.linked import LOOPBACK, linked
from tests.faults.trial import RECOVERIES, Ground, Trial
from tests.real.engine.feed import fresh_name
from tests.real.engine.witness import TEMPLATE, Target, create_database
from tests.real.engine.worker import Workers

from .scene import Scene, Ways


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this directory."""
    parser.getgroup("scenarios").addoption("--scenario-seed", type=int, help="the seed of a run that is to be repeated")


@pytest.fixture(scope="package")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """All servers; each scenario leaves them as it found them."""
    with linked(tmp_path_factory.mktemp("scenarios"), {SOURCE, KAFKA, REGISTRY, CONNECT, TARGET}) as servers:
        yield servers


@pytest.fixture
def scene(request: pytest.FixtureRequest, ground: Ground, tmp_path: Path) -> Iterator[Scene]:
    """A worker and an admin process, all of whose servers are at the end of a way that can be broken."""
    seed = request.config.getoption("--scenario-seed", None) or time.time_ns() // 1000 % 1_000_000
    print(f"seed {seed}: --scenario-seed {seed}")
    workers = Workers(tmp_path)
    target = Target(create_database(ground.at.target_dsn, fresh_name("scenario"), TEMPLATE))
    with ExitStack() as opened:
        front = opened.enter_context(Front(ground.at.registry_url))
        collector = opened.enter_context(closing(Collector()))
        ways = Ways(
            target=opened.enter_context(Link(lambda: _address(target.dsn))),
            registry=opened.enter_context(Link(lambda: (LOOPBACK, front.server_port))),
            collector=opened.enter_context(Link(lambda: _at(collector.endpoint))),
            front=front,
        )
        trial = Trial(request.node.name, seed, ground, target, workers)
        trial.vary(
            dsn=make_conninfo(target.dsn, host=LOOPBACK, port=ways.target.port),
            registry_url=_through(front.url, ways.registry),
            level="debug",
            # whoever asks for the logs' ends is told soon that nobody answers
            request_timeout=5.0,
            sections={
                "connect": {"url": ground.at.connect_url, "timeout": 2},
                "trace": {"endpoint": _through(collector.endpoint, ways.collector), "timeout": 1},
                "telemetry": {"look_every": 1},
                "batch": {"max_rows": 500, "min_rows": 20, "growth": 1, "smallest_block": 20},
                "retry": {"table_first": 0.5, "table_most": 2},
            },
        )
        yield Scene(trial, ways)
        workers.kill_all()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each took to heal, and what became of the records."""
    for name, (seconds, account) in RECOVERIES.items():
        terminalreporter.write_line(f"{seconds:6.1f} s  {name}  {account}")


def _address(dsn: str) -> Address:
    parts = conninfo_to_dict(dsn)
    return str(parts["host"]), int(parts["port"] or 5432)


def _at(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or LOOPBACK, parts.port or 80


def _through(url: str, way: Link) -> str:
    return url.replace(str(urlsplit(url).port), str(way.port))
