"""Planning a batch on the apply thread: bindings that are missing are made, and what can't be read yet waits."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from consumer.applying.cuts import Step, in_front
from consumer.binding.binder import Binder
from consumer.core.plan import Plan
from consumer.planning.planner import BadRecord, Planner
from consumer.planning.unbound import Unbound
from consumer.ports.bindings import Fetch
from consumer.reading.handover import Later, Work

# seconds until a schema is asked for again that the registry did not give
_UNREADY = 3.0


class Instead(Exception):
    """What is to be done instead of the batch, in order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(f"{len(steps)} steps")
        self.steps = steps


def planned(
    work: Work, planner: Planner, binder: Binder, fetch: Fetch, beat: Callable[[], None] = lambda: None
) -> Plan:
    """The plan of a batch; `beat` is called now and then, since many bindings may have to be made.

    Raises Instead, DataFault, TableFault, and Transient while the target, Kafka or the registry is away.
    """
    while True:
        try:
            return planner.plan(work.slices, work.refused, work.rowless)
        except BadRecord as bad:
            raise Instead(in_front(work, bad)) from bad
        except Unbound as unbound:
            if away := fetch(unbound.wanted):
                # the registry holds up only what it is needed for
                waits = {unbound.wanted[key].piece.at: why for key, why in away.items()}
                later = [Later(at, _UNREADY, why) for at, why in waits.items()]
                raise Instead([*later, replace(work, plan=None)]) from unbound
            _bind(binder, unbound, work, beat)


def _bind(binder: Binder, unbound: Unbound, work: Work, beat: Callable[[], None]) -> None:
    try:
        binder.bind(unbound.wanted, unbound.labels, beat)
    except BadRecord as bad:
        raise Instead(in_front(work, bad)) from bad
