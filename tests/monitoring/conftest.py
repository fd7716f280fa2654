"""Real servers that scenarios may break, and who watches them; the alerts that are chosen, or still to be seen."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from consumer.alerts.rules import ALERTS, rules
from consumer.stack.options import ALL_PARTS
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.witness import TEMPLATE, Target, create_database, make_template
from tests.real.engine.worker import Job, Workers

from .scene import SOON, Scene
from .servers import Watch

_SEEN = "headrace/alerts"
_TIMEOUT = 600
_LOOKS = {"telemetry": {"port": 0, "look_every": 1}, "retry": {"table_first": 1, "table_most": 2}}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this directory."""
    group = parser.getgroup("alerts")
    group.addoption("--alert", action="append", help="only this alert; may be repeated")
    group.addoption("--resume", action="store_true", help="only those that were not seen since the last whole run")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A scenario for each alert that is wanted."""
    if "alert" in metafunc.fixturenames:
        metafunc.parametrize("alert", _wanted(metafunc.config))


def _wanted(config: pytest.Config) -> list[str]:
    names = [alert.name for alert in ALERTS]
    chosen = config.getoption("--alert", None) or names
    if unknown := sorted(set(chosen) - set(names)):
        raise pytest.UsageError(f"no alert of these names: {', '.join(unknown)}")
    if not config.getoption("--resume", False):
        return [name for name in names if name in chosen]
    seen = config.cache.get(_SEEN, [])
    return [name for name in names if name in chosen and name not in seen]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scenarios take their time."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT))


@pytest.fixture
def noted(request: pytest.FixtureRequest, alert: str) -> Iterator[None]:
    """What passes is not done again by --resume; when all were seen, they begin anew."""
    failed = request.session.testsfailed
    yield
    cache = getattr(request.config, "cache", None)
    if cache is not None and request.session.testsfailed == failed:
        seen = {*cache.get(_SEEN, []), alert}
        cache.set(_SEEN, sorted(seen) if len(seen) < len(ALERTS) else [])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All servers, which one scenario after the other may break."""
    with Stack.open(tmp_path_factory.mktemp("stack"), ALL_PARTS, None, Terminal(quiet_steps=True)) as opened:
        make_template(opened.endpoints.target_dsn)
        yield opened


@pytest.fixture
def stage(stack: Stack, tmp_path: Path) -> Iterator[Callable[[], Scene]]:
    """Makes a scene: a group of its own, a topic of three partitions, and a Prometheus with its rules."""
    workers = Workers(tmp_path)
    with ExitStack() as held:

        def make() -> Scene:
            at, target = (
                stack.endpoints,
                Target(create_database(stack.endpoints.target_dsn, fresh_name("watch"), TEMPLATE)),
            )
            feed = Feed(at, "once", fresh_name("once"))
            feed.create(30)
            job = Job(
                at=at, dsn=target.dsn, group=fresh_name("watched"), topics=(feed.topic,), drain=5.0, sections=_LOOKS
            )
            folder = tmp_path / "watch"
            folder.mkdir()
            watch = held.enter_context(Watch(folder, rules(job.group, SOON.model_dump())))
            return Scene(stack=stack, target=target, workers=workers, watch=watch, job=job, feed=feed)

        yield make
        workers.kill_all()
