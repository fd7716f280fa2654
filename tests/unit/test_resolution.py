"""Schema resolution, held to fastavro's own: what fits is read, and of what does not fit some datum is not."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.core.resolution import Side, misfits
from tests.unit import semantic

Pair = tuple[Any, Any]
WORDS = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
EXAMPLES = {
    "null": None,
    "boolean": True,
    "int": 1,
    "long": 2,
    "float": 0.5,
    "double": 0.25,
    "bytes": b"a",
    "string": "a",
}
SYMBOLS = ["a", "b", "c"]


def said(writer: Any, reader: Any) -> list[str]:
    """What does not fit."""
    return [str(each) for each in misfits(Side.of(writer), Side.of(reader))]


class Names:
    """A new name for each type of a pair; both sides share it, or mostly."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0

    def next(self, kind: str) -> dict[str, Any]:
        """The name of the writer's type, and of the reader's, who may know the writer's as an alias."""
        self._count += 1
        name = f"{kind}{self._count}"
        how = self._draw(st.sampled_from(["same", "same", "same", "other namespace", "alias", "another"]))
        reader: dict[str, Any] = {"name": name}
        if how == "other namespace":
            reader = {"name": name, "namespace": "n"}
        elif how != "same":
            reader = {"name": f"{name}x"} | ({"aliases": [name]} if how == "alias" else {})
        return {"writer": {"name": name}, "reader": reader}


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A writer's schema and a reader's that is mostly like it."""
    return drawn(draw, Names(draw), 3)


def drawn(draw: st.DrawFn, names: Names, depth: int) -> Pair:
    """A pair of types, unions among them."""
    one, other = typed(draw, names, depth)
    shape = draw(st.sampled_from(["plain", "plain", "plain", "writer", "reader", "both", "turned"]))
    if "null" in (one, other) or shape == "plain":
        return one, other
    return {
        "writer": (["null", one], other),
        "reader": (one, ["null", other]),
        "both": (["null", one], ["null", other]),
        "turned": ([one, "null"], ["null", other]),
    }[shape]


def typed(draw: st.DrawFn, names: Names, depth: int) -> Pair:
    """A pair of types that are no unions."""
    kinds = ["same", "same", "two", "enum", "fixed", *(["array", "map", "record", "record"] if depth else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "two":
        return draw(st.sampled_from(WORDS)), draw(st.sampled_from(WORDS))
    if kind in ("array", "map"):
        one, other = drawn(draw, names, depth - 1)
        part = "items" if kind == "array" else "values"
        return {"type": kind, part: one}, {"type": kind, part: other}
    if kind == "record":
        return record(draw, names, depth)
    if kind == "enum":
        return enum(draw, names)
    if kind == "fixed":
        name = names.next("f")
        sizes = draw(st.sampled_from([(2, 2), (2, 2), (2, 3)]))
        return {"type": kind, "size": sizes[0], **name["writer"]}, {"type": kind, "size": sizes[1], **name["reader"]}
    word = draw(st.sampled_from(WORDS))
    return word, word


def enum(draw: st.DrawFn, names: Names) -> Pair:
    """Enums whose symbols may differ, and a reader that may have a default."""
    name = names.next("e")
    written, known = (draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True)) for _ in range(2))
    default = {"default": known[0]} if draw(st.booleans()) else {}
    return (
        {"type": "enum", "symbols": written, **name["writer"]},
        {"type": "enum", "symbols": known, **name["reader"], **default},
    )


def record(draw: st.DrawFn, names: Names, depth: int) -> Pair:
    """Records whose fields may be on one side only, or be known as another's alias."""
    name = names.next("r")
    writer, reader = [], []
    for number in range(draw(st.integers(1, 3))):
        one, other = drawn(draw, names, depth - 1)
        field = f"c{number}"
        where = draw(st.sampled_from(["both", "both", "both", "alias", "writer", "reader", "default"]))
        if where in ("both", "alias", "writer"):
            writer.append({"name": field, "type": one})
        if where in ("both", "reader"):
            reader.append({"name": field, "type": other})
        elif where == "alias":
            reader.append({"name": f"{field}x", "aliases": [field], "type": other})
        elif where == "default":
            reader.append({"name": field, "type": "string", "default": "a"})
    return (
        {"type": "record", "fields": writer, **name["writer"]},
        {"type": "record", "fields": draw(st.permutations(reader)), **name["reader"]},
    )


