"""Bindings that are made ahead of their batch: the reader says what it will need, a thread of its own makes it.

So a new table, or a registry that is slow to answer, holds up neither reading nor applying.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress

from consumer.binder import Binder
from consumer.core.failure import Transient
from consumer.core.plan import BindingKey, Run
from consumer.planner import BadRecord


class Ahead:
    """The bindings that are asked for and not made yet; bounded by the schemas that the topics have."""

    def __init__(self, binder: Binder) -> None:
        self._binder = binder
        self._changed = threading.Condition()
        self._wanted: dict[BindingKey, Run] = {}
        self._making = False

    def want(self, key: BindingKey, run: Run) -> None:
        """Ask for a binding, with a run to learn from."""
        with self._changed:
            self._wanted[key] = run
            self._changed.notify_all()

    def settled(self, timeout: float) -> bool:
        """Wait until nothing is asked for any more."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._wanted or self._making), timeout)

    def turn(self, timeout: float) -> None:
        """Make what is asked for. What fails here fails again, and is judged, with the batch that needs it."""
        wanted = self._next(timeout)
        if not wanted:
            return
        try:
            with suppress(BadRecord, Transient):
                self._binder.bind(wanted)
        finally:
            with self._changed:
                self._making = False
                self._changed.notify_all()

    def _next(self, timeout: float) -> Mapping[BindingKey, Run]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._wanted), timeout)
            wanted, self._wanted = self._wanted, {}
            self._making = bool(wanted)
            return wanted
