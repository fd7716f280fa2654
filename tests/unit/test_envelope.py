"""What a writer schema says."""

import json
from typing import Any

import pytest

from consumer.core.envelope import (
    RecordKind,
    UnsupportedSchema,
    named_types,
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
        (["null", "int", "string"], {"avro": "union", "nullable": True}),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, {"avro": "enum"}),
        ({"type": "array", "items": "int"}, {"avro": "array"}),
    ],
)
def test_a_column_has_its_meaning(kind: Any, expected: dict[str, Any]) -> None:
    """Connect's name goes before the logical type; parameters give scale, precision and length."""
    found = column(kind)

    assert {name: getattr(found, name) for name in expected} == expected


def rewritten(schema: Any) -> Any:
    """The rewritten schema as an object, or None."""
    text = read_writer_schema(json.dumps(schema)).rewritten
    return json.loads(text) if text else None


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(["null", "int", "string"], id="several types"),
        pytest.param(["string"], id="one branch"),
        pytest.param(
            {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}, id="recursion"
        ),
        pytest.param({"type": "fixed", "name": "F", "size": 0}, id="fixed of nothing"),
        pytest.param({"type": "record", "name": "R", "fields": []}, id="record of nothing"),
    ],
)
def test_what_the_columnar_path_cannot_carry_is_not_rewritten(kind: Any) -> None:
    """Such schemas are known beforehand, since the native reader panics or never ends on some of them."""
    assert rewritten(envelope([ID, {"name": "x", "type": kind}])) is None


def names(schema: Any) -> list[str]:
    """Every defined name, and a mark for every reference that is left."""
    if isinstance(schema, list):
        return [name for branch in schema for name in names(branch)]
    if isinstance(schema, str):
        known = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
        return [] if schema in known else [f"reference to {schema}"]
    inner = [field["type"] for field in schema.get("fields", ())]
    inner += [schema[part] for part in ("items", "values") if part in schema]
    return [*([schema["name"]] if "name" in schema else []), *names(inner)]


def test_every_named_type_is_spelled_out_once() -> None:
    """No reference is left, and no name is defined twice, however often a type is used."""
    point = {"type": "record", "name": "Point", "namespace": "geo", "fields": [{"name": "x", "type": "double"}]}
    fields = [
        ID,
        {"name": "a", "type": point},
        {"name": "b", "type": "geo.Point"},
        {"name": "c", "type": ["null", "geo.Point"]},
    ]
    found = names(rewritten(envelope(fields)))

    assert len(found) == len(set(found))
    assert not [name for name in found if name.startswith("reference")]


def test_a_name_without_dots_is_in_the_namespace_around_it() -> None:
    """Two types of one short name in different namespaces stay two types."""
    inner = {"type": "record", "name": "T", "namespace": "other", "fields": [{"name": "x", "type": "int"}]}
    outer = {"type": "record", "name": "T", "fields": [{"name": "inner", "type": inner}, {"name": "y", "type": "long"}]}
    schema = envelope([ID, {"name": "a", "type": outer}, {"name": "b", "type": "T"}, {"name": "c", "type": "other.T"}])
    found = {column.name: column for column in read_writer_schema(json.dumps(schema)).columns}
    after = next(field for field in rewritten(schema)["fields"] if field["name"] == "after")["type"][1]
    kinds = {field["name"]: [part["name"] for part in field["type"]["fields"]] for field in after["fields"][1:]}

    assert set(named_types(schema)) >= {"shop.public.orders.T", "other.T"}
    assert kinds == {"a": ["inner", "y"], "b": ["inner", "y"], "c": ["x"]}
    assert found["b"].avro == "record"


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


def test_the_source_is_spliced_into_the_envelope() -> None:
    """Its fields can be asked for one by one; the bytes are the same."""
    found = [field["name"] for field in rewritten(envelope([ID]))["fields"]]

    assert found == [
        "before", "after", "source_version", "source_ts_ms", "source_db", "source_schema", "source_table", "source_lsn",
        "transaction", "op", "ts_ms",
    ]  # fmt: skip
    assert read_writer_schema(json.dumps(envelope([ID]))).has_source_time


def test_defaults_and_logical_types_are_dropped_but_small_decimals_stay() -> None:
    """The native reader stumbles over odd defaults and cuts years by logical types."""
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}
    wide = {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 2}
    date = {"type": "int", "logicalType": "date", "connect.default": 7}
    fields = [
        ID,
        {"name": "d", "type": decimal},
        {"name": "w", "type": wide},
        {"name": "t", "type": date, "default": 7},
    ]
    after = next(field for field in rewritten(envelope(fields))["fields"] if field["name"] == "after")

    assert after["type"][1]["fields"] == [
        {"name": "id", "type": "int"},
        {"name": "d", "type": decimal},
        {"name": "w", "type": "bytes"},
        {"name": "t", "type": "int"},
    ]
    assert "default" not in json.dumps(rewritten(envelope(fields)))


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
    assert "default" not in read_key_writer(text)


@pytest.mark.parametrize("schema", ["string", ["null", "string"], {"type": "array", "items": "int"}])
def test_a_key_that_is_no_record_is_refused(schema: Any) -> None:
    """A bare key names no column."""
    with pytest.raises(UnsupportedSchema, match="not a record"):
        read_key_schema(json.dumps(schema))
