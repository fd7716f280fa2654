"""Changes that keep coming from a thread of their own while something breaks."""

import time

from consumer.bench.repeating import Repeating

from .feed import Feed

_PAUSE = 0.02


class Load(Repeating):
    """Feeds both tables in small steps until the context is left; then everything is in the topics."""

    def __init__(self, once: Feed, churn: Feed, seed: int) -> None:
        super().__init__(_PAUSE)
        self._feeds = once, churn
        for feed in self._feeds:
            feed.insist()
        self._step = seed
        print(f"load seed {seed}")

    @property
    def fed(self) -> int:
        """Rows of the once-table so far."""
        return self._feeds[0].last

    def turn(self) -> None:
        """Feed some of both."""
        once, churn = self._feeds
        self._step += 1
        once.create(20)
        churn.churn(20, seed=self._step)


def random_seed() -> int:
    """A seed that differs from run to run; the load prints it."""
    return time.time_ns() % 1_000_000
