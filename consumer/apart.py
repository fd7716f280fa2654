"""Records planned apart from a batch, as that of a letter and what waits for it."""

from collections.abc import Sequence

from consumer.binder import Binder
from consumer.core.letters import Record
from consumer.core.plan import Plan
from consumer.core.records import Slice
from consumer.planner import BadRecord, Planner, Unbound
from consumer.ports.refusals import TableFault


def planned(planner: Planner, binder: Binder, records: Sequence[Record]) -> Plan:
    """The plan of records of one partition, by what its table is now. Raises DataFault, TableFault, Transient."""
    piece = slice_of(records)
    # what was wrong may be right now
    binder.forget_topic(piece.at.topic)
    while True:
        try:
            return planner.plan([piece])
        except Unbound as unbound:
            _bind(binder, unbound)
        except BadRecord as bad:
            raise TableFault(bad.failure, None) from bad


def _bind(binder: Binder, unbound: Unbound) -> None:
    try:
        binder.bind(unbound.wanted, unbound.labels)
    except BadRecord as bad:
        raise TableFault(bad.failure, None) from bad


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
