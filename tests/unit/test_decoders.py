"""The columnar decoder is held to the row decoder, on sound and on damaged bytes."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from consumer.core.envelope import read_key_writer, read_writer_schema
from consumer.edges.avro_blocks import MAX_RECORDS
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.ports.decoding import BadDatum, Decoder
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.strict_avro import defects

ROOT = Path(__file__).parents[2]
# the child counts its own time; this is for one that waits for something
WALL_SECONDS = 850
ROW = [
    {"name": "id", "type": "int"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "price", "type": [{"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "null"]},
    {"name": "tags", "type": {"type": "map", "values": "int"}},
    {"name": "ready", "type": "boolean"},
]
ENVELOPE = Writer(envelope(ROW))
REWRITTEN = read_writer_schema(ENVELOPE.text).rewritten
assert REWRITTEN is not None
SCHEMA = REWRITTEN.text
FIELDS = ("op", "after")
COUNT = 40
AT = 17


def after(number: int) -> bytes:
    """A sound insert."""
    row = {"id": number, "word": "word", "price": None, "tags": {"a": 1, "b": 2}, "ready": True}
    return ENVELOPE.datum(event("c", None, row))


def block(datum: bytes) -> list[bytes]:
    """Sound data with one of another kind among them."""
    return [*map(after, range(AT)), datum, *map(after, range(AT + 1, COUNT))]


def swapped(old: bytes, new: bytes) -> bytes:
    """A sound insert with some bytes exchanged, once."""
    datum = after(AT)
    assert datum.count(old) == 1
    return datum.replace(old, new)


BOTH = pytest.mark.parametrize("decoder", [ColumnarDecoder(RowDecoder()), RowDecoder()], ids=["columnar", "rows"])
WORD = b"\x02\x08word"
PRICE_NULL = b"word\x02"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ["good", "damaged", "sifted", "stored"])
def test_both_decoders_agree_in_time(what: str) -> None:
    """Random columns and random damage: the same frames or the same bad datum."""
    child = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.unit.decoder_agreement", what],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WALL_SECONDS,
        check=False,
    )

    assert child.returncode == 0, child.stderr[-4000:]


@BOTH
@pytest.mark.parametrize(
    ("datum", "found"),
    [
        pytest.param(after(AT)[:-1], "short", id="cut"),
        pytest.param(b"", "short", id="empty"),
        pytest.param(after(AT) + b"\x00", "surplus", id="one byte more"),
        pytest.param(after(AT) * 2, "surplus", id="doubled"),
        pytest.param(swapped(WORD, b"\x02\x08\xff\xff\xff\xff"), "text", id="not utf-8"),
        pytest.param(swapped(WORD, b"\x02\x07word"), "negative length", id="negative length"),
        pytest.param(swapped(WORD, b"\x02\xfe\xff\xff\xff\x0fword"), "short", id="length of 2 GiB"),
    ],
)
def test_a_damaged_datum_is_named_by_its_index(decoder: Decoder, datum: bytes, found: str) -> None:
    """Damage costs the one datum that has it; its index is exact."""
    assert found in {defect.what for defect in defects(json.loads(SCHEMA), datum, FIELDS)}
    with pytest.raises(BadDatum) as caught:
        decoder.decode(SCHEMA, block(datum), FIELDS)

    assert caught.value.index == AT


def classes(datum: bytes, fields: Sequence[str] = FIELDS) -> set[tuple[str, bool]]:
    """What is wrong with a datum, and whether it is in a column that was asked for."""
    return {(defect.what, defect.wanted) for defect in defects(json.loads(SCHEMA), datum, fields)}


@BOTH
@pytest.mark.parametrize("index", [-1, 2, 3, 9, 64, 2**62], ids=lambda index: f"index {index}")
@pytest.mark.parametrize("null_first", [True, False], ids=["null first", "null second"])
def test_a_nullable_type_has_two_indexes(decoder: Decoder, index: int, null_first: bool) -> None:
    """Any other one is damage, though the value behind it may be read."""
    old, new = (WORD, varint(index) + WORD[1:]) if null_first else (PRICE_NULL, PRICE_NULL[:-1] + varint(index))
    datum = swapped(old, new)
    assert classes(datum) == {("union index", True)}
    with pytest.raises(BadDatum) as caught:
        decoder.decode(SCHEMA, block(datum), FIELDS)

    assert caught.value.index == AT


@BOTH
@pytest.mark.parametrize("fields", [FIELDS, ("op", "before", "after")], ids=["not asked for", "asked for"])
def test_the_items_of_an_array_end_where_they_are_read_to(decoder: Decoder, fields: Sequence[str]) -> None:
    """A declared size that is too small, too large or behind the datum's end moves nothing."""
    for size in (b"\x02", b"\x10", b"\xfe\x07"):
        datum = with_before(b"\x02\x02x\x02\x00", b"\x01" + size + b"\x02x\x02\x00")
        assert {what for what, _ in classes(datum, fields)} == {"block size"}
        assert len(decoder.decode(SCHEMA, block(datum), fields)) == COUNT


