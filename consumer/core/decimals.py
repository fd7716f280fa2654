"""Decimals whose digits come as bytes, as text: of any length that PostgreSQL keeps."""

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache

import polars as pl

from consumer.core.forms import Unfit

# PostgreSQL's, in front of and behind the point
_IN_FRONT, _BEHIND = 131_072, 16_383
# of so many digits, in two's complement
_MOST_BYTES = (_IN_FRONT + _BEHIND) * 3322 // 8000 + 2
# noughts that are written out
_MOST_NOUGHTS = 1000
# bits that are turned into digits at once: the square of them is small
_CHUNK = 2048
DIGITS_IN_ROW = 29
"""PostgreSQL never stores a `numeric` apart from its row that has so many significant digits at most.

It moves values of more than 24 bytes only. Besides 8 of header at most, a `numeric` has two for each group of four
digits, without groups of noughts at either end; nine groups and more have thirty digits at least.
"""
# numbers of so many bytes are below ten to the 29th
_SURELY_SHORT = 12
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def decimal_text(raw: bytes, scale: int) -> str:
    """The number, big-endian two's complement, with its last `scale` digits behind the point.

    One that is mostly noughts is written with an exponent. Raises Unfit beyond PostgreSQL's limits.
    """
    if len(raw) > _MOST_BYTES or not -_IN_FRONT <= scale <= _BEHIND:
        raise _too_long()
    unscaled = int.from_bytes(raw, "big", signed=True)
    digits = _digits(abs(unscaled))
    number = _EXACT.scaleb(digits if unscaled >= 0 else digits.copy_negate(), -scale)
    if number.adjusted() >= _IN_FRONT:
        raise _too_long()
    noughts = max(-scale, scale - digits.adjusted())
    return str(number) if noughts > _MOST_NOUGHTS else f"{number:f}"


def long_ones(values: pl.Series) -> pl.Series:
    """Which decimals, as decoded, may be stored apart from their row at the source: those of too many digits."""
    if values.dtype.is_decimal():
        digits = values.cast(pl.String).str.replace_all(r"[-.]", "").str.strip_chars("0").str.len_bytes()
        return (digits > DIGITS_IN_ROW).fill_null(False)
    raw = values.struct.field("value") if isinstance(values.dtype, pl.Struct) else values
    kept = (raw.bin.size() > _SURELY_SHORT).fill_null(False)
    sizes = [_is_long(value) for value in raw.filter(kept)]
    return kept.scatter(kept.arg_true(), sizes) if sizes else kept


def _is_long(raw: bytes) -> bool:
    number = abs(int.from_bytes(raw, "big", signed=True))
    return len(_digits(number).normalize(_EXACT).as_tuple().digits) > DIGITS_IN_ROW


def _digits(number: int) -> Decimal:
    """The number, by halves: all at once takes the square of its length."""
    if number.bit_length() <= _CHUNK:
        return Decimal(number)
    bits = _CHUNK
    while 2 * bits < number.bit_length():
        bits *= 2
    front = number >> bits
    return _EXACT.add(_EXACT.multiply(_digits(front), _power(bits)), _digits(number - (front << bits)))


@lru_cache(maxsize=16)
def _power(bits: int) -> Decimal:
    """Two to the number of bits, which is a chunk or twice another such number."""
    if bits == _CHUNK:
        return Decimal(1 << bits)
    return _EXACT.multiply(_power(bits // 2), _power(bits // 2))


def _too_long() -> Unfit:
    expected = f"at most {_IN_FRONT} digits in front of the point and {_BEHIND} behind it"
    return Unfit(expected, "more", "No numeric of PostgreSQL holds it; correct the row at the source.")
