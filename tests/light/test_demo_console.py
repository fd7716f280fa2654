"""The demonstration's web console: on a port of its own, told only when it is there, and missed when it is gone."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from consumer.core.failure import HeadraceError
from consumer.stack.demo.console import Console, free_port
from consumer.stack.demo.line import Line
from consumer.stack.options import Endpoints
from consumer.stack.ports import LOOPBACK
from tests.light.broker import Broker
from tests.real.engine.worker import eventually

# a console does not touch the servers themselves
_NO_STACK: Any = None


@pytest.fixture
def line(light: tuple[Endpoints, Broker], tmp_path: Path) -> Line:
    """A demonstration's line of servers."""
    at, _ = light
    return Line(
        directory=tmp_path, stack=_NO_STACK, target_dsn=at.target_dsn, kafka=at.kafka, registry_url=at.registry_url
    )


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server((LOOPBACK, 0)) as other:
        yield other.getsockname()[1]


def test_a_port_that_was_taken_meanwhile_is_not_the_consoles(line: Line, taken: int) -> None:
    """Nobody is led to whoever listens there: it starts on another one, and its address is told when it has that."""
    free = free_port()
    choices = iter((taken, free))
    told: list[str | None] = []
    with closing(Console(line, lambda: next(choices))) as console:

        def there() -> bool:
            console.check()
            told.append(console.address)
            return console.address is not None

        eventually(there, "the console listens", 60)
        # whatever it says of a target without tables
        assert "Headrace" in httpx.get(f"{console.address}/guide", timeout=60).text

    assert set(told) == {None, f"http://{LOOPBACK}:{free}"}


def test_a_console_that_finds_no_port_twice_is_a_failure(line: Line, taken: int) -> None:
    """It says what the log ends with."""
    with (
        closing(Console(line, lambda: taken)) as console,
        pytest.raises(HeadraceError, match=r"(?s)listened on.*Read ") as said,
    ):
        eventually(lambda: console.check() is not None, "the console has ended", 60)

    assert said.value.failure.kind == "demo_console_ended"


def test_a_console_that_dies_is_seen(line: Line) -> None:
    """As every other process of the demonstration."""
    with closing(Console(line)) as console:
        eventually(lambda: console.check() is None and console.address is not None, "the console listens", 60)
        (serving,) = (each for each in psutil.Process().children() if "admin" in each.cmdline())
        serving.kill()
        with pytest.raises(HeadraceError, match="the console ended with code -9"):
            eventually(lambda: console.check() is not None, "the death is seen", 20)
