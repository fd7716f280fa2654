"""Bit strings: Debezium sends the last bits first, and no zeros that stand in front of the first one.

How many there were follows from the column's length where it is a `bit(n)`. Of a `bit varying` it is lost, but for a
string that is as long as the column.
"""

from collections.abc import Callable

from consumer.core.envelope import Column
from consumer.core.forms import Unfit

_REMEDY = (
    "Debezium does not send how many zeros stand in front of a bit varying. Make the target column bit(n), which has "
    "zeros up to its length, or text; or have the connector say the source's type (column.propagate.source.type)."
)


def digits(column: Column, *, varying: bool) -> Callable[[bytes], str]:
    """How bytes of the column become the string's digits.

    `varying`: the target keeps any length; then it raises Unfit for strings whose length is lost.
    """
    length = column.length or 0
    known = length if 0 < length < 2**31 - 1 else 0
    lost = varying and not (column.source is not None and column.source.name == "BIT")

    def form(raw: bytes) -> str:
        number = int.from_bytes(raw, "little")
        if number.bit_length() > max(known, 0) and known:
            raise Unfit(f"at most {known} bits", f"{number.bit_length()}", _REMEDY)
        if lost and number.bit_length() != known:
            raise Unfit("a bit string whose zeros in front are known", "one of a column of varying length", _REMEDY)
        return format(number, f"0{known}b") if number or known else ""

    return form


def varbit(column: Column, *, varying: bool) -> Callable[[bytes], bytes]:
    """The same in PostgreSQL's binary form: the number of bits, then the bits from the first one on."""
    text = digits(column, varying=varying)

    def form(raw: bytes) -> bytes:
        found = text(raw)
        size = (len(found) + 7) // 8
        return len(found).to_bytes(4, "big") + int(found.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")

    return form
