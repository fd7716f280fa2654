"""How long the cluster has said nothing, and what to do about it."""

import time
from collections.abc import Callable
from threading import Thread

from confluent_kafka import KafkaException

# parts of the longest silence after which it is asked for a sign of life, again and again
_QUESTIONS = 3


class Silence:
    """Begins when it is made and whenever something is heard. Seconds of `clock`."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self.heard()

    def heard(self) -> None:
        """Something came from the cluster."""
        self._since = self._asked = self._clock()

    def to_ask(self) -> bool:
        """Whether it is time to ask for a sign of life; the next time comes a while later."""
        now = self._clock()
        if now - self._asked < self._longest / _QUESTIONS:
            return False
        self._asked = now
        return True

    def too_long(self) -> bool:
        """Whether nobody answers."""
        return self._clock() - self._since >= self._longest


class Question:
    """Asked on a thread of its own. `ask` ends by itself after some time; it raises when there was no answer."""

    def __init__(self, ask: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock, self._began = clock, clock()
        self._answered = False
        self._thread = Thread(target=self._run, name="kafka-question", daemon=True)
        self._thread.start()

    @property
    def answered(self) -> bool | None:
        """Whether there was an answer; None while it may come."""
        return None if self._thread.is_alive() else self._answered

    @property
    def age(self) -> float:
        """Seconds since it was asked."""
        return self._clock() - self._began

    def wait(self) -> None:
        """Return when it is over."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._ask()
            self._answered = True
        except KafkaException:
            self._answered = False
