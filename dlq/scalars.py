"""Avro's simple types as JSON: what a value looks like to a person, and back. Exact both ways."""

import math
import re
import struct
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from consumer.core.avro_bytes import counted, long
from dlq.wire import Cursor, Damaged

_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WITH_EXPONENT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,10})?")
# what PostgreSQL's numeric can have before and behind the point, and the sign and point
_LONGEST = 131_072 + 16_383 + 2
# its bytes, and more
_MOST_BYTES = 64 << 10
# the decoders hold no others to their precision
_HELD = 38
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class BadValue(ValueError):
    """A value that its field can't have; the message names the field, never the value."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


class Type(Protocol):
    """A type of a writer schema."""

    def read(self, source: Cursor) -> Any:
        """The next value as JSON. Raises Damaged."""
        ...

    def write(self, value: Any, where: str) -> bytes:
        """The bytes of a JSON value; `where` is the field's name. Raises BadValue."""
        ...


class Null:
    """No value."""

    def read(self, source: Cursor) -> None:
        return None

    def write(self, value: Any, where: str) -> bytes:
        if value is not None:
            raise BadValue(where, "it can only be null")
        return b""


class Boolean:
    """true or false."""

    def read(self, source: Cursor) -> bool:
        byte = source.take(1)
        if byte not in (b"\0", b"\1"):
            raise Damaged("a boolean that is neither 0 nor 1")
        return byte == b"\1"

    def write(self, value: Any, where: str) -> bytes:
        if not isinstance(value, bool):
            raise BadValue(where, "it is true or false")
        return bytes([value])


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of 32 or 64 bits; dates and times are such, in the unit of their schema."""

    bits: int

    def read(self, source: Cursor) -> int:
        number = source.long()
        if not self._holds(number):
            raise Damaged(f"a number of more than {self.bits} bits")
        return number

    def write(self, value: Any, where: str) -> bytes:
        # true is a number to Python
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadValue(where, "it is a whole number")
        if not self._holds(value):
            raise BadValue(where, f"it is a number of {self.bits} bits")
        return long(value)

    def _holds(self, number: int) -> bool:
        return -(1 << self.bits - 1) <= number < 1 << self.bits - 1


@dataclass(frozen=True, slots=True)
class Floating:
    """A number of 32 or 64 bits; what JSON has no number for is a word."""

    form: str

    def read(self, source: Cursor) -> float | str:
        (number,) = struct.unpack(self.form, source.take(struct.calcsize(self.form)))
        if math.isnan(number):
            return "NaN"
        if math.isinf(number):
            return "Infinity" if number > 0 else "-Infinity"
        return float(number)

    def write(self, value: Any, where: str) -> bytes:
        number = _WORDS.get(value) if isinstance(value, str) else value
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise BadValue(where, 'it is a number, "NaN", "Infinity" or "-Infinity"')
        try:
            return struct.pack(self.form, float(number))
        except OverflowError as error:
            raise BadValue(where, "the number is too large for its type") from error


class Text:
    """Text."""

    def read(self, source: Cursor) -> str:
        try:
            return source.take(source.long()).decode()
        except UnicodeDecodeError as error:
            raise Damaged("a text that is no UTF-8") from error

    def write(self, value: Any, where: str) -> bytes:
        if not isinstance(value, str):
            raise BadValue(where, "it is text")
        try:
            return counted(value.encode())
        except UnicodeEncodeError as error:
            raise BadValue(where, "the text has half a surrogate pair") from error


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes in base64; `size` is that of a fixed type."""

    size: int | None = None

    def read(self, source: Cursor) -> str:
        return b64encode(raw(source, self.size)).decode()

    def write(self, value: Any, where: str) -> bytes:
        try:
            content = b64decode(value, validate=True) if isinstance(value, str) else None
        except (NotBase64, ValueError) as error:
            raise BadValue(where, "it is bytes in base64") from error
        if content is None:
            raise BadValue(where, "it is bytes in base64")
        if self.size is None:
            return counted(content)
        if len(content) != self.size:
            raise BadValue(where, f"it has {self.size} bytes")
        return content


