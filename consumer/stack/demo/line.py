"""One demonstration's line of servers, from the source to the target, and Headrace as a process on it."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer.stack import logs, ownership, ports
from consumer.stack.connectors import Capture, register_debezium
from consumer.stack.demo import shop
from consumer.stack.demo.failures import foreign_directory, headrace_ended
from consumer.stack.layout import Layout
from consumer.stack.options import ALL_PARTS, TARGET, StackOptions
from consumer.stack.process import Command, Process, Spawner
from consumer.stack.progress import Reporter
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until

GROUP = "headrace-demo"
# so that a letter comes back while one looks
LETTER_DELAYS = (1.0, 5.0)
# an unknown schema id is waited for, but nobody is kept from seeing what follows
UNKNOWN_GRACE = 2.0
RETRY_TOPICS = tuple(f"{GROUP}.retry.{number}" for number in range(1, len(LETTER_DELAYS) + 1))
DEAD_TOPIC = f"{GROUP}.dlq"
_STACK = "stack"
_MARK = "made-by-the-demo"
# the commit time of every batch is asked of the target itself
TARGET_SETTINGS = {"track_commit_timestamp": "on"}
_STOP_SECONDS = 30.0
_CONSOLE = 8470


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Where everything answers. `topics` by table; `source_dsn` and `connect_url` are empty where there are none."""

    directory: Path
    stack: Stack
    target_dsn: str
    kafka: str
    registry_url: str
    source_dsn: str = ""
    connect_url: str = ""
    console_port: int = 0

    @property
    def console(self) -> str:
        """The console's address, once it runs."""
        return f"http://{ports.LOOPBACK}:{self.console_port}"

    @property
    def topics(self) -> Mapping[str, str]:
        """The topic of each table."""
        return {table: shop.topic(table) for table in shop.TABLES}

    @property
    def settings(self) -> Path:
        """The settings of all that is ours."""
        return self.directory / "headrace.toml"

    @property
    def log(self) -> Path:
        """Headrace's log."""
        return self.directory / "headrace.log"

    def take_target_away(self) -> None:
        """Stops the target's server; every session ends."""
        self.stack.stop_part(TARGET)

    def bring_target_back(self) -> None:
        """Starts it again; returns when it answers."""
        self.stack.start_part(TARGET)


@contextmanager
def opened(directory: Path, reporter: Reporter) -> Iterator[Line]:
    """The whole stack, empty, in a directory of the demonstration's own; ended afterwards."""
    options = StackOptions(target_settings=TARGET_SETTINGS)
    with Stack.open(fresh(directory), ALL_PARTS, options, reporter) as stack:
        where = stack.endpoints
        yield Line(
            directory=directory,
            stack=stack,
            target_dsn=where.target_dsn,
            kafka=where.kafka,
            registry_url=where.registry_url,
            source_dsn=where.source_dsn,
            connect_url=where.connect_url,
            console_port=console_port(),
        )


def fresh(directory: Path) -> Path:
    """An empty directory for the stack: data of an earlier demonstration is taken away, nothing else ever is.

    A stack that runs there is left alone; opening it again is refused elsewhere.
    """
    layout = Layout((directory / _STACK).absolute())
    mark = layout.root / _MARK
    if layout.root.exists() and not mark.exists():
        raise foreign_directory(layout.root)
    wait_until(lambda: ownership.is_free(layout) or ownership.owner(layout) is not None, _STOP_SECONDS)
    if layout.root.exists() and ownership.is_free(layout):
        shutil.rmtree(layout.root)
    ownership.make(layout)
    mark.touch()
    for name in ("headrace.log", "console.log"):
        logs.remove(directory / name)
    return layout.root


def console_port() -> int:
    """The one that the console has elsewhere, or any that is free."""
    return ports.choose(["console"], {"console": _CONSOLE})["console"]


def capture(line: Line) -> None:
    """Has Debezium snapshot the shop and then stream it."""
    tables = tuple(f"{shop.SCHEMA}.{table}" for table in shop.TABLES)
    register_debezium(line.connect_url, line.source_dsn, "demo", Capture(topic_prefix=shop.TOPIC_PREFIX, tables=tables))


@dataclass(frozen=True, slots=True)
class Headrace:
    """`headrace run` as a process."""

    process: Process

    def check(self) -> None:
        """Raises when it has ended."""
        if self.process.code is not None:
            raise headrace_ended(self.process.code, self.process.log)


@contextmanager
def headrace(line: Line) -> Iterator[Headrace]:
    """One worker on the line's topics, ended in order afterwards, and by the kernel when this process dies."""
    _write_private(line.settings, _settings(line))
    with closing(logs.Keeper(line.directory)), _running(line, "headrace", "run") as process:
        yield Headrace(process)


@contextmanager
def console(line: Line) -> Iterator[None]:
    """`headrace admin serve` beside it, ended in order too."""
    with _running(line, "console", "admin", "serve"):
        yield


@contextmanager
def _running(line: Line, name: str, *words: str) -> Iterator[Process]:
    """A command of ours on the line's settings, as a process."""
    command = Command(
        argv=(sys.executable, "-m", "consumer", *words, "--config", str(line.settings.absolute())),
        directory=line.directory.absolute(),
        stop_seconds=_STOP_SECONDS,
    )
    with closing(Spawner()) as spawner:
        process = spawner.spawn(name, command, (line.directory / f"{name}.log").absolute())
        try:
            yield process
        finally:
            process.stop()


def _settings(line: Line) -> str:
    topics = ", ".join(f'"{topic}"' for topic in line.topics.values())
    return (
        f'[kafka]\nbootstrap_servers = "{line.kafka}"\ngroup = "{GROUP}"\ntopics = [{topics}]\nmetadata_refresh = 1\n'
        f'[registry]\nurl = "{line.registry_url}"\nunknown_grace = {UNKNOWN_GRACE}\n'
        f'[target]\ndsn = "{line.target_dsn}"\n'
        f"[letters]\ndelays = {list(LETTER_DELAYS)}\n"
        f"[admin]\nport = {line.console_port}\nguide = true\n" + _connect(line)
    )


def _connect(line: Line) -> str:
    return f'[connect]\nurl = "{line.connect_url}"\n' if line.connect_url else ""


def _write_private(file: Path, text: str) -> None:
    """The file holds the target's password."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
