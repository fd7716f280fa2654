"""Bindings of tables with a version column, which guards their rows."""

from dataclasses import replace

import pytest

from consumer.core.target import TargetColumn, TargetTable
from tests.unit.avro import Writer, envelope, event
from tests.unit.bound import CHANGE, FIELDS, ORDERS, ROW, TABLE, UNINDEXED, Bound

VERSION = TargetColumn(name="v", type_name="int8", cast="bigint")


def versioned(column: TargetColumn | None = VERSION, table: TargetTable = TABLE, name: str = "v") -> Bound:
    """A table that is to have a version column, and has this one."""
    bound = Bound(replace(table, columns=(*table.columns, column)) if column else table)
    bound.world.versions["public.orders"] = name
    bound.start()
    return bound


def test_a_version_column_is_written_beside_the_sources() -> None:
    """Tombstones that come first need none: they say no position."""
    bound = versioned()
    binding = bound.bind(CHANGE)

    assert binding.version == "v"
    assert [column.target.name for column in binding.columns] == ["id", "word", "v"]
    assert Bound().bind(CHANGE).version is None


def test_a_table_that_is_made_gets_its_version_column() -> None:
    """Behind the source's columns."""
    bound = versioned(None)
    bound.table = None
    assert bound.bind(CHANGE).version == "v"
    assert list(bound.world.made[TABLE.name]) == ["id", "word", "v"]


@pytest.mark.parametrize(
    ("bound", "kind", "remedy"),
    [
        pytest.param(versioned(None), "table.shape", "ADD COLUMN", id="missing"),
        pytest.param(versioned(replace(VERSION, type_name="int4")), "table.shape", "bigint", id="another type"),
        pytest.param(versioned(replace(VERSION, required=True)), "table.shape", "bigint", id="takes no nulls"),
        pytest.param(versioned(replace(VERSION, generated=True)), "table.shape", "bigint", id="computed"),
        pytest.param(versioned(replace(VERSION, identity=True)), "table.shape", "bigint", id="numbered"),
        pytest.param(versioned(name="word"), "table.shape", "another column", id="the source's own"),
        pytest.param(versioned(name="id"), "table.shape", "another column", id="the key"),
        pytest.param(versioned(table=UNINDEXED), "table.identity", "PRIMARY KEY (id)", id="no index"),
        pytest.param(
            versioned(replace(VERSION, lacks=frozenset({"SELECT"}))), "table.privilege", "Grant", id="not readable"
        ),
    ],
)
def test_a_version_column_that_can_not_guard_is_refused(bound: Bound, kind: str, remedy: str) -> None:
    """Never is a table applied without the guard that it should have."""
    failure = bound.refusal(CHANGE)

    assert failure.kind == kind
    assert remedy in failure.remedy


def test_a_source_without_positions_is_refused() -> None:
    """A connector whose source block has no usable one."""
    bound = versioned()
    schema = envelope(FIELDS)
    source = schema["fields"][2]["type"]
    schema["fields"][2]["type"] = {**source, "fields": [each for each in source["fields"] if each["name"] != "lsn"]}
    writer = Writer(schema)
    bound.world.schemas[2] = writer.text
    value = event("c", None, ROW)
    value["source"].pop("lsn")
    failure = bound.refusal((ORDERS.key(ROW), writer.framed(2, value)))

    assert failure.kind == "table.shape"
    assert "source.lsn" in failure.remedy