@dataclass(frozen=True, slots=True)
class Fixed:
    """A decimal of fixed scale as text, with all digits of its scale."""

    scale: int
    precision: int | None = None
    size: int | None = None

    def read(self, source: Cursor) -> str:
        unscaled = number_of(raw(source, self.size))
        if self.precision is not None and self.precision <= _HELD and abs(unscaled) >= 10**self.precision:
            raise Damaged("a decimal of more digits than its precision")
        return format(decimal(unscaled, self.scale), "f")

    def write(self, value: Any, where: str) -> bytes:
        sign, digits, exponent = parsed(value, _PLAIN, where).as_tuple()
        behind = -int(exponent)
        surplus = behind - self.scale
        # a scale below zero has zeros in front of the point that are not kept
        if behind <= 0 < surplus and not any(digits[-surplus:]):
            digits, behind = digits[:-surplus] or (0,), self.scale
        if behind > self.scale:
            raise BadValue(where, f"it has at most {self.scale} digits behind the point")
        unscaled = int(Decimal((sign, (*digits, *(0,) * (self.scale - behind)), 0)))
        if self.precision is not None and abs(unscaled) >= 10**self.precision:
            raise BadValue(where, f"it has at most {self.precision} digits")
        if self.size is None:
            return counted(unscaled_bytes(unscaled))
        try:
            return unscaled.to_bytes(self.size, "big", signed=True)
        except OverflowError as error:
            raise BadValue(where, f"it takes at most {self.size} bytes") from error


class Scaled:
    """A decimal whose scale travels with it, as text: the digits behind the point are its scale."""

    def read(self, source: Cursor) -> str:
        scale = Whole(32).read(source)
        return str(decimal(number_of(raw(source, None)), scale))

    def write(self, value: Any, where: str) -> bytes:
        sign, digits, exponent = parsed(value, _WITH_EXPONENT, where).as_tuple()
        scale = Whole(32).write(-int(exponent), where)
        return scale + counted(unscaled_bytes(int(Decimal((sign, digits, 0)))))


@dataclass(frozen=True, slots=True)
class Symbol:
    """One of an enum's symbols."""

    symbols: Sequence[str]

    def read(self, source: Cursor) -> str:
        index = source.long()
        if not 0 <= index < len(self.symbols):
            raise Damaged("a symbol that its enum does not have")
        return self.symbols[index]

    def write(self, value: Any, where: str) -> bytes:
        if value not in self.symbols:
            raise BadValue(where, f"it is one of {', '.join(self.symbols)}")
        return long(self.symbols.index(value))


def raw(source: Cursor, size: int | None) -> bytes:
    """The bytes of a fixed type, or those behind their length."""
    return source.take(source.long() if size is None else size)


def number_of(content: bytes) -> int:
    """A decimal's digits as a number. Raises Damaged for one that PostgreSQL could not hold either."""
    if len(content) > _MOST_BYTES:
        raise Damaged("a decimal of too many digits")
    return int.from_bytes(content, "big", signed=True)


def unscaled_bytes(number: int) -> bytes:
    """The shortest form of a decimal's digits."""
    return number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)


def decimal(unscaled: int, scale: int) -> Decimal:
    """A decimal, exactly, whatever its length."""
    sign, digits, _ = Decimal(unscaled).as_tuple()
    return Decimal((sign, digits, -scale))


def parsed(value: Any, form: re.Pattern[str], where: str) -> Decimal:
    """A decimal from its text. Raises BadValue."""
    if not isinstance(value, str) or len(value) > _LONGEST or not form.fullmatch(value):
        raise BadValue(where, 'it is a decimal as text, as "12.50"')
    return Decimal(value)
