"""Bad data are sifted out of sound ones: every sound row once and in order, every bad datum with its reason."""

from collections.abc import Sequence

import pytest

from consumer.edges.avro_blocks import MAX_RECORDS
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.ports.decoding import BadDatum, Decoder
from tests.unit.test_decoders import AT, BOTH, FIELDS, PRICE_NULL, SCHEMA, WORD, after, swapped

CUT, SURPLUS = after(AT)[:-3], after(AT) + b"\x00"
TEXT = swapped(WORD, b"\x02\x08\xff\xff\xff\xff")
DIGITS = swapped(PRICE_NULL, b"word\x00\x06\x7f\xff\xff")
BITS = swapped(b"\x02" + bytes([2 * AT]), b"\x02\xfe\xff\xff\xff\xff\x0f")


def reason(datum: bytes) -> str:
    """Why a datum is refused when it stands alone."""
    with pytest.raises(BadDatum) as caught:
        RowDecoder().decode(SCHEMA, [datum], FIELDS)
    return caught.value.reason


def ids(numbers: Sequence[int]) -> list[int]:
    """The ids of sound data: an id of one byte tells them apart."""
    return [number % 60 for number in numbers]


@BOTH
@pytest.mark.parametrize(
    ("count", "bad"),
    [
        pytest.param(500, {}, id="none"),
        pytest.param(5, {2: SURPLUS}, id="a small block"),
        pytest.param(500, {0: CUT}, id="the first"),
        pytest.param(500, {499: CUT}, id="the last"),
        pytest.param(503, {502: SURPLUS}, id="the last, behind whole pieces"),
        pytest.param(500, {19: CUT, 20: SURPLUS, 21: CUT}, id="neighbours over a piece's end"),
        pytest.param(500, {100: TEXT, 103: DIGITS, 110: BITS, 112: CUT}, id="each kind in one piece"),
        pytest.param(3000, {7: DIGITS, 1200: BITS, 1290: CUT, 2999: TEXT}, id="more than a reader is given"),
        pytest.param(6000, {2559: CUT, 2560: SURPLUS, 5119: TEXT, 5120: CUT}, id="where a reader's data end"),
        pytest.param(4000, dict.fromkeys(range(3, 4000, 170), CUT), id="close to one another"),
        pytest.param(45, dict.fromkeys(range(45), CUT), id="all"),
        pytest.param(45, dict.fromkeys(range(1, 45), DIGITS), id="all but one"),
    ],
)
def test_sound_rows_are_kept_in_order_and_bad_data_named(decoder: Decoder, count: int, bad: dict[int, bytes]) -> None:
    """Wherever bad data stand, and whatever is wrong with them."""
    data = [bad.get(number, after(number % 60)) for number in range(count)]
    sifted = decoder.sift(SCHEMA, data, FIELDS)

    assert dict(sifted.bad) == {index: reason(datum) for index, datum in bad.items()}
    sound = [number for number in range(count) if number not in bad]
    assert sifted.frame["after"].struct.field("id").to_list() == ids(sound)
    assert sifted.frame.schema == RowDecoder().decode(SCHEMA, [after(1)], FIELDS).schema


@BOTH
def test_no_data_have_columns_and_types(decoder: Decoder) -> None:
    """What is done with the columns need not ask whether there are rows."""
    sifted = decoder.sift(SCHEMA, [], FIELDS)

    assert (len(sifted.frame), dict(sifted.bad)) == (0, {})
    assert sifted.frame.schema == RowDecoder().decode(SCHEMA, [after(1)], FIELDS).schema


@BOTH
def test_the_first_bad_datum_is_raised_whatever_is_wrong_with_it(decoder: Decoder) -> None:
    """A value out of range in front of a cut datum comes first, though it is found later."""
    for count in (5, 50):
        data = [*map(after, range(count - 2)), BITS, CUT]
        with pytest.raises(BadDatum) as caught:
            decoder.decode(SCHEMA, data, FIELDS)
        assert (caught.value.index, caught.value.reason) == (count - 2, reason(BITS))


