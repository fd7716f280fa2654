"""Which columns' nulls in updates may stand for unchanged values is said by their types, and by settings."""

from typing import Any

import pytest

from consumer.core.doubts import doubtful
from consumer.core.envelope import read_writer_schema
from consumer.core.losses import losses
from consumer.core.types import PLAIN, ColumnPolicy
from tests.unit.avro import Writer, envelope, without_lsn
from tests.unit.semantic import (
    CONNECT_DATE,
    DATE,
    DOUBLE_VECTOR,
    FLOAT_VECTOR,
    GEOGRAPHY,
    HSTORE,
    ISO_DATE,
    JSON,
    POINT,
    SHAPE,
    SPARSE_VECTOR,
    TSVECTOR,
    US,
    UUID,
    VARIABLE,
    ZONED,
    array,
    bits,
    decimal,
    enum,
    of_unknown_precision,
    propagated,
)

SMALL = {"type": "int", "connect.type": "int16"}
# as PostgreSQL's connector has a placeholder for them, or they are never stored apart from their row
SENT = [
    *(VARIABLE, decimal(50, 10)),
    *(
        "string",
        "bytes",
        "int",
        "double",
        "boolean",
        JSON,
        UUID,
        TSVECTOR,
        HSTORE,
        POINT,
        DATE,
        decimal(12, 2),
        bits(64),
    ),
    *(decimal(38, 0), of_unknown_precision(2), enum("Enum", "a")),
    *(array(items) for items in ("bytes", "int", DATE, UUID)),
    propagated(array("long"), "_INT8"),
    propagated(array("string"), "_VARCHAR", 5),
    propagated(array(JSON), "_JSONB"),
]
NULLED = [
    *(DOUBLE_VECTOR, FLOAT_VECTOR, SPARSE_VECTOR, SHAPE, GEOGRAPHY, bits(20_000)),
    *(array(items) for items in ("float", "double", "boolean", SMALL, US, ZONED, VARIABLE, decimal(12, 2))),
    *(array(items) for items in (ISO_DATE, CONNECT_DATE, SHAPE, enum("Enum", "a"))),
    # these come alike from types of both sorts
    *(array(items) for items in ("string", "long", JSON)),
    propagated(array(JSON), "_HSTORE"),
    propagated(array("long"), "_OID"),
    propagated(array("string"), "_INET"),
    propagated(array("string"), "_TSRANGE"),
    # bytes as base64, or as hex, which alone has a placeholder
    propagated("string", "BYTEA"),
]


def warned(
    kind: Any, nullable: bool = True, connector: str = "postgresql", policy: ColumnPolicy = PLAIN
) -> list[tuple[str, ...]]:
    """The columns of which a warning says that unchanged values come as null."""
    schema = envelope([{"name": "id", "type": "long"}, {"name": "v", "type": ["null", kind] if nullable else kind}])
    read = read_writer_schema(Writer(schema if connector == "postgresql" else without_lsn(schema)).text)
    found = losses(read, doubtful(read, lambda name: policy))
    assert all("stored apart" in loss.what and "REPLICA IDENTITY FULL" in loss.remedy for loss in found)
    return [loss.columns for loss in found]


@pytest.mark.parametrize("kind", SENT, ids=repr)
def test_what_the_connector_sends_or_marks_is_taken_at_its_word(kind: Any) -> None:
    """Its column is left alone where the value is not there, and null where null is."""
    assert warned(kind) == []


@pytest.mark.parametrize("kind", NULLED, ids=repr)
def test_unchanged_values_for_which_the_connector_has_no_mark_are_warned_of(kind: Any) -> None:
    """They come as null. Where the column takes none the connector fails, and other connectors have no such values."""
    assert warned(kind) == [("v",)]
    assert warned(kind, nullable=False) == []
    assert warned(kind, connector="mysql") == []


@pytest.mark.parametrize(
    ("kind", "doubt"),
    [
        (VARIABLE, "long"),
        (decimal(30, 2), "long"),
        (decimal(1000, 500), "long"),
        (of_unknown_precision(2), "long"),
        (decimal(29, 2), None),
        ("double", None),
    ],
)
def test_a_null_of_a_number_is_doubted_by_its_length(kind: Any, doubt: str | None) -> None:
    """Where the type may have such long ones; nobody is warned, since others are not concerned."""
    fields = [{"name": "id", "type": "long"}, {"name": "v", "type": ["null", kind]}]
    read = read_writer_schema(Writer(envelope(fields)).text)

    assert doubtful(read, lambda name: PLAIN).get("v") == doubt
    assert doubtful(read, lambda name: ColumnPolicy(doubtful_nulls="reject")) == {"v": "reject"}
    assert doubtful(read, lambda name: ColumnPolicy(doubtful_nulls="write")) == {}


def test_settings_say_it_of_any_column() -> None:
    """Whatever its type is: nobody is warned of what was chosen."""
    assert warned(DOUBLE_VECTOR, policy=ColumnPolicy(doubtful_nulls="write")) == []
    assert warned(DOUBLE_VECTOR, policy=ColumnPolicy(doubtful_nulls="keep")) == []
    assert warned("double", policy=ColumnPolicy(doubtful_nulls="reject")) == [("v",)]
    assert warned("string", policy=ColumnPolicy(binary="base64")) == [("v",)]
    assert warned("string", policy=ColumnPolicy(binary="hex")) == []
    assert warned(propagated("string", "BYTEA"), policy=ColumnPolicy(binary="hex")) == []
