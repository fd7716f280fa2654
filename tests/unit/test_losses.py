"""What a schema's columns may have lost at the source is said by their types, before any value is lost."""

from typing import Any

import pytest

from consumer.core.envelope import read_writer_schema
from consumer.core.losses import losses
from consumer.core.types import PLAIN
from tests.unit.avro import Writer, envelope
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
    propagated,
)

SMALL = {"type": "int", "connect.type": "int16"}
# as PostgreSQL's connector has a placeholder for them, or they are never stored apart from their row
SENT = [
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
    *(VARIABLE, enum("Enum", "a")),
    *(array(items) for items in ("string", "bytes", "int", "long", DATE, JSON, UUID)),
    propagated(array("string"), "_VARCHAR", 5),
]
NULLED = [
    *(DOUBLE_VECTOR, FLOAT_VECTOR, SPARSE_VECTOR, SHAPE, GEOGRAPHY, bits(20_000)),
    *(array(items) for items in ("float", "double", "boolean", SMALL, US, ZONED, VARIABLE, decimal(12, 2))),
    *(array(items) for items in (ISO_DATE, CONNECT_DATE, SHAPE, enum("Enum", "a"))),
    propagated(array("string"), "_INET"),
    propagated(array("string"), "_TSRANGE"),
]


def warned(kind: Any, nullable: bool = True, connector: str = "postgresql") -> list[tuple[str, ...]]:
    """The columns of which a warning says that unchanged values come as null."""
    schema = envelope([{"name": "id", "type": "long"}, {"name": "v", "type": ["null", kind] if nullable else kind}])
    if connector != "postgresql":
        (source,) = (field for field in schema["fields"] if field["name"] == "source")
        source["type"] = {**source["type"], "fields": source["type"]["fields"][:-1]}
    found = losses(read_writer_schema(Writer(schema).text), lambda name: PLAIN)
    assert all("stored apart" in loss.what and "REPLICA IDENTITY FULL" in loss.remedy for loss in found)
    return [loss.columns for loss in found]


@pytest.mark.parametrize("kind", SENT, ids=repr)
def test_what_the_connector_sends_or_marks_is_no_loss(kind: Any) -> None:
    """Its column is left alone."""
    assert warned(kind) == []


@pytest.mark.parametrize("kind", NULLED, ids=repr)
def test_unchanged_values_for_which_the_connector_has_no_mark_are_warned_of(kind: Any) -> None:
    """They come as null. Where the column takes none the connector fails, and other connectors have no such values."""
    assert warned(kind) == [("v",)]
    assert warned(kind, nullable=False) == []
    assert warned(kind, connector="mysql") == []
