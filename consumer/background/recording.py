"""Acts of self-healing are logged and kept: heard at once, written by a thread of its own, so that nobody waits."""

import threading
import time
from collections import Counter

import structlog

from consumer.core.failure import HeadraceError, told
from consumer.ports.facts import Fact, Healed
from consumer.ports.healing import HealingRecord

log = structlog.get_logger("headrace.healing")

# different acts that are kept while they can't be written
MOST = 1_000
# seconds after a failure, and between prunings
_AGAIN, _PRUNE_EVERY = 2.0, 3600.0


class Recorder:
    """Hears facts on any thread (`tell`); `turn` is called in a loop by one. What is too much is counted in the log."""

    def __init__(self, record: HealingRecord, keep_hours: float) -> None:
        self._record = record
        self._keep_hours = keep_hours
        self._heard = threading.Condition()
        self._acts: Counter[Healed] = Counter()
        self._dropped = 0
        self._next_try = 0.0
        self._next_prune = time.monotonic() + _PRUNE_EVERY

    def tell(self, fact: Fact) -> None:
        """Note what was put right."""
        if not isinstance(fact, Healed):
            return
        log.info("healed", act=fact.act.value, subject=fact.subject, detail=fact.detail)
        with self._heard:
            if fact in self._acts or len(self._acts) < MOST:
                self._acts[fact] += 1
            else:
                self._dropped += 1
            self._heard.notify_all()

    def turn(self, timeout: float) -> None:
        """Write down what was heard, if the target takes it."""
        with self._heard:
            self._heard.wait_for(lambda: self._due(), timeout)
            acts = self._acts if self._due() else Counter()
            if acts:
                self._acts = Counter()
        if acts:
            self._write(acts)
        elif time.monotonic() >= self._next_prune:
            self._prune()

    def close(self) -> None:
        """Write down what is left, once."""
        self._next_try = 0.0
        self.turn(0.0)

    def _due(self) -> bool:
        return bool(self._acts) and time.monotonic() >= self._next_try

    def _write(self, acts: Counter[Healed]) -> None:
        try:
            self._record.keep(acts)
        except HeadraceError as error:
            self._next_try = time.monotonic() + _AGAIN
            log.debug("what was put right is kept later", **told(error.failure))
            with self._heard:
                self._acts = acts + self._acts
            return
        if self._dropped:
            log.warning("not all that was put right is kept", count=self._dropped)
            self._dropped = 0

    def _prune(self) -> None:
        self._next_prune = time.monotonic() + _PRUNE_EVERY
        try:
            self._record.prune(self._keep_hours)
        except HeadraceError as error:
            log.debug("what was put right is pruned later", **told(error.failure))
