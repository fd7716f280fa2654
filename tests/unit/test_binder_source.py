"""Which table a topic's source block names, without any server."""

from typing import Any

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.runs import Run
from consumer.core.target import TableName, TargetColumn, TargetTable
from consumer.ports.topics import Traits
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.known import slice_of
from tests.unit.world import World

FIELDS = [{"name": "id", "type": "long"}, {"name": "source_schema", "type": "string"}]
ROW = {"id": 1, "source_schema": "row"}


def any_table(name: TableName) -> TargetTable:
    """Any table has the topic's columns."""
    columns = (("id", "int8"), ("source_schema", "text"))
    targets = tuple(TargetColumn(name=column, type_name=kind, cast=kind) for column, kind in columns)
    return TargetTable(name=name, columns=targets, unique=(frozenset({"id"}),))


@pytest.mark.parametrize(
    ("parts", "table"),
    [
        (("db", "schema", "table"), TableName("public", "orders")),
        pytest.param(("db", "table"), TableName("shop", "orders"), id="a column of the row is no part of the source"),
    ],
)
def test_the_source_block_names_the_table(parts: tuple[str, ...], table: TableName) -> None:
    """Sources without schemas give their database."""
    schema: Any = envelope(FIELDS)
    source = schema["fields"][2]["type"]
    kept = [part for part in source["fields"] if part["name"] in parts]
    schema["fields"][2] = {"name": "source", "type": {**source, "fields": kept}}
    values, keys = Writer(schema), Writer(key(FIELDS[:1]))
    piece = slice_of([(keys.framed(1, {"id": 1}), values.framed(2, event("c", None, ROW)))])
    traits = {piece.at.topic: Traits(compacted=False, partitions=1)}
    world, known = World({1: keys.text, 2: values.text}, any_table, traits), KnownBindings()
    wanted = BindingKey(piece.at.topic, b"\x00\x00\x00\x00\x01", b"\x00\x00\x00\x00\x02")
    run = Run(piece=piece, start=0, end=1, key_frame=wanted.key_frame, value_frame=wanted.value_frame)
    world.binder(known).bind({wanted: run})
    binding = known.find(wanted)

    assert binding is not None
    assert binding.table is not None
    assert binding.table.name == table
