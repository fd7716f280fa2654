"""The flags as a process has heard of them last. What was heard holds while the database is away."""

import threading
from collections.abc import Callable, Collection

import structlog

from consumer.core.flags import Flag

log = structlog.get_logger("headrace.worker")


class Heard:
    """Implements `consumer.core.flags.Switches`. `learn` is told by whoever looks; anybody asks."""

    def __init__(self) -> None:
        self._off: frozenset[Flag] = frozenset()
        self._known = threading.Event()
        self._learning = threading.Lock()
        self._heeds: dict[Flag, Callable[[], None]] = {}

    @property
    def off(self) -> frozenset[Flag]:
        """Those that are off."""
        return self._off

    def on(self, flag: Flag) -> bool:
        return flag not in self._off

    def known(self, timeout: float) -> bool:
        """Whether it is known by now which are off; waits at most so many seconds."""
        return self._known.wait(timeout)

    def heed(self, flag: Flag, act: Callable[[], None]) -> None:
        """Have something done each time that the flag is switched."""
        self._heeds[flag] = act

    def learn(self, off: Collection[Flag]) -> bool:
        """These are off, and no others; returns whether that is new."""
        with self._learning:
            switched = self._off ^ frozenset(off)
            self._off = frozenset(off)
            self._known.set()
        for flag in sorted(switched):
            log.info("flag switched", flag=flag.value, on=flag not in off)
            self._heeds.get(flag, _nothing)()
        return bool(switched)


def _nothing() -> None:
    """Whoever asks at each use need not be told."""
