"""What a writer schema wants of a table's columns."""

from decimal import Decimal
from typing import Any

import pytest

from consumer.core.envelope import read_writer_schema
from consumer.core.evolution import WantedColumn
from consumer.core.types import PLAIN, ColumnPolicy
from consumer.core.wanted import Travelling, wanted_columns
from tests.unit.avro import Writer, envelope

TIME = "io.debezium.time."


def wanted(kind: Any, policy: ColumnPolicy = PLAIN, **field: Any) -> WantedColumn:
    """A column of this Avro type."""
    text = Writer(envelope([{"name": "c", "type": kind, **field}])).text
    (column,) = read_writer_schema(text).columns
    (found,) = wanted_columns([Travelling(column=column, name="c", policy=policy)], text)
    return found


def named(word: str, name: str, **parameters: str) -> dict[str, Any]:
    """A semantic type."""
    return {"type": word, "connect.name": name, "connect.parameters": parameters}


def propagated(kind: str, length: str | None = None) -> dict[str, Any]:
    """A text whose type at the source is said."""
    said = {"__debezium.source.column.type": kind}
    if length:
        said["__debezium.source.column.length"] = length
    return {"type": "string", "connect.parameters": said}


@pytest.mark.parametrize(
    ("kind", "form", "sized"),
    [
        ("long", "bigint", True),
        ({"type": "int", "connect.type": "int16"}, "smallint", True),
        ({"type": "bytes", "logicalType": "decimal", "precision": 7, "scale": 2}, "numeric(7,2)", True),
        (named("long", TIME + "Timestamp"), "timestamp(3) without time zone", True),
        (named("long", TIME + "MicroTimestamp"), "timestamp(6) without time zone", True),
        (named("string", TIME + "ZonedTimestamp"), "timestamp(0) with time zone", True),
        ("string", "text", False),
        (propagated("VARCHAR", "20"), "character varying(20)", True),
        (propagated("BPCHAR", "3"), "character(3)", True),
        (propagated("TEXT"), "text", True),
        (propagated("JSONB"), "text", False),
        (named("string", "io.debezium.data.Enum", allowed="a,b"), "text", False),
    ],
)
def test_a_column_wants_a_type_that_holds_its_values(kind: Any, form: str, sized: bool) -> None:
    """As far as the schema says what they may be: digits of a second and lengths are known of some only."""
    column = wanted(kind)
    assert (str(column.type), column.sized) == (form, sized)


def test_a_type_that_people_chose_is_theirs() -> None:
    """It is made so, and compared with nothing."""
    column = wanted("string", ColumnPolicy(type="public.mood"))
    assert (column.created, column.type) == (("public.mood",), None)


_LONG = (10**37 + 1).to_bytes(16, "big").decode("latin-1")


@pytest.mark.parametrize(
    ("kind", "default", "said"),
    [
        ("int", 5, 5),
        ({"type": "int", "connect.default": 5}, 5, 5),
        ("boolean", False, False),
        ("double", 1.5, 1.5),
        ("string", "it's", "it's"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "\x04\u00d2", Decimal("12.34")),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "\u00ff", Decimal("-0.01")),
        # no bytes; more digits than a context keeps
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "\u20ac", None),
        ({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}, _LONG, Decimal(f"{10**35}.01")),
        (named("long", TIME + "MicroTimestamp"), 0, None),
        (named("int", TIME + "Date"), 0, None),
        (named("string", "io.debezium.data.Json"), "{}", None),
        ("bytes", "\x00", None),
        ("string", "a\0b", None),
    ],
)
def test_a_default_is_taken_where_its_form_is_the_value(kind: Any, default: Any, said: Any) -> None:
    """What may stand for a function is not."""
    found = wanted(kind, default=default)
    assert found.default == said
    assert type(found.default) is type(said)
    assert wanted(kind).default is None
    # an optional column with a default has its value first
    assert wanted([kind, "null"], default=default).default == said
    assert wanted([kind, "null"], default=default).nullable


def test_a_default_beyond_all_floats_is_none() -> None:
    """As JSON it is a whole number."""
    text = Writer(envelope([{"name": "c", "type": "double", "default": 1.5}])).text.replace("1.5", str(10**400))
    (column,) = read_writer_schema(text).columns
    (found,) = wanted_columns([Travelling(column=column, name="c")], text)
    assert found.default is None


@pytest.mark.parametrize("policy", [ColumnPolicy(binary="hex"), ColumnPolicy(type="bytea")])
def test_a_default_is_not_that_of_a_column_that_people_made_another(policy: ColumnPolicy) -> None:
    """Its values are not the source's any more."""
    assert wanted("string", policy, default="4142").default is None


@pytest.mark.parametrize(
    ("allowed", "labels"), [("sad,glad", ("sad", "glad")), (r"a\,b,c", ("a,b", "c")), ("one", ("one",))]
)
def test_labels_of_an_enum_are_told_apart(allowed: str, labels: tuple[str, ...]) -> None:
    """By commas that are not their own."""
    assert wanted(["null", named("string", "io.debezium.data.Enum", allowed=allowed)]).labels == labels
    assert wanted(named("string", "io.debezium.data.EnumSet", allowed=allowed)).labels == ()