def examples(schema: Any) -> list[Any]:
    """Data of a schema that take every branch of a union and every symbol of an enum."""
    if isinstance(schema, str):
        return [EXAMPLES[schema]]
    if isinstance(schema, list):
        return [datum for branch in schema for datum in examples(branch)]
    kind = schema["type"]
    if kind == "array":
        return [[datum] for datum in examples(schema["items"])]
    if kind == "map":
        return [{"k": datum} for datum in examples(schema["values"])]
    if kind == "enum":
        return list(schema["symbols"])
    if kind == "fixed":
        return [bytes(schema["size"])]
    fields = {field["name"]: examples(field["type"]) for field in schema["fields"]}
    most = max(map(len, fields.values()), default=1)
    return [{name: data[place % len(data)] for name, data in fields.items()} for place in range(most)]


def is_read(writer: Any, reader: Any) -> bool:
    """Whether fastavro reads all data of the one as the other says."""
    parsed = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    for datum in examples(writer):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, parsed[0], datum)
        stream.seek(0)
        try:
            fastavro.schemaless_reader(stream, *parsed)
        except (fastavro.read.SchemaResolutionError, ValueError):
            return False
    return True


@settings(max_examples=500)
@given(pairs())
def test_what_fits_is_what_fastavro_reads(pair: Pair) -> None:
    """In both directions: nothing that fits is refused, and what does not fit is refused for some datum."""
    writer, reader = pair

    assert (said(writer, reader) == []) == is_read(writer, reader)


def row(*fields: Any, **more: Any) -> dict[str, Any]:
    """A record."""
    return {"type": "record", "name": "Value", "fields": [{"name": n, "type": t} for n, t in fields], **more}


DATE, TIME = (
    {"type": "int", "connect.name": "io.debezium.time.Date"},
    {"type": "int", "connect.name": "io.debezium.time.Time"},
)


def decimal(precision: int, scale: int) -> dict[str, Any]:
    """A decimal type."""
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def fixed(size: int) -> dict[str, Any]:
    """A type of so many bytes."""
    return {"type": "fixed", "name": "F", "size": size}


CONNECT_DECIMAL = {"type": "bytes", "connect.name": semantic.CONNECT + "Decimal"}
row_with_alias = {"type": "record", "name": "Value", "fields": [{"name": "b", "aliases": ["a"], "type": "int"}]}


