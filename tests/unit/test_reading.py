"""Records for people: as far as they can be read, with the field at which they can't, whatever their bytes are."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.core.avro_bytes import long
from dlq.reading import read
from dlq.showing import DEEPEST, LONGEST_TEXT, MOST_ITEMS, bounded
from dlq.values import Types
from dlq.wire import Cursor, Damaged
from tests.unit.avro import Writer, envelope, event, framed, key
from tests.unit.made_data import Case, cases
from tests.unit.semantic import DATE, MS, TIME_US, US, array, decimal
from tests.unit.test_image import TREE

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "price", "type": ["null", decimal(6, 2)], "default": None},
    {"name": "born", "type": DATE},
    {"name": "note", "type": "string"},
]
WRITER = Writer(envelope(FIELDS))
ROW = {"id": 7, "price": Decimal("12.50"), "born": 19_000, "note": "é\x1b[31m"}
SOUND = WRITER.framed(3, event("u", ROW, ROW))


def column(kind: Any, value: Any) -> Any:
    """What people see of a value of a column."""
    writer = Writer(envelope([{"name": "c", "type": kind}]))
    reading = read(writer.framed(1, event("c", None, {"c": value})), writer.text)
    assert reading.problem == ""
    assert reading.values is not None
    return reading.values["after"]["c"]


def test_a_sound_record_is_read_as_people_write_it() -> None:
    """Rows with dates as dates, everything else beside them."""
    reading = read(SOUND, WRITER.text)
    row = {"id": 7, "price": "12.50", "born": "2022-01-08", "note": "é\x1b[31m"}
    assert reading.values is not None
    assert (reading.values["before"], reading.values["after"], reading.values["op"]) == (row, row, "u")
    assert reading.values["source"]["table"] == "orders"
    assert (reading.problem, reading.field) == ("", "")


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (DATE, -1, "1969-12-31"),
        (DATE, 2**31 - 1, 2**31 - 1),
        (MS, 1_709_210_096_123, "2024-02-29 12:34:56.123"),
        (US, 1_709_210_096_000_000, "2024-02-29 12:34:56"),
        (US, -62_135_596_800_000_000, "0001-01-01 00:00:00"),
        (US, 2**63 - 1, 2**63 - 1),
        (TIME_US, 86_399_999_999, "23:59:59.999999"),
        (TIME_US, 86_400_000_000, "24:00:00"),
        (TIME_US, -1, -1),
        (array(DATE), [0, 1], ["1970-01-01", "1970-01-02"]),
        ("bytes", b"\0\xff", "\\x00ff"),
        (["null", "bytes"], None, None),
        (decimal(6, 2), Decimal("-0.50"), "-0.50"),
    ],
)
def test_values_are_in_the_words_of_people(kind: Any, value: Any, said: Any) -> None:
    """What no calendar has stays a number."""
    assert column(kind, value) == said


@pytest.mark.parametrize(
    ("raw", "field", "front"),
    [
        (SOUND[:7], "before.price", {"before": {"id": 7}}),
        (SOUND[:-2], "op", None),
        (SOUND + b"\0", "", None),
        (SOUND[:5], "before", {}),
    ],
)
def test_the_field_at_which_a_record_breaks_is_named(raw: bytes, field: str, front: Any) -> None:
    """With what stood in front of it."""
    reading = read(raw, WRITER.text)
    assert "does not decode" in reading.problem
    assert reading.field == field
    assert front is None or reading.values == front


def test_items_are_named_by_their_place() -> None:
    """In lists of records too."""
    inner = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "string"}]}
    writer = Writer(key([{"name": "list", "type": array(inner)}]))
    raw = writer.framed(1, {"list": [{"x": "a"}, {"x": "b"}]})
    reading = read(raw[:-2], writer.text)
    assert (reading.field, reading.values) == ("list[1].x", {"list": [{"x": "a"}, {}]})


@pytest.mark.parametrize(
    "text", ["", "[", "{}", '{"type": "record"}', '"nothing"', '["null"]', "7", '{"type": "record", "name": "R"}']
)
def test_what_is_no_schema_is_said(text: str) -> None:
    """And nothing is raised."""
    assert read(SOUND, text).problem


@settings(max_examples=100, deadline=None)
@given(cases(enums=True), st.data())
def test_nothing_that_bytes_can_be_is_raised(case: Case, data: st.DataObject) -> None:
    """Whatever is read of them can be written as JSON."""
    raw = bytearray(framed(3, data.draw(st.sampled_from(case.data or [b""]))))
    for place in data.draw(st.lists(st.integers(5, max(len(raw) - 1, 5)), max_size=4)):
        raw[place : place + 1] = data.draw(st.binary(max_size=2))
    json.dumps(bounded(read(bytes(raw), case.text).values))


def test_more_items_than_bytes_are_refused() -> None:
    """Nulls take none, so a few bytes could fill the memory."""
    bomb = Types({}).typed({"type": "array", "items": "null"}, "")
    with pytest.raises(Damaged, match="more items"):
        bomb.read(Cursor(long(2**40)))
    assert bomb.read(Cursor(long(1000) + b"\0")) == [None] * 1000


def test_what_contains_itself_for_ever_is_no_end() -> None:
    """A deep value is refused, and the process goes on."""
    writer = Writer(key([{"name": "c", "type": TREE}]))
    assert "too deeply" in read(framed(1, b"\2\2" * 100_000), writer.text).problem


def test_what_is_long_is_cut() -> None:
    """And how much is missing is said."""
    deep: Any = "end"
    for _ in range(DEEPEST + 2):
        deep = [deep]
    assert str(bounded("x" * (LONGEST_TEXT + 5))).endswith("… (5 more characters)")
    assert bounded(list(range(MOST_ITEMS + 3)))[-1] == "… (3 more)"
    assert bounded({str(number): number for number in range(MOST_ITEMS + 1)})["…"] == "1 more"
    assert "nested" in json.dumps(bounded(deep), ensure_ascii=False)
    assert bounded({"a": [1, "b", None]}) == {"a": [1, "b", None]}
