"""The test's own child program: the real worker, which stops and waits at a named point to be killed.

The points lie between the statements that the proxy can see. Everything is wrapped here, from outside;
the program has no hook. `no-compare` removes the compare of positions, to show that the witnesses notice;
`alone` splits the consumer group, so that two workers own the same partitions. `failed-statement` lets a statement fail
in a transaction and go unnoticed; `no-tag` believes whatever answers COMMIT. `other-clock` has a wall clock that jumps
by up to an hour either way. `laden` holds more memory than a worker needs.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

import consumer.composition.engine
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.postgres import positions, sink
from consumer.edges.postgres.sink import PostgresSink
from consumer.reading.handover import Handover
from consumer.reading.reader import Reader
from consumer.settings.loading import load
from consumer.telemetry.logs import configure
from consumer.worker import run_worker


class Careless(PostgresSink):
    """Locks the positions but believes whatever they say."""

    def _fenced(self, connection: Any, plan: Any) -> list[Any]:
        positions.lock(connection, self._group, [piece.at for piece in plan.slices])
        return []


class Alone(KafkaSource):
    """Reads as a group of its own, so it is assigned every partition whoever else has them; positions stay shared."""

    def __init__(self, settings: KafkaSettings, *more: Any) -> None:
        super().__init__(replace(settings, group=f"{settings.group}-{os.getpid()}"), *more)


class Unnoticed(PostgresSink):
    """A statement of every fourth batch fails behind its back, so the server has given the transaction up."""

    _batches = count(1)

    def _finish(self, connection: Any, plan: Any, durations: Any) -> None:
        super()._finish(connection, plan, durations)
        if next(self._batches) % 4 == 0:
            with suppress(psycopg.errors.DivisionByZero):
                connection.execute("SELECT 1 / 0")


class Jumping(datetime):
    """A wall clock that someone sets back and forth."""

    _calls = count()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Jumping":
        """Off by up to an hour, each time otherwise."""
        return super().now(tz) + timedelta(minutes=next(cls._calls) * 37 % 121 - 60)


def pausing(method: Callable[..., Any], point: str, skip: int, *, after: bool) -> Callable[..., Any]:
    """The method, stopping for ever in front of (or behind) its call number `skip` + 1."""
    calls = iter(range(skip + 1))

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        due = next(calls, None) == skip
        if due and not after:
            pause(point)
        result = method(*args, **kwargs)
        if due:
            pause(point)
        return result

    return wrapped


def pause(point: str) -> None:
    """Say where, and wait to be killed."""
    print(f"paused {point}", flush=True)
    threading.Event().wait()


POINTS: dict[str, tuple[type, str, bool]] = {
    "planned-not-queued": (Handover, "offer", False),
    "queued": (Handover, "offer", True),
    "dequeued": (Handover, "start", True),
    "applied-not-told": (Handover, "tell", False),
    "before-group-commit": (KafkaSource, "commit", False),
    "after-group-commit": (KafkaSource, "commit", True),
    "assigned": (Reader, "assigned", False),
    "asked-to-take": (Handover, "ask", True),
    "taken-not-sought": (KafkaSource, "start", False),
    "sought": (KafkaSource, "start", True),
    "revoked": (Reader, "revoked", False),
}


# bytes; with what a worker holds at rest more than nine tenths of the least that it may be given
_BALLAST = 128 << 20
HELD: list[bytes] = []


def _replace(name: str, by: type) -> None:
    parts = vars(consumer.composition.engine)
    assert name in parts, "a worker would be made of the real one"
    parts[name] = by


def main() -> int:
    """Run the worker with the changes that the words ask for, or to a point."""
    config, *words = sys.argv[1:]
    settings = load(Path(config))
    configure(settings.log.level, settings.log.format, group=settings.kafka.group)
    if "alone" in words:
        _replace("KafkaSource", Alone)
    if "no-compare" in words:
        _replace("PostgresSink", Careless)
    if "failed-statement" in words:
        _replace("PostgresSink", Unnoticed)
    if "no-tag" in words:
        vars(sink)["require_commit"] = lambda *_: None
    if "other-clock" in words:
        vars(sink)["datetime"] = Jumping
    if "laden" in words:
        HELD.append(b"x" * _BALLAST)
    if words[0] in POINTS:
        owner, name, after = POINTS[words[0]]
        setattr(owner, name, pausing(getattr(owner, name), words[0], int(words[1]), after=after))
    return run_worker(settings, lambda: load(Path(config)), until_current="current" in words)


if __name__ == "__main__":
    sys.exit(main())
