"""Avro's binary form: what is read from a datum's bytes."""

from typing import Any

_MOST = 10
# items that take no bytes, as nulls, beyond one for each byte of the datum
_FREE = 1 << 16


class Damaged(ValueError):
    """Bytes that are not of their schema; the message never holds a value.

    `path`: the field at which they end to be, as `after.price`. `partial`: what was read in front of it.
    """

    def __init__(self, why: str, path: str = "", partial: Any = None) -> None:
        super().__init__(why)
        self.path = path
        self.partial = partial

    def within(self, name: str, partial: Any) -> "Damaged":
        """The same as seen from around a field or an item."""
        inside = self.path if not self.path or self.path.startswith("[") else f".{self.path}"
        return Damaged(str(self), f"{name}{inside}", partial)


class Cursor:
    """A place in a datum."""

    def __init__(self, datum: bytes) -> None:
        self._datum = datum
        self._items = len(datum) + _FREE
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes. Raises Damaged."""
        if not 0 <= count <= len(self._datum) - self.at:
            raise Damaged("a length leads beyond the end of the datum")
        self.at += count
        return self._datum[self.at - count : self.at]

    def since(self, start: int) -> bytes:
        """The bytes between a place and this one."""
        return self._datum[start : self.at]

    def long(self) -> int:
        """A whole number of 64 bits. Raises Damaged."""
        number = 0
        for place in range(_MOST):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if number >= 1 << 64:
                    break
                return (number >> 1) ^ -(number & 1)
        raise Damaged("a number of more than 64 bits")

    def length(self) -> int:
        """The number of items of an array's or map's next block, 0 behind the last. Raises Damaged."""
        count = self.long()
        if count < 0:
            # the block's size, for those who would skip it
            self.long()
        self._items -= abs(count)
        if self._items < 0:
            raise Damaged("more items than its bytes can hold")
        return abs(count)

    def end(self) -> None:
        """Raises Damaged unless this is the end of the datum."""
        if left := len(self._datum) - self.at:
            raise Damaged(f"{left} bytes are left over after the datum")
