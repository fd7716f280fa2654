"""A steady load on both tables: few enough records that the model of an hour fits in memory."""

import random
import threading
from types import TracebackType

from tests.real.engine.feed import Feed

_PAUSE = 0.1
_ONCE, _CHURN = 4, 6
_KEYS = 200


class SteadyLoad:
    """Feeds until the context is left; then everything is in the topics."""

    def __init__(self, once: Feed, churn: Feed, seed: int) -> None:
        self._once, self._churn = once, churn
        self._chance = random.Random(seed)
        self._alive: set[int] = set()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "SteadyLoad":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(90)
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stop.wait(_PAUSE):
                self._once.create(_ONCE)
                for _ in range(_CHURN):
                    self._change()
                self._churn.flush()
        # a thread's failure is the soak's; it is raised where the context ends
        except BaseException as error:  # noqa: BLE001
            self._failure = error

    def _change(self) -> None:
        key = self._chance.randrange(1, _KEYS + 1)
        if key in self._alive and self._chance.random() < 0.3:
            self._alive.discard(key)
            self._churn.send("d", key)
            return
        op = "u" if key in self._alive else "c"
        self._churn.send(op, key, f"{self._chance.getrandbits(40):x}", self._chance.randrange(1_000_000))
        self._alive.add(key)
