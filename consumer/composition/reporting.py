"""A worker's report, from its parts, and what its commands do."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from consumer.applying.patience import Patience
from consumer.core.records import TopicPartition
from consumer.ports.presence import Board, HeldBack, Report
from consumer.ports.target import Breaker
from consumer.reading.handover import Handover


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a report is made of. `held`: assigned partitions; `opened`: it has a session.

    `resident`: bytes of memory. `leaving`: set when the worker is to leave. `metrics_port`: where its metrics are
    served. `flags_off`: the flags that are off, as far as was heard. `held_back`: what is not read under pressure.
    `reload`: reads the settings again, and says what came of it.
    """

    held: Callable[[], Collection[TopicPartition]]
    opened: Callable[[], bool]
    handover: Handover
    patience: Patience
    breakers: Sequence[Breaker]
    resident: Callable[[], int | None]
    leaving: threading.Event
    metrics_port: Callable[[], int | None] = lambda: None
    flags_off: Callable[[], Collection[str]] = tuple
    held_back: Callable[[], HeldBack | None] = lambda: None
    reload: Callable[[], str] = lambda: "nothing is read again here"

    def report(self, every: float) -> Report:
        """The worker as it is now; for any thread."""
        load = self.handover.load()
        return Report(
            state=self._state(),
            every=every,
            partitions=self.held(),
            batch=load.in_hand,
            queue_batches=load.batches,
            queue_bytes=load.size,
            rss_bytes=self.resident(),
            breakers=[breaker.status() for breaker in self.breakers],
            metrics_port=self.metrics_port(),
            flags_off=self.flags_off(),
            held_back=self.held_back(),
        )

    def actions(self, board: Board) -> Mapping[str, Callable[[str], str]]:
        """What commands do here, by their names: each says what came of it."""
        return {
            "reset breaker": self._reset,
            "take anew": lambda _: f"{board.take_anew()} partitions are taken anew",
            "drain": self._leave,
            "reload": lambda _: self.reload(),
        }

    def _state(self) -> str:
        if self.patience.stopping.is_set():
            return "draining"
        return "running" if self.opened() else "starting"

    def _leave(self, _: str) -> str:
        self.leaving.set()
        return "it leaves after the batch in hand"

    def _reset(self, name: str) -> str:
        known = [breaker for breaker in self.breakers if breaker.status().name == name]
        if not known:
            return f"there is no breaker {name}"
        asked = [breaker.ask_soon() for breaker in known]
        return "the next question is let through" if any(asked) else "it was closed"
