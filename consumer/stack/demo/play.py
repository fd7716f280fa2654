"""Plays a scene: without an end before somebody's eyes, or once, closed, with a comparison and figures."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from consumer.stack.demo import compare
from consumer.stack.demo.console import Console
from consumer.stack.demo.failures import late
from consumer.stack.demo.latency import Latency, latency
from consumer.stack.demo.line import headrace
from consumer.stack.demo.scene import Scene
from consumer.stack.demo.troubled import Troubled
from consumer.stack.demo.watch import Sight, Totals, Watch
from consumer.stack.waiting import wait_until

Show = Callable[[str, Sight | None], None]

SEEDING = "filling the shop"
SNAPSHOT = "snapshot"
STREAMING = "streaming"
CATCHING_UP = "catching up"
COMPARING = "comparing"
_LOOK = 0.5
_PATIENCE = 120.0
_LONGEST = 3600.0
_FOREVER = 10 * 365 * 86400.0


class Runs(Protocol):
    """A process of ours."""

    def check(self) -> None:
        """Raises when it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of a closed scenario.

    Latencies are those of records that had not to wait for the target; how many had to stands beside, and the longest
    wait with theirs. They are None when the topics hold more than the source made.
    """

    mode: str
    snapshot_rows: int
    changes: int
    seconds: float
    snapshot_seconds: float
    totals: Totals
    exact: bool
    trouble: Troubled
    compared: Mapping[str, Any]

    @property
    def good(self) -> bool:
        """True when source and target are the same, and each poisoned record, but no other, had its letter."""
        return bool(self.compared["equal"]) and self.trouble.as_meant

    def as_json(self) -> dict[str, Any]:
        """The report as it is printed."""
        records = self.totals.records
        found = latency(self.totals.waits, self.trouble.absences) if self.exact else Latency()
        return {
            "mode": self.mode,
            "events": records,
            "events_per_second": round(records / self.seconds, 1),
            "seconds": round(self.seconds, 3),
            "snapshot_rows": self.snapshot_rows,
            "snapshot_seconds": round(self.snapshot_seconds, 3),
            "changes": self.changes,
            "batches": self.totals.batches,
            "busy_events_per_second": round(records / max(self.totals.busy, 1e-6), 1),
            "p50_commit_to_apply_ms": _milliseconds(found.p50),
            "p99_commit_to_apply_ms": _milliseconds(found.p99),
            "max_commit_to_apply_ms": _milliseconds(found.longest),
            "max_commit_to_apply_with_outage_ms": _milliseconds(found.longest_of_all),
            "records_delayed_by_outage": found.delayed if self.exact else None,
            **self.trouble.as_json(),
            **self.compared,
        }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


class _Player:
    """One performance: waits by looking, and shows each look."""

    def __init__(self, scene: Scene, processes: Sequence[Runs], watch: Watch, show: Show) -> None:
        self._scene = scene
        self._processes = processes
        self._watch = watch
        self._show = show

    def until(self, phase: str, done: Callable[[Sight], bool], longest: float = _LONGEST) -> Sight:
        """Looks until it is done; raises when something fails or nothing moves any more."""
        last: Sight | None = None
        moved = (0, time.monotonic())

        def settled() -> bool:
            nonlocal last, moved
            for process in self._processes:
                process.check()
            self._scene.feed.check()
            self._scene.trouble.check()
            last = self._watch.look()
            self._show(phase, last)
            sum_now = last.ended + last.applied + last.committed
            if sum_now != moved[0]:
                moved = (sum_now, time.monotonic())
            elif time.monotonic() - moved[1] > _PATIENCE:
                raise late(f"{phase}: nothing moved", _PATIENCE, last.lagging)
            return done(last)

        if not wait_until(settled, longest, interval=_LOOK) or last is None:
            raise late(f"{phase}: not done", longest, last.lagging if last else "nothing was seen")
        return last


@contextmanager
def _performance(scene: Scene, show: Show, *others: Runs, keep_waits: bool) -> Iterator[tuple[_Player, Watch]]:
    """Headrace running and the snapshot begun."""
    with headrace(scene.line) as engine, closing(Watch(scene.line, scene.journal, keep_waits)) as watch:
        show(SEEDING, None)
        scene.begin()
        try:
            yield _Player(scene, (engine, *others), watch, show), watch
        finally:
            scene.feed.stop()
            scene.trouble.stop()


def forever(scene: Scene, show: Show, console: Console) -> None:
    """Plays until it is interrupted."""
    with _performance(scene, show, console, keep_waits=False) as (player, _):
        player.until(SNAPSHOT, lambda sight: sight.caught_up)
        scene.feed.start()
        scene.trouble.start()
        player.until(STREAMING, lambda _: False, longest=_FOREVER)


def once(scene: Scene, mode: str, show: Show) -> Report:
    """Plays to the end of the scene, ends Headrace, and compares."""
    with _performance(scene, show, keep_waits=True) as (player, watch):
        began = time.time()
        player.until(SNAPSHOT, lambda sight: sight.caught_up)
        snapshot_seconds = time.time() - began
        scene.feed.start()
        scene.trouble.start()
        player.until(STREAMING, lambda _: scene.feed.finished and scene.trouble.finished)
        last = player.until(CATCHING_UP, lambda sight: sight.caught_up and sight.known and scene.arrived())
        totals, absences = watch.totals, watch.absences
        trouble = Troubled(held=scene.trouble.held(), absences=absences, copies=last.copies)
    show(COMPARING, last)
    return Report(
        mode=mode,
        snapshot_rows=scene.snapshot_rows,
        changes=scene.feed.changes,
        seconds=totals.last - began,
        snapshot_seconds=snapshot_seconds,
        totals=totals,
        exact=last.committed == last.ended == last.applied,
        trouble=trouble,
        compared=compare.summary(list(scene.compare())),
    )