@BOTH
def test_items_that_are_not_there_are_missed_though_their_size_is_declared(decoder: Decoder) -> None:
    """Who steps over them by the size would not see it."""
    datum = with_before(b"\x02\x02x\x02\x00", b"\x03\x06\x02x\x02\x00")
    with pytest.raises(BadDatum) as caught:
        decoder.decode(SCHEMA, block(datum), FIELDS)

    assert caught.value.index == AT


@BOTH
@pytest.mark.parametrize("fields", [["a"], ["b"], ["a", "b"]], ids=" ".join)
@pytest.mark.parametrize("count", [b"\x04", b"\x03\x06"], ids=["no size", "a size"])
def test_items_that_may_be_null_have_two_indexes(decoder: Decoder, fields: Sequence[str], count: bytes) -> None:
    """Whether the array is asked for or not, and whether its items could be stepped over by their size or not."""
    kinds = {"a": {"type": "array", "items": ["null", "int"]}, "b": "int"}
    writer = Writer(key([{"name": name, "type": kind} for name, kind in kinds.items()]))
    schema = read_key_writer(writer.text).text
    sound = [writer.datum({"a": [None, number], "b": number}) for number in range(COUNT)]
    datum = count + b"\x00\x02\x0e" + b"\x00" + b"\x0e"
    assert len(decoder.decode(schema, [*sound, datum], fields)) == COUNT + 1
    with pytest.raises(BadDatum) as caught:
        decoder.decode(schema, [*sound, datum.replace(b"\x02\x0e\x00", b"\x04\x0e\x00")], fields)

    assert caught.value.index == COUNT


def varint(number: int) -> bytes:
    """A number as Avro writes it."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, "long", number)
    return stream.getvalue()


@pytest.mark.parametrize(
    "index", [-1, -2, -3, -64, -(2**31), -(2**63), 2, 3, 2**62], ids=lambda index: f"index {index}"
)
def test_the_reference_takes_no_index_but_those_that_there_are(index: int) -> None:
    """None counts from the end, as Python's do: not of a nullable type, an enum, a union, nor below a reference."""
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    kinds = [["null", "int"], {"type": "enum", "name": "State", "symbols": ["A", "B"]}, ["int", "string"], node]
    values = [5, "B", "x", {"next": {"next": None}}]
    for kind, value, place in zip(kinds, values, (0, 0, 0, 1), strict=True):
        writer = Writer({"type": "record", "name": "r", "fields": [{"name": "a", "type": kind}]})
        datum = writer.datum({"a": value})
        schema = read_key_writer(writer.text).text
        assert len(RowDecoder().decode(schema, [datum], ["a"])) == 1
        with pytest.raises(BadDatum):
            RowDecoder().decode(schema, [datum[:place] + varint(index) + datum[place + 1 :]], ["a"])


