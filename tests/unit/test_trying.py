"""The newest record of a topic, planned and forgotten: what `headrace doctor` hears of it."""

from dataclasses import dataclass, replace

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.doctor.tables import Fit
from consumer.core.records import OffsetRange, RecordRef, Slice
from consumer.core.target import TargetTable
from consumer.core.types import ColumnPolicy
from consumer.inspection.trying import Trial
from consumer.ports.topics import Traits
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


def tried(table: TargetTable | None = TABLE, *, postgres: bool = True) -> Fit:
    """What is heard of a topic whose column `word` has doubtful nulls."""
    schema = envelope(ORDERS.fields)
    values = Writer(schema if postgres else without_lsn(schema))
    world = World({1: ORDERS.keys.text, 2: values.text}, lambda name: table)
    world.topics[AT.topic] = Traits(compacted=False, partitions=1)
    world.columns = {"public.orders": {"word": ColumnPolicy(doubtful_nulls="reject")}}
    known = KnownBindings()
    row = {"id": 1, "word": "w"}
    log = Log(slice_of([(ORDERS.key(row), values.framed(2, event("c", None, row)))], 0))
    (fit,) = Trial(log, planner(known), world.binder(known), known).fits({AT: (0, 1)})
    return fit


@pytest.mark.parametrize(("postgres", "unheeded"), [(True, []), (False, ["word"])])
def test_a_setting_that_is_not_heeded_is_told(postgres: bool, unheeded: list[str]) -> None:
    """What is said of doubtful nulls has no meaning for another database than PostgreSQL."""
    fit = tried(postgres=postgres)

    assert (fit.table, fit.failure) == ("public.orders", None)
    assert list(fit.unheeded) == unheeded


def test_a_column_that_must_be_read_and_may_not_be_is_told() -> None:
    """Before the first update that would need it."""
    assert TABLE is not None
    columns = [replace(c, lacks=frozenset({"SELECT"})) if c.name == "word" else c for c in TABLE.columns]
    fit = tried(replace(TABLE, columns=tuple(columns)))

    assert fit.stops
    assert fit.failure is not None
    assert (fit.failure.kind, "SELECT of 'word'" in fit.failure.detail) == ("table.privilege", True)
