"""The servers that a benchmark runs on, and what every part of it needs of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from consumer.bench import witness
from consumer.bench.store import Store
from consumer.stack.connectors import connectors, remove_debezium
from consumer.stack.options import ALL_PARTS, CONNECT, KAFKA, TARGET, Endpoints, StackOptions
from consumer.stack.progress import Reporter, Terminal
from consumer.stack.stack import Stack

CONNECT_HEAP_MB = 2048
# the same for both contenders; fsync and synchronous_commit stay on
TARGET_SETTINGS = {
    "shared_buffers": "2GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "synchronous_commit": "on",
    "fsync": "on",
}
_SOURCE_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "30min"}
_KAFKA_SETTINGS = {"log.retention.ms": "-1", "log.retention.bytes": "-1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """Running servers, the files of the benchmark, and where progress is told."""

    endpoints: Endpoints
    # of the servers, by their parts
    pids: Mapping[str, int]
    store: Store
    scratch: Path
    reporter: Reporter
    # since Connect was started
    sink_ran: Event = field(default_factory=Event)

    def source(self) -> psycopg.Connection:
        """A session on the source."""
        return psycopg.connect(self.endpoints.source_dsn, autocommit=True)

    def target(self) -> psycopg.Connection:
        """A session on the target."""
        return psycopg.connect(self.endpoints.target_dsn, autocommit=True)

    def say(self, text: str) -> None:
        """One step was reached."""
        self.reporter.say(text)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """A progress bar on stderr; the yielded function takes how much is done."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(text, total=total)
            yield lambda done: bars.update(task, completed=done)


def options() -> StackOptions:
    """The stack's sizes for a benchmark."""
    return StackOptions(
        source_settings=_SOURCE_SETTINGS,
        target_settings=TARGET_SETTINGS,
        kafka_settings=_KAFKA_SETTINGS,
        kafka_heap_mb=1024,
        connect_heap_mb=CONNECT_HEAP_MB,
        with_jdbc_sink=True,
    )


def rig(stack: Stack, directory: Path, reporter: Reporter) -> Rig:
    """A benchmark on an open stack; `directory` gets the results and the contenders' logs."""
    scratch = directory / "runs"
    scratch.mkdir(parents=True, exist_ok=True)
    return Rig(
        endpoints=stack.endpoints,
        pids={part: stack.pid(part) for part in (CONNECT, KAFKA, TARGET)},
        store=Store(directory),
        scratch=scratch,
        reporter=reporter,
    )


@contextmanager
def opened(directory: Path) -> Iterator[Rig]:
    """A stack of the benchmark's own in the data directory, ended afterwards; its data stays."""
    reporter = Terminal()
    with Stack.open(directory / "stack", ALL_PARTS, options(), reporter) as stack:
        made = rig(stack, directory, reporter)
        _clear(made)
        yield made


def _clear(rig: Rig) -> None:
    """Takes away what a killed benchmark left: Connect has started its connectors again, and its slots hold the log."""
    where = rig.endpoints
    for name in connectors(where.connect_url):
        remove_debezium(where.connect_url, where.source_dsn, name)
    with rig.source() as source:
        source.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
    with rig.target() as target:
        witness.dismiss(target)
