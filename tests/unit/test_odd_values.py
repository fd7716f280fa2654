"""Values of unusual shape cost their own record at most; nothing that they hold ends the planning."""

import json
import struct
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from consumer.binding.known import KnownBindings
from consumer.core.avro import UnsupportedSchema
from consumer.core.binding import Binding, BindingKey, BoundColumn
from consumer.core.carriers import carried
from consumer.core.envelope import Column, read_key_writer, read_writer_schema
from consumer.core.forms import Unfit, each_bytes
from consumer.core.markers import UNAVAILABLE
from consumer.core.records import Slice
from consumer.core.spatial import ewkb
from consumer.core.target import TableName, TargetColumn, TargetTable
from consumer.core.types import Kind, carriage
from consumer.planning.planner import Planner
from consumer.ports.refusals import DataFault, library_faults
from tests.unit.avro import Writer, envelope, framed, key
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.made_data import Case, cases
from tests.unit.semantic import SHAPE, array, filled, record

PAIR = record("shop.Pair", ("names", array("string")), ("number", "int"))
LETTERED = {"type": "map", "values": array("string")}
EXTENDED = filled(SHAPE, wkb=b"\x01", extensions={"closed": "false"})
NESTED = [
    pytest.param(array(array("int")), [[1]], id="array of arrays"),
    pytest.param(array(array("string")), [[UNAVAILABLE]], id="array of arrays of what stands for nothing"),
    pytest.param(array(array("int")), [[1]] * len(UNAVAILABLE), id="as many arrays as the placeholder has bytes"),
    pytest.param({"type": "map", "values": array("string")}, {"a": ["b"]}, id="map of arrays"),
    pytest.param({"type": "map", "values": PAIR}, {"a": {"names": [], "number": 1}}, id="map of records"),
    pytest.param(array(PAIR), [{"names": ["a"], "number": 1}], id="array of records with a list"),
    pytest.param(array(SHAPE), [EXTENDED], id="array of shapes with extensions"),
]


@pytest.mark.parametrize("count", [1, 3, 25])
@pytest.mark.parametrize(("avro", "value"), NESTED)
def test_lists_that_hold_lists_are_values(avro: Any, value: Any, count: int) -> None:
    """Whatever their sizes are: no placeholder holds a list."""
    topic = Topic([{"name": "id", "type": "long"}, {"name": "v", "type": ["null", avro]}])
    known = KnownBindings()
    topic.bound_to(known)
    plan = planner(known).plan([slice_of([topic.record("c", {"id": n, "v": value}) for n in range(count)])])

    assert (plan.counts.upserts, plan.counts.letters) == (count, 0)


@pytest.mark.parametrize(
    ("number", "kind", "kept"),
    [
        ("1.1", "float8", True),
        ("123456.78", "float8", True),
        ("0.1", "float4", True),
        ("1.12345678901234567", "float8", False),
        ("16777217", "float4", False),
    ],
)
def test_a_decimal_is_kept_by_a_float_that_is_written_as_it(number: str, kind: str, kept: bool) -> None:
    """The digits that the float has behind these were never sent."""
    avro = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}
    (column,) = read_writer_schema(Writer(envelope([{"name": "v", "type": avro}])).text).columns
    values = pl.Series([Decimal(number)], dtype=pl.Decimal(38, 18))
    if kept:
        assert len(carried(values, carriage(column, Kind(name=kind)), column)) == 1
    else:
        with pytest.raises(Unfit):
            carried(values, carriage(column, Kind(name=kind)), column)


POINT_2D = bytes.fromhex("0101000000000000000000f03f0000000000000040")


@pytest.mark.parametrize(("srid", "written"), [(4326, "e6100000"), (-1, "ffffffff"), (-(2**31), "00000080")])
def test_a_reference_system_is_the_number_of_32_bits_that_it_was(srid: int, written: str) -> None:
    """The connector reads it as one with a sign."""
    assert ewkb({"wkb": POINT_2D, "srid": srid}).hex() == "0101000020" + written + POINT_2D.hex()[10:]


SHAPES = [
    ("Point", {"x": 1.0, "y": None, "wkb": None, "srid": None}, "point"),
    ("Point", {"x": 1.0, "y": None, "wkb": None, "srid": None}, "bytea"),
    ("Point", {"x": 1.0, "y": None, "wkb": None, "srid": None}, "geometry"),
    ("Line", {"a": None, "b": 1.0, "c": 1.0}, "line"),
    ("Circle", {"center": {"x": 1.0, "y": None}, "radius": 1.0}, "circle"),
]
PARTS = {
    "Point": (("x", "double"), ("y", "double")),
    "Line": (("a", "double"), ("b", "double"), ("c", "double")),
    "Circle": (("center", "record"), ("radius", "double")),
}


