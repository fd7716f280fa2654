"""Schemas that the native reader breaks on although nothing is wrong with their data: the row decoder reads them."""

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.binding.known import KnownBindings
from consumer.core.envelope import read_writer_schema
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from tests.unit.avro import Writer, envelope, event
from tests.unit.known import Topic, planner, slice_of

ID = {"name": "id", "type": "long"}
# found by trying; both decoders are given them, as nothing in the schema says so
BROKEN = {
    "null": ({"name": "f", "type": "null"}, None),
    "map of nulls": ({"name": "f", "type": {"type": "map", "values": "null"}}, {"a": None}),
    "array of records with a null": (
        {
            "name": "f",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "R", "fields": [{"name": "a", "type": "null"}, ID]},
            },
        },
        [{"a": None, "id": 1}],
    ),
}
SOUND = ({"name": "f", "type": ["null", "string"], "default": None}, "word")


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def data_of(field: Mapping[str, Any], value: Any, count: int = 50) -> tuple[str, list[bytes]]:
    """A rewritten schema and data of it."""
    writer = Writer(envelope([ID, field]))
    rewritten = read_writer_schema(writer.text).rewritten
    assert rewritten is not None
    assert rewritten.columnar
    return rewritten.text, [writer.framed(2, event("c", None, {"id": n, "f": value}))[5:] for n in range(count)]


@pytest.mark.parametrize("name", BROKEN)
def test_a_schema_that_breaks_the_native_reader_is_read_by_the_row_decoder_for_a_while(name: str) -> None:
    """It is told once; others are read as before, and later it is tried again."""
    clock, rows = Clock(), RowDecoder()
    decoder = ColumnarDecoder(rows, clock=clock)
    schema, data = data_of(*BROKEN[name])
    first = decoder.sift(schema, data, ["op", "after"])
    assert first.given_up
    assert (first.frame.rows(), first.bad) == (rows.sift(schema, data, ["op", "after"]).frame.rows(), {})
    again = decoder.sift(schema, data, ["op", "after"])
    assert (again.given_up, again.careful) == ("", len(data))
    other, others = data_of(*SOUND)
    assert decoder.sift(other, others, ["op", "after"]).careful == 0
    clock.now += 601
    assert decoder.sift(schema, data, ["op", "after"]).given_up


def test_damaged_data_are_no_reason_to_give_a_schema_up() -> None:
    """The reader is right about them."""
    decoder = ColumnarDecoder(RowDecoder())
    schema, data = data_of(*SOUND)
    data[7] = data[7][:-1]
    sifted = decoder.sift(schema, data, ["op", "after"])
    assert (list(sifted.bad), sifted.given_up) == ([7], "")
    data[7] = data[8]
    assert decoder.sift(schema, data, ["op", "after"]).given_up == ""
    assert decoder.sift(schema, data, ["op", "after"]).careful == 0


def test_a_batch_of_such_a_schema_is_planned_and_the_log_says_why_it_is_slower() -> None:
    """Once, with the topic and what to do; the plan says who decoded it."""
    field, value = BROKEN["map of nulls"]
    topic, known = Topic([ID, field]), KnownBindings()
    topic.bound_to(known)
    plans = planner(known)
    piece = slice_of([topic.record("c", {"id": n, "f": value}) for n in range(50)])
    with capture_logs() as logs:
        first, second = plans.plan([piece]), plans.plan([piece])
    assert first.counts.upserts == second.counts.upserts == 50
    assert second.decoded == {"row": 50}
    (line,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (line["topic"], bool(line["reason"]), bool(line["remedy"])) == (piece.at.topic, True, True)
