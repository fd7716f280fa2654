"""Decimals whose digits come as bytes, as text: of any length that PostgreSQL keeps."""

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache

from consumer.core.forms import Unfit

# PostgreSQL's, in front of and behind the point
_IN_FRONT, _BEHIND = 131_072, 16_383
# of so many digits, in two's complement
_MOST_BYTES = (_IN_FRONT + _BEHIND) * 3322 // 8000 + 2
# noughts that are written out
_MOST_NOUGHTS = 1000
# bits that are turned into digits at once: the square of them is small
_CHUNK = 2048
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
