"""Changes that keep coming from a thread of their own while something breaks."""

import threading
import time
from types import TracebackType

from .feed import Feed

_PAUSE = 0.02


class Load:
    """Feeds both tables in small steps until the context is left; then everything is in the topics."""

    def __init__(self, once: Feed, churn: Feed, seed: int) -> None:
        self._feeds = once, churn
        self._seed = seed
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        print(f"load seed {self._seed}")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(60)
        if self._failure is not None and error is None:
            raise self._failure
        print(f"load ended: {self._failure!r}")

    @property
    def fed(self) -> int:
        """Rows of the once-table so far."""
        return self._feeds[0].last

    def _run(self) -> None:
        once, churn = self._feeds
        step = self._seed
        try:
            while not self._stop.wait(_PAUSE):
                step += 1
                once.create(20)
                churn.churn(20, seed=step)
        # a thread's failure is the test's failure; it is raised where the context ends
        except BaseException as error:  # noqa: BLE001
            self._failure = error


def random_seed() -> int:
    """A seed that differs from run to run; the load prints it."""
    return time.time_ns() % 1_000_000
