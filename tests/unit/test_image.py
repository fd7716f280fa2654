"""A row's values as JSON and back: exact, held to fastavro, and refused with the column's name."""

import json
from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from consumer.core.avro import parsed
from dlq.image import BadImage, Image, NoImage, read_image
from tests.unit.avro import Writer, envelope, event, framed
from tests.unit.decoder_agreement import ROWS, same
from tests.unit.made_data import Case, cases

CANARY = "canary-8814"
FIELDS = ("op", "after", "source_ts_ms")
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
LONG_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 2}
CONNECT = {
    "type": "bytes",
    "connect.name": "org.apache.kafka.connect.data.Decimal",
    "connect.parameters": {"scale": "3"},
}
SCALED = {
    "type": "record",
    "name": "VariableScaleDecimal",
    "namespace": "io.debezium.data",
    "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
    "connect.name": "io.debezium.data.VariableScaleDecimal",
}
DATE = {"type": "int", "connect.name": "io.debezium.time.Date", "logicalType": "date"}
ENUM = {"type": "enum", "name": "Mood", "namespace": "m", "symbols": ["GOOD", "BAD"]}
MANY = ["null", "int", "long", "string", "bytes", ENUM, {"type": "array", "items": "long"}]
FIXED = {"type": "fixed", "name": "Four", "size": 4}
POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "float"}]}
TREE = {
    "type": "record",
    "name": "Tree",
    "fields": [{"name": "n", "type": "int"}, {"name": "next", "type": ["null", "Tree"]}],
}


def image_of(kind: Any, value: Any) -> Image:
    """The image of a row with a key and one column of this type."""
    writer = Writer(envelope([{"name": "id", "type": "long"}, {"name": "c", "type": kind}]))
    return read_image(writer.framed(7, event("c", None, {"id": 1, "c": value})), writer.text)


def written_anew(image: Image) -> bytes:
    """The record with every column written from its JSON, even where nothing changed."""
    values = json.loads(json.dumps(dict(image.values)))
    columns = [kind.write(values[name], name) for name, kind in image.envelope.columns.items()]
    return image.head + b"".join(columns) + image.tail


@settings(max_examples=30, deadline=None)
@given(cases(enums=True))
def test_what_was_read_is_written_as_it_was(case: Case) -> None:
    """Each row's JSON gives a record that the reference decoder reads as the same; unchanged it is the same bytes."""
    images = ROWS.decode(case.rewritten, case.data, FIELDS)["after"]
    for datum in (datum for datum, image in zip(case.data, images, strict=True) if image is not None):
        image = read_image(framed(3, datum), case.text)
        assert image.changed(dict(image.values)) == framed(3, datum)
        anew = written_anew(image)
        assert read_image(anew, case.text).values == image.values
        assert same(*(ROWS.decode(case.rewritten, [each], FIELDS) for each in (anew[5:], datum)))


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (["null", "long"], None, None),
        ("boolean", True, True),
        ("long", -(2**63), -(2**63)),
        ("double", 0.1, 0.1),
        ("double", float("nan"), "NaN"),
        ("float", float("-inf"), "-Infinity"),
        ("string", "é\0", "é\0"),
        ("bytes", b"\0\xff", "AP8="),
        (FIXED, b"abcd", "YWJjZA=="),
        (MONEY, Decimal("-12.50"), "-12.50"),
        (["null", MONEY], Decimal("0"), "0.00"),
        (LONG_MONEY, Decimal("1" * 40 + ".05"), "1" * 40 + ".05"),
        (CONNECT, b"\x30\x39", "12.345"),
        (SCALED, {"scale": 3, "value": b"\x30\x39"}, "12.345"),
        (SCALED, {"scale": -3, "value": b"\x01"}, "1E+3"),
        (SCALED, {"scale": 2_000_000_000, "value": b"\x01"}, "1E-2000000000"),
        (DATE, 19_000, 19_000),
        (ENUM, "BAD", "BAD"),
        ({"type": "array", "items": ["null", "int"]}, [1, None], [1, None]),
        ({"type": "map", "values": "string"}, {"a": "b"}, {"a": "b"}),
        (["null", POINT], {"x": 1.5, "y": -0.0}, {"x": 1.5, "y": -0.0}),
        (TREE, {"n": 1, "next": {"n": 2, "next": None}}, {"n": 1, "next": {"n": 2, "next": None}}),
        (MANY, None, None),
        (MANY, "text", {"string": "text"}),
        ([ENUM, "int"], "GOOD", {"m.Mood": "GOOD"}),
        (MANY, 2**40, {"long": 2**40}),
        (MANY, [7], {"array": [7]}),
        (["string"], "alone", "alone"),
    ],
)  # fmt: skip
def test_how_values_look(kind: Any, value: Any, shown: Any) -> None:
    """As the page for people says; written anew they are the same bytes."""
    image = image_of(kind, value)
    assert repr(image.values["c"]) == repr(shown)
    assert written_anew(image) == image.changed(dict(image.values))


