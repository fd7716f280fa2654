"""Waiting in place for what time heals: the target is asked again, with backoff, until it answers."""

import math
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from consumer.core.backoff import Backoff
from consumer.core.failure import Failure, Transient, told
from consumer.core.healing import Act
from consumer.ports.facts import Failed, Healed, Route, Tell, untold
from consumer.ports.refusals import ConnectionLost
from consumer.ports.target import Breaker, Sink

log = structlog.get_logger("headrace.apply")

T = TypeVar("T")

_SPOILT = "target.session"
# what a server may run out of, and have again without anybody's telling us
_MISSED = frozenset({"target.resources"})

# seconds between log lines about waiting for the same
REMIND = 60.0


class Stopping(Exception):
    """The process was told to stop, so a wait was cut short."""


class Patience:
    """Asks the target until it answers. Belongs to the apply thread.

    `reopened`: the session is a new one, so nothing that was known of positions holds.
    """

    def __init__(self, sink: Sink, breaker: Breaker, backoff: Backoff) -> None:
        self._sink = sink
        self._breaker = breaker
        self._backoff = backoff
        self._failures = 0
        # sessions in a row that lost what they had prepared
        self._spoilt = 0
        # the kind that the log was last told of, and when it may be again
        self._said = ""
        self._say_again = 0.0
        self.reopened = False
        self.stopping = threading.Event()
        # the moment at which the process ends, whatever is in flight then (monotonic)
        self.until = math.inf
        # called whenever the thread shows that it lives
        self.beat: Callable[[], None] = lambda: None
        # told of what is waited for; set by whoever watches
        self.tell: Tell = untold

    @property
    def most(self) -> float:
        """The longest wait, in seconds."""
        return self._backoff.most

    def drain(self, until: float) -> None:
        """Wait for nothing any more, and begin nothing that is not over by then."""
        self.until = until
        self.stopping.set()

    def rewarded(self) -> None:
        """What was waited for has happened."""
        if self._said in _MISSED:
            self.tell(Healed(Act.RESOURCES_BACK, "target", f"{self._said}: it was asked until it had them"))
        self._failures = 0
        self._spoilt = 0
        self._said = ""
        self._breaker.answered()

    def open(self) -> None:
        """Have a new session, as soon as there can be one. Raises Persistent, Refused or Stopping."""
        while True:
            try:
                return self._breaker.ask(self._sink.open)
            except Transient as error:
                self.pause(error)

    def ask(self, question: Callable[[], T]) -> T:
        """The answer, once time has healed what was wrong. Raises Stopping when told to stop meanwhile."""
        while True:
            try:
                return question()
            except ConnectionLost as error:
                self.pause(error)
                self._open_anew(error)
            except Transient as error:
                self.pause(error)

    def reopen(self, error: ConnectionLost) -> None:
        """Have a session again. Raises Stopping."""
        log.warning("connection lost", **told(error.failure))
        self._breaker.failed(error.failure)
        self.tell(Failed(error.failure, Route.AGAIN))
        if error.failure.kind == _SPOILT:
            self._spoilt += 1
            # the first is made anew at once; if that does not help, not again and again without a pause
            if self._spoilt > 1 and self.stopping.wait(self._backoff.delay(self._spoilt, random.random())):
                raise Stopping from error
        self._open_anew(error)

    def _open_anew(self, error: ConnectionLost) -> None:
        self.open()
        self.reopened = True
        act = Act.SESSION_REBUILT if error.failure.kind == _SPOILT else Act.RECONNECTED
        self.tell(Healed(act, "target", error.failure.kind))

    def pause(self, error: Transient) -> None:
        """Wait once, longer after each failure. Raises Stopping."""
        self.beat()
        self._failures += 1
        self._breaker.failed(error.failure)
        self.tell(Failed(error.failure, Route.WAITED))
        self._say(error.failure)
        if self.stopping.wait(self._backoff.delay(self._failures, random.random())):
            raise Stopping from error

    def _say(self, failure: Failure) -> None:
        """At once what is new, then now and then."""
        now = time.monotonic()
        new = failure.kind != self._said or now >= self._say_again
        if new:
            self._said, self._say_again = failure.kind, now + REMIND
        say = log.warning if new else log.debug
        say("waiting", attempt=self._failures, **told(failure))
