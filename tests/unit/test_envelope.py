"""What a writer schema says."""

import json
from typing import Any

import pytest

from consumer.core.avro import UnsupportedSchema
from consumer.core.envelope import (
    RecordKind,
    read_key_schema,
    read_key_writer,
    read_writer_schema,
)
from tests.unit.avro import envelope, key

ID = {"name": "id", "type": "int"}


def record(name: str, *fields: str, namespace: str = "io.debezium.connector.common") -> dict[str, Any]:
    """A record of strings."""
    parts = [{"name": field, "type": ["null", "string"], "default": None} for field in fields]
    return {"type": "record", "name": name, "namespace": namespace, "fields": parts}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (envelope([ID]), RecordKind.CHANGE),
        (record("Heartbeat", "ts_ms"), RecordKind.HEARTBEAT),
        (record("io.debezium.connector.common.Heartbeat", "ts_ms", namespace=""), RecordKind.HEARTBEAT),
        (record("TransactionMetadataValue", "status", "id", "event_count"), RecordKind.TRANSACTION),
        (record("SchemaChangeValue", "source", "ddl", "tableChanges"), RecordKind.SCHEMA_CHANGE),
        (record("Notification", "id", "aggregate_type"), RecordKind.NOTIFICATION),
        (
            record("MessageValue", "op", "source", "message", namespace="io.debezium.connector.postgresql"),
            RecordKind.MESSAGE,
        ),
        (record("SchemaChangeValue", "source", namespace="io.debezium.connector.mysql"), RecordKind.SCHEMA_CHANGE),
        (record("Heartbeat", "ts_ms", namespace="shop.public"), RecordKind.OTHER),
        (record("MessageValue", "op", "message", namespace="shop.public"), RecordKind.OTHER),
        (record("Value", "id", "name", namespace="shop.public.orders"), RecordKind.OTHER),
        (record("Event", "op", "before"), RecordKind.OTHER),
        ("string", RecordKind.OTHER),
        (["null", "string"], RecordKind.OTHER),
        ({"type": "array", "items": "string"}, RecordKind.OTHER),
    ],
)
def test_the_kind_is_told_by_the_schema(schema: Any, kind: RecordKind) -> None:
    """Names and fields of the value schema decide, never the topic."""
    assert read_writer_schema(json.dumps(schema)).kind is kind


def column(kind: Any) -> Any:
    """The column that a field of this type becomes."""
    return read_writer_schema(json.dumps(envelope([ID, {"name": "x", "type": kind}]))).columns[1]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("string", {"avro": "string", "nullable": False}),
        (["null", "long"], {"avro": "long", "nullable": True}),
        (["long", "null"], {"avro": "long", "nullable": True}),
        ({"type": "int", "connect.type": "int16"}, {"avro": "int", "small": True, "semantic": None}),
        (
            {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"},
            {"avro": "long", "semantic": "io.debezium.time.MicroTimestamp"},
        ),
        (
            [{"type": "int", "connect.name": "io.debezium.time.Date"}, "null"],
            {"avro": "int", "semantic": "io.debezium.time.Date", "nullable": True},
        ),
        ({"type": "long", "logicalType": "timestamp-micros"}, {"avro": "long", "semantic": "timestamp-micros"}),
        (
            {
                "type": "int",
                "connect.name": "org.apache.kafka.connect.data.Date",
                "logicalType": "date",
            },
            {"semantic": "org.apache.kafka.connect.data.Date"},
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
            {"avro": "decimal", "precision": 10, "scale": 2},
        ),
        (
            {
                "type": "bytes",
                "connect.name": "org.apache.kafka.connect.data.Decimal",
                "connect.parameters": {"scale": "-2", "connect.decimal.precision": "5"},
            },
            {"avro": "bytes", "precision": 5, "scale": -2},
        ),
        (
            {"type": "bytes", "connect.name": "io.debezium.data.Bits", "connect.parameters": {"length": "12"}},
            {"avro": "bytes", "length": 12},
        ),
        (["null", "int", "string"], {"avro": "any", "nullable": True}),
        (["int", "string"], {"avro": "any", "nullable": False}),
        (["string"], {"avro": "string", "nullable": False}),
        ({"type": "array", "items": ["int", "string"]}, {"avro": "any", "semantic": None}),
        (
            {"type": "record", "name": "N", "connect.name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]},
            {"avro": "any", "semantic": None},
        ),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, {"avro": "enum"}),
        ({"type": "array", "items": "int"}, {"avro": "array"}),
        # what is no name or no parameters says nothing
        ({"type": "string", "connect.name": ["x"]}, {"avro": "string", "semantic": None}),
        ({"type": "int", "connect.parameters": ["x"]}, {"avro": "int", "length": None}),
        ({"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal"}, {"avro": "decimal", "fixed": True}),
    ],
)
def test_a_column_has_its_meaning(kind: Any, expected: dict[str, Any]) -> None:
    """Connect's name goes before the logical type; parameters give scale, precision and length."""
    found = column(kind)

    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("spelled", ["namespace", "dotted name"])
def test_a_short_name_is_found_wherever_the_namespace_is_written(spelled: str) -> None:
    """A namespace may be a property or the front of the full name; both hold for the names inside."""
    state = {"type": "enum", "name": "State", "symbols": ["NEW"]}
    schema = envelope([ID, {"name": "a", "type": state}, {"name": "b", "type": ["null", "State"]}])
    if spelled == "dotted name":
        schema["name"] = f"{schema.pop('namespace')}.{schema['name']}"
    found = read_writer_schema(json.dumps(schema))

    assert [column.avro for column in found.columns] == ["int", "enum", "enum"]
    assert found.rewritten is not None


def test_a_short_name_in_a_key_is_in_the_keys_namespace() -> None:
    """A key may use a type twice as well."""
    state = {"type": "enum", "name": "State", "symbols": ["NEW"]}
    text = json.dumps(key([{"name": "a", "type": state}, {"name": "b", "type": "State"}]))

    assert [column.avro for column in read_key_schema(text)] == ["enum", "enum"]


def with_after(kind: Any) -> str:
    """A schema that looks like an envelope whose `after` has this type."""
    fields = [{"name": "op", "type": "string"}, {"name": "after", "type": kind}]
    return json.dumps({"type": "record", "name": "Envelope", "fields": fields})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        (with_after(["null", "string"]), "`after`"),
        (with_after(["null", "Gone"]), "'Gone' is not defined"),
    ],
)
def test_an_unreadable_schema_says_which_part(text: str, why: str) -> None:
    """The message is for the person who has to mend the converter."""
    with pytest.raises(UnsupportedSchema, match=why):
        read_writer_schema(text)


def test_a_key_gives_its_columns_in_order() -> None:
    """Composite keys keep the order of their fields."""
    text = json.dumps(key([{"name": "b", "type": "string"}, {"name": "a", "type": "int", "default": 0}]))

    assert [column.name for column in read_key_schema(text)] == ["b", "a"]
    assert "default" not in read_key_writer(text).text


@pytest.mark.parametrize("schema", ["string", ["null", "string"], {"type": "array", "items": "int"}])
def test_a_key_that_is_no_record_is_refused(schema: Any) -> None:
    """A bare key names no column."""
    with pytest.raises(UnsupportedSchema, match="not a record"):
        read_key_schema(json.dumps(schema))
