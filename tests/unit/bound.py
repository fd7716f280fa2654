"""A binder in a world with one topic, and the topic's records."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.binding import Binding, BindingKey
from consumer.core.failure import Failure
from consumer.core.records import TopicPartition
from consumer.core.runs import Run, runs
from consumer.core.target import TableName, TargetTable
from consumer.planning.planner import BadRecord
from consumer.ports.topics import Traits
from tests.unit.known import AT, Topic, slice_of
from tests.unit.world import World

FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
ORDERS = Topic(FIELDS)
ROW = {"id": 1, "word": "w"}
CHANGE, TOMBSTONE = ORDERS.record("c", ROW), (ORDERS.key(ROW), None)
TABLE = ORDERS.binding.table
assert TABLE is not None
UNINDEXED = replace(TABLE, unique=(frozenset({"word"}), frozenset({"id", "word"})))
SOURCE = {"db": "shop", "schema": "public", "table": "orders"}


class Bound:
    """A binder in a world with one topic."""

    def __init__(self, table: TargetTable | None = TABLE, partitions: int = 1, compacted: bool = False) -> None:
        self.table = table
        self.world = World({1: ORDERS.keys.text, 2: ORDERS.values.text}, self.named)
        self.world.topics[AT.topic] = Traits(compacted=compacted, partitions=partitions)
        self.start()

    def start(self) -> None:
        """A new worker."""
        self.known = KnownBindings()
        self.binder = self.world.binder(self.known)

    def named(self, name: TableName) -> TargetTable | None:
        """The one table."""
        return self.table if self.table and self.table.name == name else None

    def bind(self, *records: tuple[bytes | None, bytes | None]) -> Binding:
        """The binding of a slice of one run."""
        (key, run) = wanted(records)
        self.binder.bind({key: run})
        binding = self.known.find(key)
        assert binding is not None
        return binding

    def refusal(self, *records: tuple[bytes | None, bytes | None]) -> Failure:
        """Why there is none."""
        with pytest.raises(BadRecord) as caught:
            self.bind(*records)
        return caught.value.failure


def wanted(records: Sequence[tuple[bytes | None, bytes | None]], at: TopicPartition = AT) -> tuple[BindingKey, Run]:
    """What the planner asks for."""
    (run,) = runs(slice_of(records, at=at))
    return BindingKey(at.topic, run.key_frame, run.value_frame), run
