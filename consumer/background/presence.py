"""The worker says how it is, and does what it is told, on a thread of its own: nothing here holds batches up.

What was decided is seen by looking, with each report; a notification only makes that sooner.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from consumer.background.cadence import Failing
from consumer.core.failure import HeadraceError
from consumer.core.flags import Flag
from consumer.ports.facts import Tell, untold
from consumer.ports.presence import Board, Report, Told

log = structlog.get_logger("headrace.worker")

PRUNE_EVERY = 60.0
# seconds after a failure
AGAIN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`look`: tells those who act on decisions. `actions`: what commands do, by name: to what, and what came of it.

    `learn`: is told which flags are off, and says whether that is new. `keep_hours`: how long workers that are gone,
    and commands, are remembered. `reloads`: when settings were read again because of a signal, and what came of it.
    """

    look: Callable[[], None]
    actions: Mapping[str, Callable[[str], str]]
    learn: Callable[[Collection[Flag]], bool]
    keep_hours: float
    reloads: deque[tuple[float, str]] = field(default_factory=deque)


class Presence:
    """Owns the board's session. `turn` is called in a loop by one thread."""

    def __init__(self, board: Board, report: Callable[[], Report], telling: Telling) -> None:
        self._board = board
        self._report = report
        self._telling = telling
        self._next_report = 0.0
        self._next_prune = 0.0
        self._next_trial = 0.0
        self._failing = Failing(log, "the worker can't report itself")
        self._idle = threading.Event()
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Report when it is time to, and look for what was decided; else listen."""
        if time.monotonic() < self._next_trial:
            self._idle.wait(timeout)
            return
        try:
            heard = self._board.heard(timeout)
            due = time.monotonic() >= self._next_report
            switched = (heard or due) and self._look()
            # people who switch something want to see that it is heeded
            if due or switched:
                self._say()
        except HeadraceError as error:
            self._next_trial = time.monotonic() + AGAIN
            self._failing.failed(error, self.tell)
        else:
            self._failing.over()

    def close(self) -> None:
        """Leave in order."""
        with suppress(HeadraceError):
            self._board.leave()
        self._board.close()

    def _look(self) -> bool:
        """Look for what was decided; returns whether flags were switched."""
        switched = self._telling.learn(self._board.flags_off())
        if self._board.wanted():
            self._telling.look()
        for order in self._board.commands():
            self._board.answer(order.id, self._carried_out(order))
        while self._telling.reloads:
            at, outcome = self._telling.reloads[0]
            self._board.reloaded(time.monotonic() - at, outcome)
            self._telling.reloads.popleft()
        return switched

    def _carried_out(self, order: Told) -> str:
        outcome = self._telling.actions[order.action](order.subject)
        log.info("command carried out", command=order.id, action=order.action, subject=order.subject, outcome=outcome)
        return outcome

    def _say(self) -> None:
        report = self._report()
        self._board.report(report)
        now = time.monotonic()
        self._next_report = now + report.every
        if now >= self._next_prune:
            self._next_prune = now + PRUNE_EVERY
            self._board.prune(self._telling.keep_hours)
