"""What stands for a value that the source did not have is known in every shape, and nothing else is taken for it."""

import base64
from typing import Any

import polars as pl
import pytest

from consumer.core.labels import strange
from consumer.core.markers import UNAVAILABLE, BadPlaceholder, Placeholders, placeholder_bytes

MARK = UNAVAILABLE.encode()
ENTRY = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
OWN = "gone é"
# names of Java's UUID.nameUUIDFromBytes
SHAPES = [
    pytest.param(pl.Series(["x", UNAVAILABLE, None, UNAVAILABLE[:-1]]), id="text"),
    pytest.param(pl.Series([b"x", MARK, None, MARK + b"!"]), id="bytes"),
    pytest.param(pl.Series(["", base64.b64encode(MARK).decode(), None, MARK.hex() + "0"]), id="bytes in base64"),
    pytest.param(pl.Series(["", MARK.hex(), None, MARK.hex().upper()]), id="bytes in hex"),
    pytest.param(pl.Series([["a"], [UNAVAILABLE], None, [UNAVAILABLE, "b"]]), id="array of text"),
    pytest.param(pl.Series([[b"a"], [MARK], None, [MARK, MARK]]), id="array of bytes"),
    pytest.param(pl.Series([[1], list(MARK), None, [*MARK[:-1], 0]]), id="array of numbers"),
    pytest.param(pl.Series([["x"], ["b68a35a7-17ad-35b3-af2a-ae46edb4545a"], None, []]), id="array of uuids"),
    pytest.param(pl.Series(["{}", f'{{"{UNAVAILABLE}":"{UNAVAILABLE}"}}', None, '{"a":"b"}']), id="hstore as JSON"),
    pytest.param(
        pl.Series(
            [
                [{"key": "a", "value": UNAVAILABLE}],
                [{"key": UNAVAILABLE, "value": UNAVAILABLE}],
                None,
                [{"key": UNAVAILABLE, "value": UNAVAILABLE}, {"key": "a", "value": None}],
            ],
            dtype=ENTRY,
        ).cast(pl.Map(pl.String, pl.String)),
        id="hstore as map",
    ),
]


@pytest.mark.parametrize("series", SHAPES)
def test_every_shape_of_the_placeholder_is_known(series: pl.Series) -> None:
    """A value that only holds it is a value."""
    found = Placeholders().mask(series)

    assert found is not None
    assert found.to_list() == [False, True, False, False]
    assert Placeholders().mask(series.filter(~found)) is None


@pytest.mark.parametrize("text", [f'"{UNAVAILABLE}"', f'"\\\\x{MARK.hex()}"', f'["{UNAVAILABLE}"]', str(list(MARK))])
def test_a_type_that_no_column_has_holds_it_as_json_text(text: str) -> None:
    """Only in such a column: elsewhere it is a text that somebody wrote."""
    series = pl.Series(["1", text])
    found = Placeholders().mask(series, nested=True)

    assert found is not None
    assert found.to_list() == [False, True]
    assert Placeholders().mask(series) is None


@pytest.mark.parametrize(
    ("setting", "shape"),
    [
        (OWN, OWN),
        (OWN, OWN.encode()),
        (OWN, [OWN]),
        (OWN, [b if b < 128 else b - 256 for b in OWN.encode()]),
        ("hex:676f6e65", "gone"),
        ("hex:ff00", b"\xff\x00"),
        ("hex:ff00", [-1, 0]),
    ],
)
def test_a_connectors_own_placeholder_is_known_in_its_shapes(setting: str, shape: Any) -> None:
    """Beside the default one if both are set, and instead of it if not."""
    series = pl.Series([shape])

    assert Placeholders([UNAVAILABLE, setting]).mask(series) is not None
    assert Placeholders([setting]).mask(series) is not None
    assert Placeholders().mask(series) is None
    assert Placeholders([setting]).mask(pl.Series([UNAVAILABLE])) is None


def test_a_placeholder_is_no_label_of_an_enum() -> None:
    """Nor is an empty text, which MySQL writes for a value that is none; else they would be added to the target's."""
    rows = pl.DataFrame({"c": ["old", OWN, UNAVAILABLE, "", "new", None, "new"]})

    assert strange(rows, {"c": ["old"]}, Placeholders([UNAVAILABLE, OWN])) == {"c": ("new",)}
    assert strange(rows, {"c": ["old"]}, Placeholders([OWN])) == {"c": (UNAVAILABLE, "new")}
    assert strange(rows, {"c": ["old", "new"]}, Placeholders([UNAVAILABLE, OWN])) == {}


@pytest.mark.parametrize("setting", ["", "hex:", "hex:f", "hex:no"])
def test_a_placeholder_that_says_nothing_is_refused(setting: str) -> None:
    """An empty one would be found in every empty value."""
    with pytest.raises(BadPlaceholder):
        placeholder_bytes(setting)


@pytest.mark.parametrize("series", [pl.Series([1, None]), pl.Series([True]), pl.Series([1.5]), pl.Series([{"a": 1}])])
def test_types_that_can_not_be_unavailable_cost_nothing(series: pl.Series) -> None:
    """No value of theirs stands for another."""
    assert Placeholders().mask(series) is None
