"""Planning a batch on the apply thread: bindings that are missing are made, and what can't be read yet waits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from consumer.binder import Binder
from consumer.core.failure import Failure, Transient
from consumer.core.plan import BindingKey, Plan, Run
from consumer.core.records import TopicPartition
from consumer.cuts import Step, in_front
from consumer.handover import Later, Work
from consumer.planner import BadRecord, Planner, Unbound

# seconds until a schema is asked for again that the registry did not give
_UNREADY = 3.0


class Instead(Exception):
    """What is to be done instead of the batch, in order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(f"{len(steps)} steps")
        self.steps = steps


def planned(work: Work, planner: Planner, binder: Binder) -> Plan:
    """The plan of a batch. Raises Instead, DataFault, and Transient while the target or Kafka is away."""
    while True:
        try:
            return planner.plan(work.slices, work.refused)
        except BadRecord as bad:
            raise Instead(in_front(work, bad)) from bad
        except Unbound as unbound:
            waits = _bound(binder, unbound, work)
        if waits:
            # the registry holds up only what it is needed for
            later = [Later(at, _UNREADY, why) for at, why in waits.items()]
            raise Instead([*later, replace(work, plan=None)])


def _bound(binder: Binder, unbound: Unbound, work: Work) -> dict[TopicPartition, Failure]:
    """Make bindings; returns the partitions of those that the registry does not give the schemas for."""
    try:
        binder.bind(unbound.wanted, unbound.labels)
    except BadRecord as bad:
        raise Instead(in_front(work, bad)) from bad
    except Transient as error:
        if not _is_registrys(error):
            raise
        return dict(_unready(binder, unbound.wanted))
    return {}


def _unready(binder: Binder, wanted: Mapping[BindingKey, Run]) -> Iterator[tuple[TopicPartition, Failure]]:
    for key, run in wanted.items():
        try:
            binder.bind({key: run})
        except Transient as error:
            if not _is_registrys(error):
                raise
            yield run.piece.at, error.failure


def _is_registrys(error: Transient) -> bool:
    return error.failure.kind.startswith("registry.")
