"""Bindings whose values a column does not take for what they are."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consumer.core.target import TargetColumn
from consumer.core.types import ColumnPolicy, Kind
from tests.unit.bound import FIELDS, ROW, TABLE, Bound
from tests.unit.known import Topic
from tests.unit.semantic import CIRCLE, DATE, INTERVAL, JSON, NANO_DURATION, POINT, TIME_US, US, array, filled


@pytest.mark.parametrize(
    ("kind", "target"),
    [("string", "bytea"), ({"type": "array", "items": ["null", "string"]}, "_bytea")],
)
def test_text_is_not_taken_for_bytes(kind: Any, target: str) -> None:
    """Unless it is set how it stands for them."""
    topic = Topic([*FIELDS, {"name": "raw", "type": kind}])
    item = Kind(name="bytea") if target == "_bytea" else None
    raw = TargetColumn(name="raw", type_name=target, cast=target, item=item)
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, raw)))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    change = topic.record("c", {**ROW, "raw": "00" if target == "bytea" else ["00"]})
    failure = bound.refusal(change)

    assert failure.kind == "table.shape"
    assert "after.raw: expected bytes for a column of type bytea, found text" in failure.detail
    assert "`binary`" in failure.remedy
    bound.world.columns = {str(TABLE.name): {"raw": ColumnPolicy(binary="hex")}}
    bound.start()
    assert bound.bind(change).columns[-1].how.policy.binary == "hex"


MOMENT = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}
MORE = "expected what a column of type {} holds, found more"
PARTS = (
    (MOMENT, ["time"]),
    (JSON, ["bool", "int2", "int4", "int8", "numeric", "float4", "float8"]),
    (CIRCLE, ["point", "box", "polygon"]),
)
VALUES: dict[str, Any] = {
    json.dumps("bytes"): b"\0",
    json.dumps(JSON): "1.5",
    json.dumps(CIRCLE): {"center": filled(POINT, x=1.0, y=2.0), "radius": 3.0},
}


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        pytest.param("bytes", "int4", "expected values for a column of type int4, found bytes", id="bytes"),
        *(pytest.param(kind, name, MORE.format(name), id=f"{name} of more") for kind, names in PARTS for name in names),
    ],
)
def test_a_cast_that_would_mean_something_else_is_not_made(kind: Any, target: str, said: str) -> None:
    """PostgreSQL would do it without a word."""
    topic = Topic([*FIELDS, {"name": "raw", "type": kind}])
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, TargetColumn(name="raw", type_name=target, cast=target))))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    failure = bound.refusal(topic.record("c", {**ROW, "raw": VALUES.get(json.dumps(kind), 1)}))

    assert failure.kind == "table.shape"
    assert f"after.raw: {said}" in failure.detail


@pytest.mark.parametrize("item", [DATE, US, TIME_US, NANO_DURATION], ids=["date", "timestamp", "time", "duration"])
@pytest.mark.parametrize("kind", ["text", "jsonb", "varchar"])
def test_an_array_of_counts_since_something_goes_into_an_array_alone(item: Any, kind: str) -> None:
    """A text would be numbers of days, or of microseconds."""
    topic = Topic([*FIELDS, {"name": "raw", "type": array(item)}])
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, TargetColumn(name="raw", type_name=kind, cast=kind))))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    failure = bound.refusal(topic.record("c", {**ROW, "raw": [1]}))

    assert (failure.kind, "an array of dates" in failure.remedy) == ("table.shape", True)
    assert "after.raw: expected an array column" in failure.detail


@pytest.mark.parametrize(
    "raw",
    [
        TargetColumn(name="raw", type_name="interval", cast="interval", masked=True),
        TargetColumn(name="raw", type_name="_interval", cast="interval[]", item=Kind(name="interval", masked=True)),
    ],
    ids=["interval", "array"],
)
def test_an_interval_of_some_fields_alone_takes_nothing(raw: TargetColumn) -> None:
    """PostgreSQL leaves the others out."""
    topic = Topic([*FIELDS, {"name": "raw", "type": INTERVAL}])
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, raw)))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    failure = bound.refusal(topic.record("c", {**ROW, "raw": "P1D"}))

    assert failure.kind == "table.shape"
    assert "after.raw: expected a column of type interval that keeps all fields" in failure.detail
    assert "interval without fields" in failure.remedy


def test_zero_bytes_of_a_key_stay() -> None:
    """Keys that differ would become one."""
    topic = Topic([{"name": "word", "type": "string"}], ("word",))
    table = topic.binding.table
    bound = Bound(table)
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    bound.world.columns = {str(TABLE.name): {"word": ColumnPolicy(zero_bytes="strip")}}
    bound.start()
    failure = bound.refusal(topic.record("c", {"word": "a"}))

    assert failure.kind == "table.shape"
    assert "after.word" in failure.detail