def test_bad_data_of_several_blocks_keep_their_own_indexes() -> None:
    """A request larger than a block is cut, and the parts are joined."""
    data = [after(number % 60) for number in range(MAX_RECORDS + 100)]
    bad = (3, MAX_RECORDS - 1, MAX_RECORDS, MAX_RECORDS + 50)
    for index in bad:
        data[index] = CUT
    sifted = ColumnarDecoder(RowDecoder()).sift(SCHEMA, data, FIELDS)

    assert tuple(sifted.bad) == bad
    sound = [number for number in range(len(data)) if number not in bad]
    assert sifted.frame["after"].struct.field("id").to_list() == ids(sound)


class Counting(RowDecoder):
    """Counts the data that it is given."""

    def __init__(self) -> None:
        self.given = 0

    def sift(self, schema, data, fields, head=0):  # type: ignore[no-untyped-def]
        """Count, then sift."""
        self.given += len(data)
        return super().sift(schema, data, fields, head)


@pytest.mark.parametrize("datum", [CUT, SURPLUS, TEXT, DIGITS, BITS], ids=["cut", "surplus", "text", "digits", "bits"])
def test_few_bad_data_leave_most_to_the_native_reader(datum: bytes) -> None:
    """The row decoder sees one piece for each of them, so its slowness is not the batch's."""
    rows = Counting()
    data = [datum if number % 400 == 250 else after(number % 60) for number in range(4000)]
    sifted = ColumnarDecoder(rows, smallest_block=20).sift(SCHEMA, data, FIELDS)

    assert list(sifted.bad) == list(range(250, 4000, 400))
    assert rows.given == 10 * 20


def test_a_sound_block_behind_one_with_bad_data_is_read_all_the_same() -> None:
    """What was bad in the last block is only a hint for the next."""
    decoder = ColumnarDecoder(RowDecoder())
    sound = [after(number % 60) for number in range(400)]
    for bad in ({77: CUT}, {}, {}):
        sifted = decoder.sift(SCHEMA, [bad.get(number, datum) for number, datum in enumerate(sound)], FIELDS)

        assert dict(sifted.bad) == {index: reason(datum) for index, datum in bad.items()}
        kept = [number for number in range(400) if number not in bad]
        assert sifted.frame["after"].struct.field("id").to_list() == ids(kept)


@pytest.mark.parametrize("smallest", [1, 30, 300, 1000])
def test_bad_data_close_to_one_another_leave_the_rest_to_the_native_reader(smallest: int) -> None:
    """Whatever the size of small pieces is, they end again."""
    rows = Counting()
    data = [CUT if number in (1001, 1120) else after(number % 60) for number in range(6000)]
    sifted = ColumnarDecoder(rows, smallest_block=smallest).sift(SCHEMA, data, FIELDS)

    assert list(sifted.bad) == [1001, 1120]
    assert sifted.frame["after"].struct.field("id").to_list() == ids([n for n in range(6000) if n not in (1001, 1120)])
    assert rows.given <= 2 * max(smallest, 160)


@pytest.mark.parametrize("number", [1, 19, 20, 400])
@pytest.mark.parametrize("damage", [b"", CUT, SURPLUS], ids=["sound", "cut", "surplus"])
def test_what_stands_in_front_of_data_is_no_part_of_them(number: int, damage: bytes) -> None:
    """It is stepped over where it is, and makes no difference; nor does a datum that is shorter than that."""
    data = [after(at) for at in range(number)]
    if damage:
        data[number // 2] = damage
    for decoder in (RowDecoder(), ColumnarDecoder(RowDecoder())):
        plain = decoder.sift(SCHEMA, data, FIELDS)
        framed = decoder.sift(SCHEMA, [b"\0\0\0\1\7" + datum for datum in data], FIELDS, 5)
        assert framed.frame.equals(plain.frame)
        assert framed.bad == plain.bad
    short = [*(b"\0\0\0\1\7" + datum for datum in data), b"\0\0"]
    assert number in ColumnarDecoder(RowDecoder()).sift(SCHEMA, short, FIELDS, 5).bad
