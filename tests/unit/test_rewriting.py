"""Schemas in the form that the decoders read."""

import io
import json
from typing import Any

import fastavro
import pytest

from consumer.core.avro import UnsupportedSchema, named_types
from consumer.core.envelope import read_key_writer, read_writer_schema
from consumer.core.rewriting import AS_TEXT, Rewritten, absent_before, only, rewritten_envelope
from tests.unit.avro import envelope, key

ID = {"name": "id", "type": "int"}
NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}


def form(schema: Any) -> Rewritten:
    """What the decoders get of an envelope."""
    found = read_writer_schema(json.dumps(schema)).rewritten
    assert found is not None
    return found


def rewritten(schema: Any) -> Any:
    """The rewritten schema as an object."""
    return json.loads(form(schema).text)


def columns(schema: Any) -> dict[str, Any]:
    """The columns of the after image by name."""
    after = next(field for field in rewritten(schema)["fields"] if field["name"] == "after")
    return {field["name"]: field for field in after["type"][1]["fields"]}


def with_column(kind: Any) -> Any:
    """An envelope whose rows have one more column."""
    return envelope([ID, {"name": "x", "type": kind}])


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(["null", "int", "string"], id="several types"),
        pytest.param({"type": "array", "items": ["int", "string"]}, id="several types in an array"),
        pytest.param({"type": "map", "values": ["null", "int", "string"]}, id="several types in a map"),
        pytest.param(["null"], id="null alone"),
        pytest.param(NODE, id="recursion"),
        pytest.param(["null", "Value"], id="the row itself"),
        pytest.param(["null", "Envelope"], id="the envelope itself"),
        pytest.param({"type": "array", "items": NODE}, id="recursion in an array"),
        pytest.param({"type": "fixed", "name": "F", "size": 0}, id="fixed of nothing"),
        pytest.param({"type": "record", "name": "R", "fields": []}, id="record of nothing"),
    ],
)
def test_a_type_that_no_column_can_have_is_text(kind: Any) -> None:
    """Such a column is known beforehand, since the native reader panics or never ends on some of them."""
    schema = with_column(kind)

    assert not form(schema).columnar
    assert AS_TEXT in columns(schema)["x"]
    assert columns(schema)["id"] == ID


def test_a_union_of_one_type_is_that_type_for_the_row_decoder() -> None:
    """Its values have one type, but the native reader makes a union of it."""
    schema = with_column(["string"])

    assert not form(schema).columnar
    assert columns(schema)["x"] == {"name": "x", "type": ["string"]}


def test_every_other_envelope_is_for_the_columnar_decoder() -> None:
    """Nothing is marked that both decoders can read."""
    nested = {"type": "map", "values": {"type": "array", "items": ["null", "string"]}}

    assert form(with_column(nested)).columnar
    assert AS_TEXT not in form(with_column(nested)).text


def test_a_type_outside_the_row_may_keep_the_columnar_decoder_out() -> None:
    """Whatever stands in the bytes has to be stepped over."""
    schema = envelope([ID])
    schema["fields"][3]["type"] = ["null", "string", "long"]

    assert not form(schema).columnar
    assert columns(schema) == {"id": ID}


def test_a_recursive_source_is_spliced_all_the_same() -> None:
    """Its own fields can be asked for; only the one that contains it is text."""
    schema = envelope([ID])
    source = {**schema["fields"][2]["type"], "fields": [*schema["fields"][2]["type"]["fields"]]}
    source["fields"].append({"name": "cause", "type": ["null", "Source"], "default": None})
    schema["fields"][2] = {"name": "source", "type": source}
    found = {field["name"]: field for field in rewritten(schema)["fields"]}

    assert found["source_db"] == {"name": "source_db", "type": "string"}
    assert AS_TEXT in found["source_cause"]


def test_a_source_time_that_is_no_number_is_none() -> None:
    """Times are compared, texts are not times."""
    schema = envelope([ID])
    source = schema["fields"][2]["type"]
    odd = [{**part, "type": ["long", "string"]} if part["name"] == "ts_ms" else part for part in source["fields"]]
    schema["fields"][2] = {"name": "source", "type": {**source, "fields": odd}}

    assert read_writer_schema(json.dumps(envelope([ID]))).has_source_time
    assert not read_writer_schema(json.dumps(schema)).has_source_time


@pytest.mark.parametrize(
    "items",
    [
        pytest.param("null", id="null"),
        pytest.param({"type": "record", "name": "R", "fields": [{"name": "n", "type": "null"}]}, id="record of nulls"),
        pytest.param({"type": "record", "name": "R", "fields": []}, id="record of nothing"),
        pytest.param({"type": "fixed", "name": "F", "size": 0}, id="fixed of nothing"),
    ],
)
def test_an_array_of_nothing_is_refused(items: Any) -> None:
    """A few damaged bytes could promise more items than memory has; nothing in the bytes bounds them."""
    with pytest.raises(UnsupportedSchema, match="nothing bounds"):
        form(with_column({"type": "array", "items": items}))


def test_a_row_without_columns_is_refused() -> None:
    """There is nothing to write and no key in it."""
    with pytest.raises(UnsupportedSchema, match="no columns"):
        form(envelope([]))


def test_a_key_may_hold_what_only_the_row_decoder_reads() -> None:
    """A tombstone's key is read like a row."""
    text = json.dumps(key([{"name": "id", "type": ["int", "string"]}]))

    assert not read_key_writer(text).columnar
    assert AS_TEXT in json.loads(read_key_writer(text).text)["fields"][0]


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