@pytest.mark.parametrize(("name", "value", "target"), SHAPES)
def test_a_shape_without_one_of_its_numbers_does_not_fit(name: str, value: Any, target: str) -> None:
    """Its record becomes a letter that says so."""
    column = Column(name="v", avro="record", semantic=f"io.debezium.data.geometry.{name}", parts=PARTS[name])
    with pytest.raises(Unfit, match="without some of them"):
        carried(pl.Series([value]), carriage(column, Kind(name=target)), column)


@pytest.mark.parametrize("text", ["[" * 200_000, "[", "", '{"a": 1}', '["a"]', '{"a": ' + "1" * 5_000 + "}"])
def test_what_is_not_a_json_object_of_texts_is_no_hstore(text: str) -> None:
    """Neither one as deep as a stack, which does not end the process, nor what is no JSON."""
    column = Column(name="v", avro="string", semantic="io.debezium.data.Json")
    with pytest.raises(Unfit, match="a JSON object of texts"):
        carried(pl.Series([text]), carriage(column, Kind(name="hstore")), column)


@pytest.mark.parametrize("deep", [150, 3_000, 200_000])
def test_a_schema_as_deep_as_a_stack_is_not_read(deep: int) -> None:
    """Nor is one whose types are nested less deeply than JSON may be, but more than what reads them can follow."""
    kind = '{"type":"array","items":' * deep + '"int"' + "}" * deep
    text = json.dumps(envelope([{"name": "id", "type": "long"}, {"name": "v", "type": "string"}]))
    assert text.count('"string"}]') == 1
    with pytest.raises(UnsupportedSchema, match="nested"):
        read_writer_schema(text.replace('"string"}]', kind + "}]"))


def test_types_of_usual_depth_are_read() -> None:
    """A bound that no table meets."""
    kind: Any = "int"
    for _ in range(20):
        kind = array(kind)
    assert len(read_writer_schema(Writer(envelope([{"name": "v", "type": kind}])).text).columns) == 1


@pytest.mark.parametrize(
    "error", [TypeError, KeyError, ZeroDivisionError, RecursionError, AttributeError, OverflowError]
)
def test_whatever_a_value_makes_of_the_libraries_is_a_fault_of_data(error: type[Exception]) -> None:
    """So the batch is halved until the record stands alone, instead of ending the process again and again."""
    with pytest.raises(DataFault, match=error.__name__), library_faults(None, "planner", "plan"):
        raise error("secret")


def test_a_form_that_does_not_pack_is_a_value_without_its_parts() -> None:
    """As when numbers are missing."""
    with pytest.raises(Unfit):
        each_bytes(pl.Series([1]), lambda value: struct.pack(">d", None))


NAMES = (
    *(
        "int2",
        "int4",
        "int8",
        "numeric",
        "float4",
        "float8",
        "money",
        "bool",
        "text",
        "varchar",
        "name",
        "bytea",
        "uuid",
    ),
    *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb", "hstore", "bit", "varbit"),
    *("point", "box", "path", "polygon", "lseg", "circle", "line", "geometry", "vector", "halfvec", "sparsevec"),
)
KINDS = [
    *(Kind(name=name) for name in NAMES),
    *(Kind(name=name, digits=digits) for name in ("numeric", "timestamp", "time") for digits in (-2, 0, 2)),
    *(Kind(name=f"_{name}", item=Kind(name=name)) for name in NAMES),
]


def planner_of(case: Case) -> Planner:
    """A planner that knows the case's topic, and a table whose columns are of any types."""
    schema = read_writer_schema(case.text)
    kinds = [Kind(name="int4"), *case.chance.choices(KINDS, k=len(schema.columns) - 1)]
    columns = [
        BoundColumn(source=source, target=TargetColumn(name=source.name, type_name=kind.name, cast="text"), how=how)
        for source, kind in zip(schema.columns, kinds, strict=True)
        for how in [carriage(source, kind)]
    ]
    targets = tuple(column.target for column in columns)
    known = KnownBindings()
    binding = Binding(
        schema=schema,
        key_writer=read_key_writer(KEYS.text),
        table=TargetTable(name=TableName("public", "t"), columns=targets, unique=(frozenset({"id"}),)),
        columns=tuple(columns),
        identity=("id",),
    )
    known.learn(BindingKey(AT.topic, framed(1, b""), framed(2, b"")), binding)
    return planner(known)


KEYS = Writer(key([{"name": "id", "type": "int"}]))


def refusal(plans: Planner, piece: Slice) -> BaseException | None:
    """Why the planner does not take it."""
    try:
        plans.plan([piece])
    except DataFault as fault:
        return fault.__cause__
    return None


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases(enums=True))
def test_any_sound_record_is_planned_or_refused_by_its_value(case: Case) -> None:
    """Whatever the schema and the columns that are there."""
    plans = planner_of(case)
    for number, datum in enumerate(case.data[:6]):
        cause = refusal(plans, slice_of([(KEYS.framed(1, {"id": number}), framed(2, datum))]))
        assert isinstance(cause, Unfit | pl.exceptions.PolarsError | None)
