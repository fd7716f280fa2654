"""Records planned apart from a batch, as those of letters and what waits for them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from consumer.binding.binder import Binder
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, Persistent
from consumer.core.letters import Record
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.runs import Run, frame
from consumer.planning.planner import BadRecord, Planner
from consumer.planning.unbound import Unbound
from consumer.ports.bindings import Fetch


class NotPlanned(Persistent):
    """Records that can't be planned, and why; it says nothing of the others."""

    def __init__(self, failures: Mapping[RecordRef, Failure]) -> None:
        super().__init__(next(iter(failures.values())))
        self.failures = failures


def at_once(wanted: Mapping[BindingKey, Run]) -> Mapping[BindingKey, Failure]:
    """Whoever binds asks the registry: nothing is known to be missing before."""
    return {}


@dataclass(frozen=True, slots=True)
class Apart:
    """Plans records by themselves; `fetch` has the registry asked for schemas that are missing."""

    planner: Planner
    binder: Binder
    fetch: Fetch = at_once

    def plan(self, records: Sequence[Record]) -> Plan:
        """The plan of records, in the order of their offsets. Raises NotPlanned, DataFault, TableFault, Transient."""
        while True:
            try:
                return self.planner.plan(slices_of(records))
            except Unbound as unbound:
                self._bind(unbound, records)
            except BadRecord as bad:
                raise NotPlanned({bad.ref: bad.why}) from bad

    def _bind(self, unbound: Unbound, records: Sequence[Record]) -> None:
        if away := self.fetch(unbound.wanted):
            # the registry holds up only those that it is needed for
            why = next(iter(away.values()))
            raise NotPlanned(dict.fromkeys(_alike(records, [_first(unbound.wanted[key]) for key in away]), why))
        try:
            self.binder.bind(unbound.wanted, unbound.labels)
        except BadRecord as bad:
            raise NotPlanned(dict.fromkeys(_alike(records, [bad.ref]), bad.why)) from bad


def slices_of(records: Sequence[Record]) -> list[Slice]:
    """Records by their partitions, in the order of their offsets; they stand for no position."""
    partitions: dict[TopicPartition, list[Record]] = defaultdict(list)
    for record in records:
        partitions[record.ref.at].append(record)
    return [slice_of(sorted(own, key=lambda one: one.ref.offset)) for own in partitions.values()]


def slice_of(records: Sequence[Record]) -> Slice:
    """Records of one partition, in their order, that stand for no position."""
    at, first = records[0].ref
    headers = {record.ref.offset: record.headers for record in records}
    return Slice(
        at=at,
        epoch=0,
        start=first,
        end=records[-1].ref.offset + 1,
        offsets=[record.ref.offset for record in records],
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers=headers.__getitem__,
        size=sum(record.size for record in records),
    )


def _first(run: Run) -> RecordRef:
    return RecordRef(run.piece.at, run.piece.offsets[run.start])


def _alike(records: Sequence[Record], refs: Collection[RecordRef]) -> list[RecordRef]:
    """Those that are bound as these are."""
    keys = {_key(one) for one in records if one.ref in refs}
    return [one.ref for one in records if _key(one) in keys]


def _key(record: Record) -> BindingKey:
    """What a record is bound by, alone."""
    return BindingKey(record.ref.at.topic, frame(record.key), frame(record.value))
