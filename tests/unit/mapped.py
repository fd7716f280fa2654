"""A topic of people whose table is mapped, and a transform that joins their names."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from consumer.binding.known import KnownBindings
from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.binding import Binding, BindingKey
from consumer.core.failure import Failure
from consumer.core.plan import Plan
from consumer.core.runs import runs
from consumer.core.target import TargetColumn, TargetTable
from consumer.core.writes import TableWrite
from consumer.planning.planner import BadRecord
from consumer.planning.unbound import Unbound
from consumer.ports.topics import Traits
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.world import World

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "first", "type": ["null", "string"], "default": None},
    {"name": "last", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]
PEOPLE = Topic(FIELDS)
assert PEOPLE.binding.table is not None
NAME = PEOPLE.binding.table.name
LEFT_OUT = "__debezium_unavailable_value"
KEY = b"0123456789abcdef"


def row(number: int, first: str | None = "Ada", last: str | None = "Byron", n: int | None = 1) -> dict[str, Any]:
    """A row."""
    return {"id": number, "first": first, "last": last, "n": n}


def table(*names: str, key: str = "id", **types: str) -> TargetTable:
    """A table of these columns, texts unless said otherwise."""
    kinds = {name: types.get(name, "int8" if name == key else "text") for name in names}
    columns = tuple(TargetColumn(name=name, type_name=kind, cast=kind) for name, kind in kinds.items())
    return TargetTable(name=NAME, columns=columns, unique=(frozenset({key}),))


def mapping(**said: Any) -> TableMapping:
    """A mapping, with these columns' own under `columns`."""
    columns = {name: ColumnMapping(**each) for name, each in said.pop("columns", {}).items()}
    return TableMapping(columns=columns, key=KEY, **said)


class Mapped:
    """A topic whose table is to be mapped so."""

    def __init__(self, wanted: TableMapping, target: TargetTable | None, **world: Any) -> None:
        self.world = World({1: PEOPLE.keys.text, 2: PEOPLE.values.text}, lambda name: target, **world)
        self.world.topics[AT.topic] = Traits(compacted=True, partitions=3)
        self.world.mappings = {str(NAME): wanted}
        self.known = KnownBindings()
        self.binder = self.world.binder(self.known)

    def plan(self, *records: tuple[bytes, bytes | None]) -> Plan:
        """The plan of a slice."""
        while True:
            try:
                return planner(self.known).plan([slice_of(records)])
            except Unbound as unbound:
                self.binder.bind(unbound.wanted)

    def binding(self) -> Binding:
        """The binding that was made."""
        (run,) = runs(slice_of([PEOPLE.record("c", row(1))]))
        binding = self.known.find(BindingKey(AT.topic, run.key_frame, run.value_frame))
        assert binding is not None
        return binding

    def refusal(self) -> Failure:
        """Why a record can't be bound."""
        with pytest.raises(BadRecord) as caught:
            self.plan(PEOPLE.record("c", row(1)))
        return caught.value.failure


def names(write: TableWrite) -> list[str]:
    """The columns that a write has."""
    return [column.name for column in write.columns]


def frame(wanted: TableMapping, target: TargetTable, *rows: Mapping[str, Any]) -> pl.DataFrame:
    """The shaped image of rows, whose columns are by the source's names."""
    mapped = Mapped(wanted, target)
    mapped.plan(*(PEOPLE.record("c", each) for each in rows))
    binding = mapped.binding()
    image = pl.DataFrame(list(rows), schema={"id": pl.Int64, "first": pl.String, "last": pl.String, "n": pl.Int32})
    assert binding.shape is not None
    return binding.shape.of(image, (), ()).frame


class Whole:
    """Joins two columns into one, and doubles a number."""

    made_from: Mapping[str, tuple[str, ...]] = {"name": ("first", "last"), "n": ("n",)}

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Without the two."""
        name = (pl.col("first") + " " + pl.col("last")).alias("name")
        return rows.with_columns(name, pl.col("n") * 2).drop("first", "last")


PERSON = table("id", "name", "n", n="int4")
FULL = table("id", "first", "last", "n", n="int4")
