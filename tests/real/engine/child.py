"""The test's own child program: the real worker, which stops and waits at a named point to be killed.

The points lie between the statements that the proxy can see. Everything is wrapped here, from outside;
the program has no hook. `no-compare` removes the compare of positions, to show that the witnesses notice;
`alone` splits the consumer group, so that two workers own the same partitions.
"""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import consumer.build
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.postgres import positions
from consumer.edges.postgres.sink import PostgresSink
from consumer.handover import Handover
from consumer.settings import load
from consumer.telemetry.logs import configure
from consumer.worker import run_worker


class Careless(PostgresSink):
    """Locks the positions but believes whatever they say."""

    def _compare(self, connection: Any, plan: Any) -> None:
        positions.lock(connection, self._group, [piece.at for piece in plan.slices])


class Alone(KafkaSource):
    """Reads as a group of its own, so it is assigned every partition whoever else has them; positions stay shared."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(replace(settings, group=f"{settings.group}-{os.getpid()}"))


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
    "assigned": (KafkaSource, "_on_assign", False),
    "asked-to-take": (Handover, "ask", True),
    "taken-not-sought": (KafkaSource, "start", False),
    "sought": (KafkaSource, "start", True),
    "revoked": (KafkaSource, "_on_revoke", False),
}


def main() -> int:
    """Run the worker with the changes that the words ask for: `alone`, `no-compare`, `current`, or a point."""
    config, *words = sys.argv[1:]
    settings = load(Path(config))
    configure(settings.log.level, settings.log.format, group=settings.kafka.group)
    if "alone" in words:
        vars(consumer.build)["KafkaSource"] = Alone
    if "no-compare" in words:
        vars(consumer.build)["PostgresSink"] = Careless
    if words[0] in POINTS:
        owner, name, after = POINTS[words[0]]
        setattr(owner, name, pausing(getattr(owner, name), words[0], int(words[1]), after=after))
    return run_worker(settings, until_current="current" in words)


if __name__ == "__main__":
    sys.exit(main())
