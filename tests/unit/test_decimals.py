"""Digits of any length become text exactly, at a cost that grows little faster than their number."""

import time
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.core.decimals import DIGITS_IN_ROW, decimal_text, long_ones
from consumer.core.forms import Unfit
from tests.unit.semantic import unscaled

MOST = 10 ** (131_072 + 16_383) - 1


def exact(number: int, scale: int) -> Decimal:
    """The decimal module's own."""
    sign, digits, _ = Decimal(number).as_tuple()
    return Decimal((sign, digits, -scale))


@given(st.integers(-(2**20_000), 2**20_000), st.integers(-3000, 3000))
@example(2**2048, 0)
@example(2**2048 - 1, 7)
@example(-(2**4096), -5)
@example(2**8192 + 1, 16)
@example(0, 16_383)
@example(0, -131_071)
def test_every_digit_is_kept(number: int, scale: int) -> None:
    """And how many there are behind the point."""
    text = decimal_text(unscaled(number), scale)

    assert Decimal(text).compare_total(exact(number, scale)) == 0 or scale < 0
    assert Decimal(text) == exact(number, scale)
    assert len(text) < len(unscaled(number)) * 3 + 1020


@pytest.mark.parametrize(
    ("number", "scale", "text"),
    [
        (-15, 1, "-1.5"),
        (0, 2, "0.00"),
        (5, -3, "5000"),
        (5, 3, "0.005"),
        (1, -131_071, "1E+131071"),
        (12, 16_383, "1.2E-16382"),
        (1, 1000, "0." + "0" * 999 + "1"),
    ],
)
def test_noughts_are_written_out_where_they_are_few(number: int, scale: int, text: str) -> None:
    """A byte must not become a hundred thousand."""
    assert decimal_text(unscaled(number), scale) == text


@pytest.mark.parametrize(
    ("raw", "scale"),
    [
        (b"\x7f" * 1_000_000, 0),
        (b"\x01", 10**8),
        (b"\x01", -(10**8)),
        (b"\x01", 16_384),
        (b"\x0a", -131_071),
        (unscaled(MOST + 1), 16_383),
    ],
)
def test_what_no_numeric_holds_is_refused_before_it_costs_anything(raw: bytes, scale: int) -> None:
    """Long ones took minutes, and a great scale all memory."""
    began = time.process_time()
    with pytest.raises(Unfit, match="131072 digits in front of the point and 16383 behind it"):
        decimal_text(raw, scale)
    assert time.process_time() - began < 1


def test_the_longest_numbers_cost_little() -> None:
    """A batch of them must not look like one that hangs."""
    raw = unscaled(-MOST)
    began = time.process_time()
    texts = {decimal_text(raw, 16_383) for _ in range(8)}

    assert texts == {"-" + "9" * 131_072 + "." + "9" * 16_383}
    assert time.process_time() - began < 3


@given(st.lists(st.one_of(st.none(), st.integers(-(10**40), 10**40), st.integers(0, 60).map(lambda n: 10**n))))
def test_long_numbers_are_those_of_many_significant_digits(numbers: list[int | None]) -> None:
    """In every form that they are decoded to, with noughts at their ends or without."""
    wanted = [number is not None and len(str(abs(number)).strip("0")) > DIGITS_IN_ROW for number in numbers]
    raw = [None if number is None else unscaled(number) for number in numbers]
    records = [None if value is None else {"scale": 3, "value": value} for value in raw]
    kind = pl.Struct({"scale": pl.Int32, "value": pl.Binary})

    assert long_ones(pl.Series(raw, dtype=pl.Binary)).to_list() == wanted
    assert long_ones(pl.Series(records, dtype=kind)).to_list() == wanted
    short = [None if number is None or abs(number) >= 10**38 else Decimal(f"{number}e-5") for number in numbers]
    found = long_ones(pl.Series(short, dtype=pl.Decimal(38, 5))).to_list()
    assert found == [flag and value is not None for flag, value in zip(wanted, short, strict=True)]
