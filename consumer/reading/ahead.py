"""Bindings that are made ahead of their batch: the reader says what it will need, a thread of its own makes it.

So a new table holds up neither reading nor applying. It alone waits for the registry, which may be slow to answer: the
apply thread has schemas asked for here, and holds up only what needs them.
"""

import contextvars
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from consumer.binding.binder import Binder
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.runs import Run
from consumer.planning.planner import BadRecord
from consumer.ports.refusals import DataFault, TableFault

AT_ONCE = 8
"""Most topics whose bindings one turn makes: each may take seconds, and only its end shows that the thread lives."""


class Ahead:
    """The bindings that are asked for and not made yet; bounded by the schemas that the topics have."""

    def __init__(self, binder: Binder, patience: float = 1.0) -> None:
        """`patience`: how many seconds the apply thread waits for schemas, once."""
        self._binder = binder
        self._patience = patience
        self._changed = threading.Condition()
        self._wanted: dict[BindingKey, Run] = {}
        self._making: Mapping[BindingKey, Run] = {}
        # of whoever asked last: what its log is bound to goes along
        self._asker: contextvars.Context | None = None
        # why they lack schemas: the registry has not given them, and nobody waits again; or nobody tells what was kept
        self._why: dict[BindingKey, Failure | DataFault | TableFault] = {}

    def want(self, key: BindingKey, run: Run) -> None:
        """Ask for a binding, with a run to learn from."""
        with self._changed:
            self._wanted[key] = run
            self._asker = contextvars.copy_context()
            self._changed.notify_all()

    def settled(self, timeout: float) -> bool:
        """Wait until nothing is asked for any more."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._wanted or self._making), timeout)

    def fetched(self, wanted: Mapping[BindingKey, Run]) -> Mapping[BindingKey, Failure]:
        """Have the registry asked for what runs lack; returns those that it does not give in time, and why.

        Raises DataFault, TableFault where the target refuses to tell what was kept of them.
        """
        lacking = self._binder.lacking(wanted)
        if not lacking:
            return {}
        with self._changed:
            new = [key for key in lacking if not isinstance(self._why.get(key), Failure)]
            # a batch stands for them, so they come first
            asked = {key: run for key, run in lacking.items() if key not in self._making}
            self._wanted = asked | {key: run for key, run in self._wanted.items() if key not in asked}
            self._asker = contextvars.copy_context()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(map(self._asked, new)), self._patience)
            self._why |= {key: _LATE for key in new if self._asked(key)}
            why = {key: self._why[key] for key in lacking if key in self._why}
        for fault in why.values():
            if not isinstance(fault, Failure):
                raise _anew(fault)
        return {key: away for key, away in why.items() if isinstance(away, Failure)}

    def turn(self, timeout: float) -> None:
        """Make some of what is asked for. What fails here fails again, and is judged, with the batch that needs it.

        Raises Persistent, Refused for what is no batch's: then nobody can go on.
        """
        wanted = self._next(timeout)
        if wanted:
            (self._asker or contextvars.copy_context()).run(self._make, wanted)

    def _make(self, wanted: Mapping[BindingKey, Run]) -> None:
        lacking: dict[BindingKey, Failure | DataFault | TableFault] = {}
        try:
            lacking = self._fetched(wanted)
            with suppress(BadRecord, Transient, DataFault, TableFault):
                self._binder.bind({key: run for key, run in wanted.items() if key not in lacking})
        finally:
            with self._changed:
                self._why = {key: why for key, why in self._why.items() if key not in wanted} | lacking
                self._making = {}
                self._changed.notify_all()

    def _fetched(self, wanted: Mapping[BindingKey, Run]) -> dict[BindingKey, Failure | DataFault | TableFault]:
        """Ask the registry; returns why runs still lack what it did not give."""
        why: Failure | DataFault | TableFault
        try:
            self._binder.fetch(wanted)
        except Transient as error:
            why = error.failure
        except (DataFault, TableFault) as error:
            why = _anew(error)
        else:
            return {}
        return dict.fromkeys(self._binder.lacking(wanted), why)

    def _next(self, timeout: float) -> Mapping[BindingKey, Run]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._wanted), timeout)
            # all of a topic together: how its keys look is told by those beside them
            topics = {key.topic for key in islice(self._wanted, AT_ONCE)}
            self._making = {key: run for key, run in self._wanted.items() if key.topic in topics}
            self._wanted = {key: run for key, run in self._wanted.items() if key.topic not in topics}
            return self._making

    def _asked(self, key: BindingKey) -> bool:
        return key in self._wanted or key in self._making


def _anew(fault: DataFault | TableFault) -> DataFault | TableFault:
    """The same for another thread, without the frames of this one, which hold records."""
    return type(fault)(fault.failure, fault.table)


_LATE = failed(KINDS["registry.away"], "binder", "get schema", "the registry has not answered yet")
