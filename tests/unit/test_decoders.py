"""The columnar decoder is held to the row decoder, on sound and on damaged bytes."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from consumer.core.envelope import read_writer_schema
from consumer.edges.columnar import MAX_RECORDS, ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.ports import BadDatum, Decoder
from tests.unit.avro import Writer, envelope, event
from tests.unit.strict_avro import defects

ROOT = Path(__file__).parents[2]
WALL_SECONDS = 150
ROW = [
    {"name": "id", "type": "int"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "price", "type": [{"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "null"]},
    {"name": "tags", "type": {"type": "map", "values": "int"}},
    {"name": "ready", "type": "boolean"},
]
ENVELOPE = Writer(envelope(ROW))
SCHEMA = read_writer_schema(ENVELOPE.text).rewritten or ""
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


WORD = b"\x02\x08word"
PRICE_NULL = b"word\x02"


@pytest.mark.parametrize("what", ["good", "damaged"])
def test_both_decoders_agree_within_the_deadline(what: str) -> None:
    """Random columns and random damage: the same frames or the same bad datum, but for the classes that are listed."""
    child = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.unit.decoder_agreement", what],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WALL_SECONDS,
        check=False,
    )

    assert child.returncode == 0, child.stderr[-4000:]


@pytest.mark.parametrize("decoder", [ColumnarDecoder(RowDecoder()), RowDecoder()], ids=["columnar", "rows"])
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


def decoded(decoder: Decoder, data: Sequence[bytes]) -> pl.DataFrame | None:
    """The frame, or None for a bad datum."""
    try:
        return decoder.decode(SCHEMA, data, FIELDS)
    except BadDatum:
        return None


@pytest.mark.parametrize(
    ("datum", "found", "columns_takes", "rows_takes"),
    [
        pytest.param(swapped(WORD, b"\x04\x08word"), "union index", "word", None, id="index 2 counts as a value"),
        pytest.param(swapped(WORD, b"\x12\x08word"), "union index", "word", None, id="index 9 counts as a value"),
        pytest.param(swapped(WORD, b"\x01\x08word"), "union index", "word", "word", id="index -1 is Python's last"),
        pytest.param(swapped(PRICE_NULL, b"word\x04"), "union index", "word", None, id="index 2 counts as null"),
        pytest.param(
            swapped(b"\x04\x02a\x02\x02b\x04\x00", b"\x04\x02a\x02\x02a\x04\x00"),
            "map key twice",
            "word",
            "word",
            id="a map key twice",
        ),
    ],
)
def test_what_the_decoders_judge_differently(
    datum: bytes, found: str, columns_takes: str | None, rows_takes: str | None
) -> None:
    """The known weakness of the native reader, exactly: its row is taken, and no neighbour is touched."""
    assert {defect.what for defect in defects(json.loads(SCHEMA), datum, FIELDS)} == {found}
    frame = decoded(ColumnarDecoder(RowDecoder()), block(datum))
    rows = decoded(RowDecoder(), block(datum))

    assert frame is not None
    assert frame["after"].struct.field("word")[AT] == columns_takes
    assert (rows["after"].struct.field("word")[AT] if rows is not None else None) == rows_takes
    neighbours = frame["after"].struct.field("id").to_list()
    assert neighbours[:AT] + neighbours[AT + 1 :] == [*range(AT), *range(AT + 1, COUNT)]


def test_damage_in_a_column_that_nobody_asked_for_is_not_seen() -> None:
    """The native reader steps over columns that are not needed; nothing of them reaches the target."""
    datum = swapped(b"\x08shop", b"\x08\xff\xff\xff\xff")
    assert {(d.what, d.wanted) for d in defects(json.loads(SCHEMA), datum, FIELDS)} == {("text", False)}

    assert decoded(ColumnarDecoder(RowDecoder()), block(datum)) is not None
    assert decoded(RowDecoder(), block(datum)) is None


@pytest.mark.parametrize(
    "datum",
    [
        pytest.param(swapped(b"\x02" + bytes([2 * AT]), b"\x02\xfe\xff\xff\xff\xff\x0f"), id="an int of 40 bits"),
        pytest.param(swapped(PRICE_NULL, b"word\x00\x06\x7f\xff\xff"), id="seven digits in a decimal of four"),
    ],
)
def test_a_value_outside_its_declared_range_is_bad_data(datum: bytes) -> None:
    """A value that its declared type can't hold is the record's fault, so the record is named."""
    with pytest.raises(BadDatum):
        RowDecoder().decode(SCHEMA, block(datum), FIELDS)


_DELETES = """
from consumer.core.envelope import read_writer_schema
from consumer.edges.rows import RowDecoder
from tests.unit.avro import Writer, envelope, event
state = {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}
writer = Writer(envelope([{"name": "id", "type": "int"}, {"name": "state", "type": state}]))
data = [writer.datum(event("d", {"id": 1, "state": "NEW"}, None))]
frame = RowDecoder().decode(read_writer_schema(writer.text).rewritten, data, ["op", "after"])
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
