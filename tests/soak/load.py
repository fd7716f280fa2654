"""A steady load on both tables: few enough records that the model of an hour fits in memory."""

import random

from consumer.bench.repeating import Repeating
from tests.real.engine.feed import Feed

_PAUSE = 0.1
_ONCE, _CHURN = 4, 6
_KEYS = 200


class SteadyLoad(Repeating):
    """Feeds until the context is left; then everything is in the topics."""

    def __init__(self, once: Feed, churn: Feed, seed: int) -> None:
        super().__init__(_PAUSE)
        self._once, self._churn = once, churn
        self._chance = random.Random(seed)
        self._alive: set[int] = set()

    def turn(self) -> None:
        """Feed some of both."""
        self._once.create(_ONCE)
        for _ in range(_CHURN):
            self._change()
        self._churn.flush()

    def _change(self) -> None:
        key = self._chance.randrange(1, _KEYS + 1)
        if key in self._alive and self._chance.random() < 0.3:
            self._alive.discard(key)
            self._churn.send("d", key)
            return
        op = "u" if key in self._alive else "c"
        self._churn.send(op, key, f"{self._chance.getrandbits(40):x}", self._chance.randrange(1_000_000))
        self._alive.add(key)