def with_before(old: bytes, new: bytes) -> bytes:
    """An update whose image before has some bytes exchanged, once."""
    before = {"id": 99, "word": "gone", "price": Decimal("1.23"), "tags": {"x": 1}, "ready": True}
    row = {"id": AT, "word": "word", "price": None, "tags": {}, "ready": True}
    datum = ENVELOPE.datum(event("u", before, row))
    assert datum.count(old) == 1
    return datum.replace(old, new)


@BOTH
@pytest.mark.parametrize(
    ("datum", "found"),
    [
        pytest.param(swapped(b"\x08shop", b"\x08\xff\xff\xff\xff"), "text", id="origin"),
        pytest.param(with_before(b"gone", b"\xff\xff\xff\xff"), "text", id="text before"),
        pytest.param(with_before(b"\x02\x7b", b"\x06\x7f\xff\xff"), "decimal precision", id="decimal before"),
        pytest.param(with_before(b"\x02\xc6\x01", b"\x02\xfe\xff\xff\xff\xff\x0f"), "int range", id="int before"),
        pytest.param(with_before(b"\x02\x02x\x02\x00", b"\x02\x02\xff\x02\x00"), "text", id="map before"),
    ],
)
def test_what_nobody_asked_for_refuses_no_record(decoder: Decoder, datum: bytes, found: str) -> None:
    """Nothing of it reaches the target; a record's fate must not depend on how many others are read with it."""
    assert classes(datum) == {(found, False)}

    assert decoder.decode(SCHEMA, block(datum), FIELDS)["after"].struct.field("id").to_list() == list(range(COUNT))
    with pytest.raises(BadDatum):
        decoder.decode(SCHEMA, block(datum), [*FIELDS, "before", "source_db"])


@BOTH
@pytest.mark.parametrize(
    "datum",
    [
        pytest.param(swapped(b"\x02\x0e\x00", b"\x04\x0e\x00"), id="an unknown index"),
        pytest.param(swapped(b"\x02\x0e\x00", b"\x01\x0e\x00"), id="a negative index"),
        pytest.param(swapped(b"\x08shop", b"\x07shop"), id="a negative length"),
        pytest.param(after(AT)[:-1], id="an end too early"),
    ],
)
def test_where_a_column_ends_counts_though_nobody_asked_for_it(decoder: Decoder, datum: bytes) -> None:
    """What can't be stepped over safely may have shifted what stands behind it."""
    with pytest.raises(BadDatum) as caught:
        decoder.decode(SCHEMA, block(datum), FIELDS)

    assert caught.value.index == AT


def test_the_last_of_two_entries_of_a_map_counts() -> None:
    """The native reader keeps both; as a value they are one, the same as the row decoder's."""
    datum = swapped(b"\x04\x02a\x02\x02b\x04\x00", b"\x04\x02a\x02\x02a\x04\x00")
    assert classes(datum) == {("map key twice", True)}
    both = [d.decode(SCHEMA, block(datum), FIELDS)["after"] for d in (ColumnarDecoder(RowDecoder()), RowDecoder())]

    assert [rows.struct.field("tags")[AT] for rows in both] == [{"a": 2}, {"a": 2}]


@BOTH
@pytest.mark.parametrize(
    "datum",
    [
        pytest.param(swapped(b"\x02" + bytes([2 * AT]), b"\x02\xfe\xff\xff\xff\xff\x0f"), id="an int of 40 bits"),
        pytest.param(swapped(PRICE_NULL, b"word\x00\x06\x7f\xff\xff"), id="seven digits in a decimal of four"),
    ],
)
def test_a_value_outside_its_declared_range_is_bad_data(decoder: Decoder, datum: bytes) -> None:
    """A value that its declared type can't hold is the record's fault, so the record is named."""
    with pytest.raises(BadDatum) as caught:
        decoder.decode(SCHEMA, block(datum), FIELDS)

    assert caught.value.index == AT


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 0}