def test_which_branch_a_value_was_is_kept() -> None:
    """An int of a union with long stays one, though both would be the same number."""
    small = image_of(MANY, 5)
    assert small.values["c"] == {"int": 5}
    assert read_image(small.changed({**small.values, "c": {"long": 5}}), _text(MANY)).values["c"] == {"long": 5}


def _text(kind: Any) -> str:
    return Writer(envelope([{"name": "id", "type": "long"}, {"name": "c", "type": kind}])).text


@pytest.mark.parametrize(
    ("kind", "value", "new", "said"),
    [
        ("int", 1, 2**31, "after.c: it is a number of 32 bits"),
        ("int", 1, "1", "after.c: it is a whole number"),
        ("int", 1, True, "after.c: it is a whole number"),
        ("int", 1, 1.0, "after.c: it is a whole number"),
        ("int", 1, None, "after.c: it is a whole number"),
        (["null", "int"], 1, CANARY, "after.c: it is a whole number"),
        (["int"], 1, None, "after.c: it can't be null"),
        ("boolean", True, 1, "after.c: it is true or false"),
        ("float", 1.0, 1e300, "after.c: the number is too large for its type"),
        ("double", 1.0, 10**400, "after.c: the number is too large for its type"),
        ("double", 1.0, CANARY, 'after.c: it is a number, "NaN", "Infinity" or "-Infinity"'),
        ("string", "a", 7, "after.c: it is text"),
        ("string", "a", "\ud800", "after.c: the text has half a surrogate pair"),
        ("bytes", b"a", f"{CANARY}!", "after.c: it is bytes in base64"),
        ("bytes", b"a", "é", "after.c: it is bytes in base64"),
        (FIXED, b"abcd", "YWI=", "after.c: it has 4 bytes"),
        (MONEY, Decimal(1), "1.005", "after.c: it has at most 2 digits behind the point"),
        (MONEY, Decimal(1), "10000", "after.c: it has at most 6 digits"),
        (MONEY, Decimal(1), 1.5, 'after.c: it is a decimal as text, as "12.50"'),
        (MONEY, Decimal(1), "1E+999999999", 'after.c: it is a decimal as text, as "12.50"'),
        (SCALED, {"scale": 0, "value": b"\1"}, "NaN", 'after.c: it is a decimal as text, as "12.50"'),
        (SCALED, {"scale": 0, "value": b"\1"}, "1E-3000000000", "after.c: it is a number of 32 bits"),
        (ENUM, "BAD", CANARY, "after.c: it is one of GOOD, BAD"),
        (ENUM, "BAD", ["BAD"], "after.c: it is one of GOOD, BAD"),
        ({"type": "array", "items": "int"}, [1], [1, CANARY], "after.c[1]: it is a whole number"),
        ({"type": "map", "values": "int"}, {"a": 1}, {CANARY: "x"}, "after.c{}: it is a whole number"),
        (POINT, {"x": 1.0, "y": 1.0}, {"x": 1.0}, "after.c.y: it is missing"),
        (POINT, {"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 1.0, "z": CANARY}, "after.c.z: there is no such field"),
        (["int", ENUM], 1, 1, "after.c: it is an object of one name and its value; names are int, m.Mood"),
        (["int", ENUM], 1, {"long": 1}, "after.c: it is an object of one name and its value; names are int, m.Mood"),
    ],
)  # fmt: skip
def test_what_the_schema_does_not_take_is_refused(kind: Any, value: Any, new: Any, said: str) -> None:
    """With the column's name, and without the value."""
    image = image_of(kind, value)
    with pytest.raises(BadImage) as caught:
        image.changed({**image.values, "c": new})
    assert caught.value.problems == (said,)


def test_all_problems_are_said_together() -> None:
    """A column too many, one too few, one of another type."""
    fields = [{"name": "id", "type": "long"}, {"name": "a", "type": "int"}, {"name": "b", "type": "int"}]
    writer = Writer(envelope(fields))
    image = read_image(writer.framed(7, event("c", None, {"id": 1, "a": 1, "b": 1})), writer.text)
    with pytest.raises(BadImage) as caught:
        image.changed({"id": 1, "a": CANARY, "z": 1})
    assert caught.value.problems == (
        "after.a: it is a whole number", "after.b: it is missing", "after.z: there is no such column"
    )  # fmt: skip


def test_values_nested_too_deeply_are_refused() -> None:
    """A type that contains itself has no depth of its own."""
    deep: Any = None
    for _ in range(5_000):
        deep = {"n": 1, "next": deep}
    image = image_of(TREE, {"n": 1, "next": None})
    with pytest.raises(BadImage, match="nested too deeply"):
        image.changed({**image.values, "c": deep})


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda value: value[:-1], id="cut"),
        pytest.param(lambda value: value + b"\0", id="surplus"),
        pytest.param(lambda value: value[:5], id="only a frame"),
        pytest.param(lambda value: value[:5] + b"\xff" * 11 + value[5:], id="a number without an end"),
        pytest.param(lambda value: value[:5] + b"\x02", id="cut within the key"),
        pytest.param(lambda value: value.replace(CANARY.encode(), b"\xff" * len(CANARY)), id="no UTF-8"),
    ],
)
def test_a_damaged_record_has_no_row_to_change(spoil: Any) -> None:
    """Whatever is wrong with its bytes."""
    writer = Writer(envelope([{"name": "id", "type": "long"}, {"name": "c", "type": "string"}]))
    value = spoil(writer.framed(7, event("c", None, {"id": 1, "c": CANARY})))
    with pytest.raises(NoImage) as caught:
        read_image(value, writer.text)
    assert "does not decode" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_delete_has_no_row_to_change() -> None:
    """Nor has what is no change."""
    writer = Writer(envelope([{"name": "id", "type": "long"}]))
    with pytest.raises(NoImage, match="as that of a delete"):
        read_image(writer.framed(7, event("d", {"id": 1}, None)), writer.text)
    with pytest.raises(NoImage, match="no change of a row"):
        read_image(b"\0\0\0\0\1", json.dumps({"type": "record", "name": "Other", "fields": []}))


def test_an_edit_touches_only_its_column() -> None:
    """Every other byte is that of the original, also where another writer would have chosen others."""
    text = json.dumps(parsed(_text(MONEY)))
    writer = Writer(json.loads(text))
    value = writer.framed(7, event("c", None, {"id": 1, "c": Decimal("1.00")}))
    # a decimal with a byte more than it needs
    longer = value.replace(b"\x02\x64", b"\x04\x00\x64")
    assert longer != value
    image = read_image(longer, text)
    assert image.values["c"] == "1.00"
    assert image.changed({**image.values, "id": 1}) == longer
    assert b64encode(image.changed({**image.values, "c": "2.00"})) == b64encode(
        value.replace(b"\x02\x64", b"\x04\x00\xc8")
    )
