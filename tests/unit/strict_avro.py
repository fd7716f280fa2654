"""A third reader of Avro, written from the specification: it says everything that is wrong with a datum.

It gives no values; it tells the classes of damage apart, so that a test can say which of them the two decoders may
judge differently. Past a damage that leaves no doubt about the bytes that follow it goes on reading.
"""

from collections.abc import Collection
from typing import Any, NamedTuple


class Defect(NamedTuple):
    """What is wrong, and whether it is in a column that was asked for."""

    what: str
    wanted: bool


class _Unreadable(Exception):
    """Nothing can be read behind this point."""


class _Reader:
    def __init__(self, datum: bytes) -> None:
        self._datum = datum
        self._at = 0
        self.wanted = True
        self.found: set[Defect] = set()

    @property
    def left(self) -> int:
        return len(self._datum) - self._at

    def note(self, what: str) -> None:
        self.found.add(Defect(what, self.wanted))

    def stop(self, what: str) -> _Unreadable:
        self.note(what)
        return _Unreadable(what)

    def take(self, count: int) -> bytes:
        if count < 0:
            raise self.stop("negative length")
        if count > self.left:
            raise self.stop("short")
        self._at += count
        return self._datum[self._at - count : self._at]

    def long(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if number >= 2**64:
                    self.note("varint")
                return (number >> 1) ^ -(number & 1)
        raise self.stop("varint")

    def read(self, schema: Any) -> None:
        if isinstance(schema, list):
            return self._union(schema)
        kind = schema if isinstance(schema, str) else schema["type"]
        return getattr(self, f"_{kind}")(schema)

    def _union(self, schema: list[Any]) -> None:
        index = self.long()
        if index not in (0, 1):
            raise self.stop("union index")
        if schema[index] != "null":
            self.read(schema[index])

    def _int(self, _: Any) -> None:
        if not -(2**31) <= self.long() < 2**31:
            self.note("int range")

    def _long(self, _: Any) -> None:
        self.long()

    def _float(self, _: Any) -> None:
        self.take(4)

    def _double(self, _: Any) -> None:
        self.take(8)

    def _boolean(self, _: Any) -> None:
        if self.take(1)[0] > 1:
            self.note("boolean byte")

    def _string(self, _: Any) -> bytes:
        raw = self.take(self.long())
        try:
            raw.decode()
        except UnicodeDecodeError:
            self.note("text")
        return raw

    def _bytes(self, schema: Any) -> None:
        raw = self.take(self.long())
        most = 10 ** schema["precision"] if isinstance(schema, dict) else None
        if most is not None and abs(int.from_bytes(raw, "big", signed=True)) >= most:
            self.note("decimal precision")

    def _enum(self, schema: Any) -> None:
        if not 0 <= self.long() < len(schema["symbols"]):
            self.note("enum index")

    def _fixed(self, schema: Any) -> None:
        self.take(schema["size"])

    def _record(self, schema: Any) -> None:
        for field in schema["fields"]:
            self.read(field["type"])

    def _array(self, schema: Any) -> None:
        self._blocks(lambda: self.read(schema["items"]))

    def _map(self, schema: Any) -> None:
        seen: set[bytes] = set()

        def entry() -> None:
            name = self._string(None)
            if name in seen:
                self.note("map key twice")
            seen.add(name)
            self.read(schema["values"])

        self._blocks(entry)

    def _blocks(self, item: Any) -> None:
        while count := self.long():
            end = None
            if count < 0:
                size = self.long()
                end = self._at + size
            try:
                for _ in range(abs(count)):
                    item()
            finally:
                # also when the items can't be read to their end
                if end not in (None, self._at):
                    self.note("block size")


def defects(schema: Any, datum: bytes, wanted: Collection[str]) -> frozenset[Defect]:
    """Everything wrong with a datum of a (rewritten) record schema, as far as it can be read."""
    reader = _Reader(datum)
    try:
        for field in schema["fields"]:
            reader.wanted = field["name"] in wanted
            reader.read(field["type"])
    except _Unreadable:
        return frozenset(reader.found)
    if reader.left:
        reader.wanted = True
        reader.note("surplus")
    return frozenset(reader.found)
