"""The newest record of a topic, planned and forgotten: what `headrace doctor` hears of it."""

from dataclasses import dataclass

import pytest

from consumer.core.records import OffsetRange, RecordRef, Slice
from consumer.core.types import ColumnPolicy
from consumer.known import KnownBindings
from consumer.ports.topics import Traits
from consumer.trying import Trial
from tests.unit.avro import Writer, envelope, event, without_lsn
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.world import World

ORDERS = Topic([{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}])
TABLE = ORDERS.binding.table


@dataclass
class Log:
    """Implements what is asked of the origin, for one record."""

    piece: Slice

    def fetch(self, ref: RecordRef) -> None:
        return None

    def read(self, wanted: OffsetRange, most: int) -> Slice:
        return self.piece

    def close(self) -> None: ...


@pytest.mark.parametrize(("postgres", "unheeded"), [(True, []), (False, ["word"])])
def test_a_setting_that_is_not_heeded_is_told(postgres: bool, unheeded: list[str]) -> None:
    """What is said of doubtful nulls has no meaning for another database than PostgreSQL."""
    schema = envelope(ORDERS.fields)
    values = Writer(schema if postgres else without_lsn(schema))
    world = World({1: ORDERS.keys.text, 2: values.text}, lambda name: TABLE)
    world.topics[AT.topic] = Traits(compacted=False, partitions=1)
    world.columns = {"public.orders": {"word": ColumnPolicy(doubtful_nulls="reject")}}
    known = KnownBindings()
    row = {"id": 1, "word": "w"}
    log = Log(slice_of([(ORDERS.key(row), values.framed(2, event("c", None, row)))], 0))
    (fit,) = Trial(log, planner(known), world.binder(known), known).fits({AT: (0, 1)})

    assert (fit.table, fit.failure) == ("public.orders", None)
    assert list(fit.unheeded) == unheeded