@pytest.mark.parametrize(
    ("writer", "reader", "told"),
    [
        pytest.param(row(("a", "int")), row(("a", "string")), ["a: expected string, found int"], id="type"),
        pytest.param(row(("a", "int")), row(("b", "int")), ["b: expected int, found no such field"], id="no field"),
        pytest.param(
            row(("a", ["null", "int"])), row(("a", "int")), ["a: expected int, found null"], id="null where none is"
        ),
        pytest.param(
            row(("a", "string")),
            row(("a", ["null", "int"])),
            ["a: expected null or int, found string"],
            id="no branch",
        ),
        pytest.param(
            row(("a", row(("b", {"type": "array", "items": "string"}), name="In"))),
            row(("a", row(("b", {"type": "array", "items": "long"}), name="In"))),
            ["a.b[]: expected long, found string"],
            id="path",
        ),
        pytest.param(
            row(("a", {"type": "enum", "name": "E", "symbols": ["x", "y"]})),
            row(("a", {"type": "enum", "name": "E", "symbols": ["x"]})),
            ["a: expected one of x, found y"],
            id="symbol",
        ),
        pytest.param(
            row(("a", "int")),
            row(("a", DATE)),
            ["a: expected io.debezium.time.Date, found int without a name"],
            id="no meaning",
        ),
        pytest.param(
            row(("a", TIME)),
            row(("a", DATE)),
            ["a: expected io.debezium.time.Date, found io.debezium.time.Time"],
            id="another meaning",
        ),
        pytest.param(row(("a", DATE)), row(("a", "int")), [], id="a meaning that nobody asked for"),
        pytest.param(
            row(("a", decimal(9, 2))),
            row(("a", decimal(9, 3))),
            ["a: expected decimal(9,3), found decimal(9,2)"],
            id="scale",
        ),
        pytest.param(
            row(("a", semantic.decimal(9, 4))),
            row(("a", semantic.decimal(9, 2))),
            ["a: expected decimal(9,2), found decimal(9,4)"],
            id="scale of a decimal as the converter writes it",
        ),
        pytest.param(
            row(("a", semantic.decimal(12, 2))),
            row(("a", decimal(9, 2))),
            ["a: expected decimal(9,2), found decimal(12,2)"],
            id="digits, by the logical type alone",
        ),
        pytest.param(
            row(("a", semantic.decimal(9, 3))),
            row(("a", CONNECT_DECIMAL | {"connect.parameters": {"scale": "2"}})),
            ["a: expected decimal(any,2), found decimal(9,3)"],
            id="scale, by the Connect name alone",
        ),
        pytest.param(
            row(("a", CONNECT_DECIMAL | {"scale": 2})),
            row(("a", semantic.decimal(9, 2))),
            ["a: expected decimal(9,2), found decimal(any,2)"],
            id="digits that are not said",
        ),
        pytest.param(
            row(("a", semantic.decimal(9, 2))), row(("a", CONNECT_DECIMAL | {"scale": 2})), [], id="any digits"
        ),
        pytest.param(row(("a", semantic.decimal(9, 2))), row(("a", decimal(9, 2))), [], id="one of a decimal's names"),
        pytest.param(row(("a", decimal(9, 2))), row(("a", semantic.decimal(9, 2))), [], id="the other name alone"),
        pytest.param(
            row(("a", semantic.CONNECT_DATE)),
            row(("a", {"type": "int", "logicalType": "date"})),
            [],
            id="one of a date's names",
        ),
        pytest.param(
            row(("a", semantic.CONNECT_TIMESTAMP)),
            row(("a", {"type": "long", "logicalType": "timestamp-millis"})),
            [],
            id="one of a timestamp's names",
        ),
        pytest.param(
            row(("a", semantic.CONNECT_TIMESTAMP)),
            row(("a", {"type": "long", "logicalType": "timestamp-micros"})),
            ["a: expected timestamp-micros, found timestamp-millis"],
            id="another logical type beside a Connect name",
        ),
        pytest.param(
            row(("a", semantic.CONNECT_DATE)),
            row(("a", DATE | {"logicalType": "date"})),
            ["a: expected io.debezium.time.Date, found org.apache.kafka.connect.data.Date"],
            id="one name is the same and the other is not",
        ),
        pytest.param(row(("a", "int")), row_with_alias, [], id="a field by its other name"),
        pytest.param(
            row(("a", fixed(2))),
            row(("a", fixed(3))),
            ["a: expected fixed F of 3 bytes, found fixed F of 2 bytes"],
            id="size of bytes",
        ),
        pytest.param(row(("a", decimal(8, 2))), row(("a", decimal(9, 2))), [], id="fewer digits"),
        pytest.param(
            row(("a", "int"), ("b", "int")),
            row(("a", "string"), ("b", "string"), ("c", ["null", "int"])),
            [
                "a: expected string, found int",
                "b: expected string, found int",
                "c: expected int, which may be null, found no such field",
            ],
            id="all of them",
        ),
        pytest.param(
            row(("a", "int")),
            row(("a", "int"), name="Other"),
            [": expected record Other, found record Value"],
            id="name",
        ),
    ],
)
def test_what_does_not_fit_is_told(writer: Any, reader: Any, told: list[str]) -> None:
    """By path, what is expected and what is there."""
    assert said(writer, reader) == told


def test_types_that_contain_themselves_are_compared_once() -> None:
    """And what is behind them is not forgotten."""
    chain = row(("next", ["null", "Value"]), ("a", "int"))

    assert said(chain, chain) == []
    assert said(chain, row(("next", ["null", "Value"]), ("a", "string"))) == ["a: expected string, found int"]
