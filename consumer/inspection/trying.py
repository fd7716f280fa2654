"""Newest records of topics, planned as a worker would plan them and then forgotten: what would become of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.applying.apart import Apart, NotPlanned, slice_of
from consumer.binding.binder import Binder
from consumer.binding.known import KnownBindings
from consumer.core.binding import Binding, BindingKey, Evolution
from consumer.core.created import created_types
from consumer.core.doctor.tables import Fit, Lacking
from consumer.core.failure import Failure
from consumer.core.failure_kind import Scope
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.plan import Plan
from consumer.core.records import OffsetRange, RecordRef, Slice, TopicPartition
from consumer.planning.planner import Planner
from consumer.ports.refusals import DataFault
from consumer.ports.topics import Origins

# offsets at a log's end in which a record with a value is looked for: tombstones and markers lie there too
_TAIL = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """Implements `consumer.ports.examining.Trying`, once. The binder claims and keeps nothing."""

    origins: Origins
    planner: Planner
    binder: Binder
    known: KnownBindings

    def fits(self, ends: Mapping[TopicPartition, tuple[int, int]]) -> list[Fit]:
        by_topic: dict[str, list[tuple[TopicPartition, tuple[int, int]]]] = defaultdict(list)
        for at, reach in sorted(ends.items()):
            by_topic[at.topic].append((at, reach))
        return [self._fit(topic, parts) for topic, parts in by_topic.items()]

    def _fit(self, topic: str, parts: Sequence[tuple[TopicPartition, tuple[int, int]]]) -> Fit:
        record = next((found for at, (start, end) in parts if (found := self._newest(at, start, end))), None)
        if record is None:
            return Fit(topic=topic, read=False)
        try:
            plan = Apart(self.planner, self.binder).plan([record])
        except NotPlanned as error:
            return _refused(topic, error.failures[record.ref])
        except DataFault as fault:
            return _refused(topic, fault.failure)
        if plan.letters:
            return _refused(topic, plan.letters[0].failure)
        return Fit(
            topic=topic,
            table=str(plan.writes[0].table) if plan.writes else "",
            steps=[line for evolution in plan.evolutions for line in evolution.sql],
            lacking=self._lacking(record, plan),
        )

    def _newest(self, at: TopicPartition, start: int, end: int) -> Record | None:
        first = max(start, end - _TAIL)
        if first >= end:
            return None
        piece = self.origins.read(OffsetRange(at, first, end), _TAIL)
        return None if piece is None else _last(piece)

    def _lacking(self, record: Record, plan: Plan) -> list[Lacking]:
        (run,) = self.planner.runs(slice_of([record]))
        binding = self.known.find(BindingKey(record.ref.at.topic, run.key_frame, run.value_frame))
        if binding is None:
            return []
        return [each for evolution in plan.evolutions for each in _of_columns(evolution, binding)]


def _last(piece: Slice) -> Record | None:
    """The last record that has a value."""
    for place in reversed(range(len(piece))):
        if piece.values[place] is not None:
            offset = piece.offsets[place]
            return Record(
                ref=RecordRef(piece.at, offset),
                key=piece.keys[place],
                value=piece.values[place],
                headers=tuple(piece.headers(offset)),
            )
    return None


def _refused(topic: str, failure: Failure) -> Fit:
    return Fit(topic=topic, failure=failure, stops=KINDS[failure.kind].scope is not Scope.RECORD)


def _of_columns(evolution: Evolution, binding: Binding) -> list[Lacking]:
    """Columns that are made of another type than they would have with an extension."""
    there = {column.name for column in evolution.before.columns} if evolution.before else set()
    found = []
    for column in binding.columns:
        name, wanted, *others = column.target.name, *created_types(column.source, column.how.policy)
        gets = column.target.cast
        if name not in there and others and gets.rpartition(".")[2] != wanted:
            found.append(Lacking(column=name, wanted=wanted, gets=gets))
    return found
