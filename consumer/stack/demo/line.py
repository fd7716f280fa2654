"""One demonstration's line of servers, from the source to the target, and Headrace as a process on it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer.stack import logs, ownership
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
_ASIDE = "stack-of-an-earlier-demo"
# the commit time of every batch is asked of the target itself
TARGET_SETTINGS = {"track_commit_timestamp": "on"}
_STOP_SECONDS = 30.0


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

    @property
    def topics(self) -> Mapping[str, str]:
        """The topic of each table."""
        return {table: shop.topic(table) for table in shop.TABLES}

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
        )


def fresh(directory: Path, remove: Callable[[Path], None] = shutil.rmtree) -> Path:
    """An empty directory for the stack: data of an earlier demonstration is taken away, nothing else ever is.

    A stack that runs there is left alone; opening it again is refused elsewhere.
    """
    layout = Layout((directory / _STACK).absolute())
    mark = layout.root / _MARK
    if layout.root.exists() and not mark.exists():
        raise foreign_directory(layout.root)
    wait_until(lambda: ownership.is_free(layout) or ownership.owner(layout) is not None, _STOP_SECONDS)
    # first aside: what is removed in part has no mark any more
    aside = layout.root.with_name(_ASIDE)
    if aside.exists():
        remove(aside)
    if layout.root.exists() and ownership.is_free(layout):
        layout.root.rename(aside)
        remove(aside)
    ownership.make(layout)
    mark.touch()
    for name in ("headrace.log", "console.log"):
        logs.remove(directory / name)
    return layout.root


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
    with closing(logs.Keeper(line.directory)), closing(Spawner()) as spawner:
        process = own(line, spawner, "headrace", ("run",))
        try:
            yield Headrace(process)
        finally:
            process.stop()


def own(line: Line, spawner: Spawner, name: str, words: Sequence[str], admin: str = "") -> Process:
    """A command of ours on the line as a process, with settings and a log of its name; its end is the caller's."""
    settings = line.directory / f"{name}.toml"
    _write_private(settings, _settings(line) + (f"[admin]\n{admin}" if admin else ""))
    command = Command(
        argv=(sys.executable, "-m", "consumer", *words, "--config", str(settings.absolute())),
        directory=line.directory.absolute(),
        stop_seconds=_STOP_SECONDS,
    )
    return spawner.spawn(name, command, (line.directory / f"{name}.log").absolute())


def _settings(line: Line) -> str:
    topics = ", ".join(f'"{topic}"' for topic in line.topics.values())
    return (
        f'[kafka]\nbootstrap_servers = "{line.kafka}"\ngroup = "{GROUP}"\ntopics = [{topics}]\nmetadata_refresh = 1\n'
        f'[registry]\nurl = "{line.registry_url}"\nunknown_grace = {UNKNOWN_GRACE}\n'
        f'[target]\ndsn = "{line.target_dsn}"\n'
        f"[letters]\ndelays = {list(LETTER_DELAYS)}\n" + _connect(line)
    )


def _connect(line: Line) -> str:
    return f'[connect]\nurl = "{line.connect_url}"\n' if line.connect_url else ""


def _write_private(file: Path, text: str) -> None:
    """The file holds the target's password."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