def test_only_what_recurs_is_a_reference() -> None:
    """Each column's types are its own, so that a column can be read without the others."""
    found = columns(envelope([ID, {"name": "a", "type": NODE}, {"name": "b", "type": ["null", "Node"]}]))
    a, b = names(found["a"]["type"]), names(found["b"]["type"])

    assert a[1:] == [f"reference to {a[0]}"]
    assert b[1:] == [f"reference to {b[0]}"]
    assert a != b


def test_types_that_contain_one_another_stay_small() -> None:
    """Spelling them all out would take more text than there is memory."""
    count = 30
    every = [{"name": f"f{n}", "type": ["null", f"T{n}"]} for n in range(count)]
    types = [{"type": "record", "name": f"T{n}", "fields": every} for n in range(count)]
    schema = envelope([ID, *({"name": f"c{n}", "type": kind} for n, kind in enumerate(types))])

    assert len(form(schema).text) < 10 * count * len(json.dumps(schema))


def test_a_name_without_dots_is_in_the_namespace_around_it() -> None:
    """Two types of one short name in different namespaces stay two types."""
    inner = {"type": "record", "name": "T", "namespace": "other", "fields": [{"name": "x", "type": "int"}]}
    outer = {"type": "record", "name": "T", "fields": [{"name": "inner", "type": inner}, {"name": "y", "type": "long"}]}
    schema = envelope([ID, {"name": "a", "type": outer}, {"name": "b", "type": "T"}, {"name": "c", "type": "other.T"}])
    found = {column.name: column for column in read_writer_schema(json.dumps(schema)).columns}
    kinds = {
        name: [part["name"] for part in field["type"]["fields"]]
        for name, field in columns(schema).items()
        if name != "id"
    }

    assert set(named_types(schema)) >= {"shop.public.orders.T", "other.T"}
    assert kinds == {"a": ["inner", "y"], "b": ["inner", "y"], "c": ["x"]}
    assert found["b"].avro == "record"


def test_the_source_is_spliced_into_the_envelope() -> None:
    """Its fields can be asked for one by one; the bytes are the same."""
    found = [field["name"] for field in rewritten(envelope([ID]))["fields"]]

    assert found == [
        "before", "after", "source_version", "source_ts_ms", "source_db", "source_schema", "source_table", "source_lsn",
        "transaction", "op", "ts_ms",
    ]  # fmt: skip


def test_defaults_and_logical_types_are_dropped_but_small_decimals_stay() -> None:
    """The native reader stumbles over odd defaults and cuts years by logical types."""
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}
    wide = {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 2}
    date = {"type": "int", "logicalType": "date", "connect.default": 7}
    # as Debezium writes numeric(2,5) and numeric(3,-2); Avro's own readers refuse such a schema
    beyond = {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 5}
    below = {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": -2}
    fields = [
        ID,
        {"name": "beyond", "type": beyond},
        {"name": "below", "type": below},
        {"name": "d", "type": decimal},
        {"name": "w", "type": wide},
        {"name": "t", "type": date, "default": 7},
    ]

    assert list(columns(envelope(fields)).values()) == [
        {"name": "id", "type": "int"},
        {"name": "beyond", "type": "bytes"},
        {"name": "below", "type": "bytes"},
        {"name": "d", "type": decimal},
        {"name": "w", "type": "bytes"},
        {"name": "t", "type": "int"},
    ]
    assert "default" not in json.dumps(rewritten(envelope(fields)))


def test_of_fields_that_are_not_asked_for_only_the_form_is_left() -> None:
    """Their texts, enums and decimals can't be wrong; where they end still can."""
    state = {"type": "enum", "name": "State", "symbols": ["NEW"]}
    price = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    row = [ID, {"name": "a", "type": ["null", state]}, {"name": "b", "type": {"type": "map", "values": price}}]
    fields = only(form(envelope([*row, {"name": "c", "type": NODE}])).text, ["op"])["fields"]
    found = {field["name"]: field["type"] for field in fields}
    after = {field["name"]: field["type"] for field in found["after"][1]["fields"]}

    assert found["op"] == "string"
    assert found["source_db"] == "bytes"
    assert after["id"] == "long"
    assert after["a"][:2] == ["null", "long"]
    assert [part["type"] for part in after["b"]["items"]["fields"]] == ["bytes", "bytes"]
    assert after["c"]["fields"][0]["type"][1] == after["c"]["name"]


@pytest.mark.parametrize(
    ("first", "absent"),
    [
        ({"name": "before", "type": ["null", "Row"], "default": None}, b"\x00"),
        ({"name": "before", "type": ["Row", "null"]}, b"\x02"),
        ({"name": "before", "type": "Row"}, None),
        ({"name": "op", "type": "string"}, None),
    ],
)
def test_a_datum_without_an_image_before_is_known_by_its_first_byte(first: Any, absent: bytes | None) -> None:
    """Where the envelope begins with that image, which may be null: a datum that has one begins otherwise."""
    row = {"type": "record", "name": "Row", "fields": [{"name": "id", "type": "long"}]}
    image = {**first, "type": json.loads(json.dumps(first["type"]).replace('"Row"', json.dumps(row)))}
    schema = {"type": "record", "name": "Envelope", "fields": [image, {"name": "n", "type": "int"}]}

    assert absent_before(rewritten_envelope(schema).text) == absent
    if absent is not None:
        for before in (None, {"id": 1}):
            fastavro.schemaless_writer(datum := io.BytesIO(), schema, {"before": before, "n": 1})
            assert (datum.getvalue()[:1] == absent) == (before is None)
