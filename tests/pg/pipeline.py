"""A topic on its way into a table that the program itself finds or makes; only registry and topics are a test's."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.core.failure import Failure
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.rows import RowDecoder
from consumer.planning.unbound import Unbound
from consumer.ports.refusals import Reconsider
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.known import planner, slice_of
from tests.unit.world import World

NUMBERS = count()
Change = tuple[str, Mapping[str, Any]]


class Pipeline:
    """One topic of the table `orders` at the source, which is `orders` of a schema at the target."""

    def __init__(
        self,
        sink: PostgresSink,
        catalog: PostgresCatalog,
        schema: str,
        fields: Sequence[Mapping[str, Any]],
        *,
        compacted: bool = False,
        **settings: Any,
    ) -> None:
        self.at = TopicPartition(f"pipeline-{next(NUMBERS)}", 0)
        self.table = TableName(schema, "orders")
        self._sink = sink
        self.values, self.keys = Writer(envelope(fields)), Writer(key(fields[:1]))
        self._identity = str(fields[0]["name"])
        # what is kept of its schemas is this registry's
        world = World({1: self.keys.text, 2: self.values.text}, lambda name: None, address=self.at.topic)
        world.topics[self.at.topic] = Traits(compacted=compacted, partitions=1)
        self.known = KnownBindings()
        sources = Sources(registry=world, catalog=catalog, offsets=world, rows=RowDecoder())
        self.binder = Binder(self.known, sources, BinderSettings(template=f"{schema}.{{table}}", **settings))
        self.planner = planner(self.known)
        self.next_offset = sink.take({self.at: Start(offset=0)})[0].next_offset

    def record(self, op: str, row: Mapping[str, Any]) -> tuple[bytes, bytes | None]:
        """Key and value of a change; `t` is a tombstone."""
        identity = self.keys.framed(1, {self._identity: row[self._identity]})
        if op == "t":
            return identity, None
        return identity, self.values.framed(2, event(op, *((row, None) if op == "d" else (None, row))))

    def plan(self, *changes: Change, refused: Mapping[RecordRef, Failure] | None = None) -> Plan:
        """A plan for these changes behind what was applied before. Raises BadRecord where they can't be bound."""
        piece = slice_of([self.record(*change) for change in changes], self.next_offset, self.at)
        while True:
            try:
                return self.planner.plan([piece], refused)
            except Unbound as unbound:
                self.binder.bind(unbound.wanted)

    def apply(self, *changes: Change) -> Plan:
        """Apply changes in one batch, as often planned anew as the sink asks for it."""
        refused: dict[RecordRef, Failure] = {}
        while True:
            plan = self.plan(*changes, refused=refused)
            try:
                self._sink.apply(plan)
            except Reconsider as found:
                refused = {ref: why for ref, why in {**refused, **found.refused}.items() if ref not in found.freed}
                continue
            self.next_offset = plan.slices[0].end
            return plan
