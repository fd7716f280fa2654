"""What a demonstration plays: where its changes come from, and what the target must be equal to in the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg

from consumer.stack.demo import line as lines
from consumer.stack.demo import shop
from consumer.stack.demo.compare import Compared, compare
from consumer.stack.demo.journal import Journal
from consumer.stack.demo.line import Line
from consumer.stack.demo.load import Load, Pace
from consumer.stack.demo.trouble import Plan, Trouble
from consumer.stack.progress import Reporter

_MARKED = "SELECT count(*) FROM shop.{} WHERE note = 'the end'"


class Feed(Protocol):
    """Makes changes from a thread of its own."""

    @property
    def changes(self) -> int:
        """Row changes so far."""

    @property
    def finished(self) -> bool:
        """True when all changes are made; never when there is no end to them."""

    def start(self) -> None:
        """Begins."""

    def stop(self) -> None:
        """Ends; safe to call at any time."""

    def check(self) -> None:
        """Raises when it can't go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One play. `begin` makes the snapshot happen; `arrived` is True when the target shows the last changes."""

    title: str
    line: Line
    journal: Journal
    feed: Feed
    trouble: Trouble
    snapshot_rows: int
    begin: Callable[[], None]
    arrived: Callable[[], bool]
    compare: Callable[[], Sequence[Compared]]


@contextmanager
def real(directory: Path, rows: int, pace: Pace, plan: Plan, reporter: Reporter) -> Iterator[Scene]:
    """The shop on real servers with Debezium."""
    stock = shop.Stock.of(rows)
    with lines.opened(directory, reporter) as line:
        journal = Journal(line.topics.values())
        load = Load(line.source_dsn, stock, journal, pace)

        def begin() -> None:
            with psycopg.connect(line.source_dsn, autocommit=True) as connection:
                shop.create(connection, stock)
            journal.seeded({shop.topic(table): count for table, count in stock.rows.items()}, time.time())
            lines.capture(line)

        try:
            yield Scene(
                title="a shop in PostgreSQL, streamed by Debezium, applied by Headrace",
                line=line,
                journal=journal,
                feed=load,
                trouble=Trouble(line, journal, plan),
                snapshot_rows=stock.total,
                begin=begin,
                arrived=lambda: _marks_arrived(line.target_dsn),
                compare=lambda: compare(line.source_dsn, line.target_dsn),
            )
        finally:
            load.stop()


def _marks_arrived(dsn: str) -> bool:
    """A topic is one partition: when its last change shows, all earlier ones do."""
    with psycopg.connect(dsn) as target:
        rows = [target.execute(_MARKED.format(table).encode()).fetchone() for table in shop.TABLES]
    return all(row is not None and row[0] for row in rows)