@BOTH
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param({"type": "array", "items": DECIMAL}, lambda value: [value], id="array"),
        pytest.param({"type": "map", "values": ["null", DECIMAL]}, lambda value: {"a": value}, id="map"),
        pytest.param(
            {"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", DECIMAL]}]},
            lambda value: {"a": value},
            id="record",
        ),
    ],
)
def test_a_decimal_is_held_to_its_precision_wherever_it_is(
    decoder: Decoder, kind: Any, value: Callable[[Decimal], Any]
) -> None:
    """The target would round it or refuse it for the whole block, and a text would keep it."""
    writer = Writer(key([{"name": "a", "type": kind}]))
    schema = read_key_writer(writer.text).text
    data = [writer.datum({"a": value(Decimal(number))}) for number in (*range(30), 123, *range(30))]
    assert len(decoder.decode(schema, data, ["a"])) == len(data)
    with pytest.raises(BadDatum) as caught:
        decoder.decode(schema.replace('"precision": 3', '"precision": 2'), data, ["a"])

    assert caught.value.index == 30


_DELETES = """
from consumer.core.envelope import read_writer_schema
from consumer.edges.rows import RowDecoder
from tests.unit.avro import Writer, envelope, event
state = {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}
writer = Writer(envelope([{"name": "id", "type": "int"}, {"name": "state", "type": state}]))
data = [writer.datum(event("d", {"id": 1, "state": "NEW"}, None))]
frame = RowDecoder().decode(read_writer_schema(writer.text).rewritten.text, data, ["op", "after"])
assert frame["after"].to_list() == [None]
"""


def test_deletes_of_a_table_with_an_enum_decode() -> None:
    """A few deletes without any after image are sound data; in a child process since a panic prints its stack."""
    child = subprocess.run([sys.executable, "-c", _DELETES], cwd=ROOT, capture_output=True, timeout=60, check=False)

    assert child.returncode == 0


def test_small_blocks_go_to_the_row_decoder() -> None:
    """Below the smallest block the row decoder is used, which is faster there."""
    frame = ColumnarDecoder(RowDecoder(), smallest_block=20).decode(SCHEMA, [after(n) for n in range(19)], FIELDS)

    assert frame["after"].struct.field("id").to_list() == list(range(19))


def test_a_request_larger_than_a_block_is_cut_and_joined() -> None:
    """More records than a block may have come back as one frame in order, bad ones under their own index."""
    data = [after(number) for number in range(100)] * (MAX_RECORDS // 100 + 1)
    frame = ColumnarDecoder(RowDecoder()).decode(SCHEMA, data, FIELDS)
    assert frame["after"].struct.field("id").to_list() == list(range(100)) * (MAX_RECORDS // 100 + 1)

    data[MAX_RECORDS + 5] += b"\x00"
    with pytest.raises(BadDatum) as caught:
        ColumnarDecoder(RowDecoder()).decode(SCHEMA, data, FIELDS)
    assert caught.value.index == MAX_RECORDS + 5


def test_the_first_of_several_bad_data_is_named() -> None:
    """Records in front of it can be applied, so the first one counts."""
    data = [after(number) for number in range(100)]
    for index in (93, 31, 60):
        data[index] = data[index][:-1]
    with pytest.raises(BadDatum) as caught:
        ColumnarDecoder(RowDecoder()).decode(SCHEMA, data, FIELDS)

    assert caught.value.index == 31


def test_no_value_is_in_the_reason() -> None:
    """A reason goes to the log, where row values never are."""
    datum = swapped(WORD, b"\x02\x08\xffse\xff")
    with pytest.raises(BadDatum) as caught:
        RowDecoder().decode(SCHEMA, [datum], FIELDS)

    assert "se" not in caught.value.reason.replace("does", "").replace("schema", "")
    assert "UnicodeDecodeError" in caught.value.reason
