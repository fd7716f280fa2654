"""A breaker in front of a server: who asks one that is away gets the last failure at once.

pybreaker keeps state and count. It holds its lock while it calls, so nothing slow is called through it: questions
are asked beside it, and it is told how they ended.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import pybreaker
import structlog

from consumer.core.breaking import BreakerLimits, BreakerState, BreakerStatus, Said, said
from consumer.core.failure import Failure, HeadraceError, Transient, told
from consumer.core.healing import Act
from consumer.ports.facts import Healed, Tell, untold

log = structlog.get_logger("headrace.breaker")

T = TypeVar("T")

# seconds between lines about a server that stays away
_REMIND = 60.0


class CircuitBreaker:
    """Implements `consumer.ports.target.Breaker`; for any thread. `clock` gives seconds that never run back."""

    def __init__(
        self, name: str, limits: BreakerLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        limits = limits or BreakerLimits()
        self.name = name
        # told when it is back; set by whoever watches
        self.tell: Tell = untold
        self._reset = limits.reset
        self._clock = clock
        self._lock = threading.RLock()
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=limits.failures, listeners=[_Changes(self._changed)], throw_new_error_on_trip=False
        )
        self._probing = False
        self._last: Failure | None = None
        self._since = datetime.now(UTC)
        # by the clock: when it opened, when it may be asked again, when the log told of it
        self._opened = self._due = self._told = 0.0

    def ask(self, question: Callable[[], T]) -> T:
        probe = self._admit()
        try:
            answer = question()
        except HeadraceError as error:
            self.failed(error.failure)
            raise
        else:
            self.answered()
            return answer
        finally:
            if probe:
                self._probing = False

    def failed(self, failure: Failure) -> None:
        what = said(self.name, failure)
        if what is Said.ANSWERED:
            self.answered()
        elif what is Said.AWAY:
            self._count(failure)

    def answered(self) -> None:
        with self._lock:
            if self._state is BreakerState.OPEN:
                self._breaker.close()
            elif self._breaker.fail_counter or self._state is BreakerState.HALF_OPEN:
                self._breaker.call(lambda: None)

    def status(self) -> BreakerStatus:
        with self._lock:
            return BreakerStatus(
                name=self.name,
                state=self._state,
                since=self._since,
                failures=self._breaker.fail_counter,
                last=self._last,
            )

    def ask_soon(self) -> bool:
        with self._lock:
            self._due = self._clock()
            return self._state is not BreakerState.CLOSED

    def due(self) -> bool:
        with self._lock:
            waits = self._probing or self._clock() < self._due
            return self._state is not BreakerState.CLOSED and not waits

    @property
    def _state(self) -> BreakerState:
        return BreakerState(self._breaker.current_state)

    def _admit(self) -> bool:
        """Whether the caller asks to see if the server is back. Raises Transient when it is not to be asked."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return False
            assert self._last is not None, "a failure opened it"
            if not self.due():
                raise Transient(self._last)
            if self._state is BreakerState.OPEN:
                self._breaker.half_open()
            self._probing = True
            return True

    def _count(self, failure: Failure) -> None:
        with self._lock:
            # the same failure may be told by all whom it passes; what ends while it is open was asked before
            if failure is not self._last and self._state is not BreakerState.OPEN:
                self._last = failure
                with suppress(_Away):
                    self._breaker.call(_away)

    def _changed(self, old: str, new: str) -> None:
        now = self._clock()
        if new == BreakerState.OPEN:
            self._due = now + self._reset
            if old == BreakerState.CLOSED:
                self._opened = now
                self._since = datetime.now(UTC)
                self._say(now, "server is away")
            elif now - self._told >= _REMIND:
                self._say(now, "server is still away")
        elif new == BreakerState.CLOSED:
            self._since = datetime.now(UTC)
            log.info("server is back", server=self.name, away_seconds=round(now - self._opened, 1))
            last = self._last
            assert last is not None, "a failure opened it"
            self.tell(Healed(Act.SERVER_BACK, self.name, last.kind))

    def _say(self, now: float, event: str) -> None:
        self._told = now
        last = self._last
        assert last is not None, "a failure opened it"
        since = self._since.isoformat(timespec="seconds")
        log.warning(event, server=self.name, since=since, **told(last))


class _Away(Exception):
    """What pybreaker counts."""


def _away() -> None:
    raise _Away


class _Changes(pybreaker.CircuitBreakerListener):
    """Tells of changes of state, with both names."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell

    def state_change(self, _cb: Any, old_state: Any, new_state: Any) -> None:
        self._tell(old_state.name, new_state.name)
