"""Values of Avro's as the source spells them: an oracle of its own, which imports nothing of the program.

`equal(kind, value, cell)` compares what a reader of Avro made of a field with what the source shows of it. Moments and
spans are compared as whole numbers of nanoseconds, so years BC and times beyond a day are no matter.
"""

import base64
import json
import re
import struct
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tests.fixtures.synthetic import Cell

_TIME = "io.debezium.time."
_CONNECT = "org.apache.kafka.connect.data."
_DATA = "io.debezium.data."
_SECOND = 10**9


def meaning(kind: Any) -> tuple[str, str | None]:
    """The word of a field's type and its semantic name, without its null; a reference is its name."""
    inner = next(each for each in kind if each != "null") if isinstance(kind, list) else kind
    if isinstance(inner, dict):
        return inner["type"], inner.get("connect.name") or inner.get("logicalType")
    return ("record", inner) if inner.startswith("io.") else (inner, None)


def equal(kind: Any, value: Any, cell: Cell) -> bool:
    """Whether a value that is not null is the source's one."""
    word, semantic = meaning(kind)
    same = _BY_SEMANTIC.get(semantic or "", _BY_WORD.get(word, _same_text))
    return same(value, cell)


def moment(text: str) -> int | None:
    """Nanoseconds since 1970 of a date, with or without a time of the day and an offset; None of a zero date."""
    found = re.fullmatch(r"(\d+)-(\d+)-(\d+)(?:[ T]([\d:.]+))?(Z|[+-][\d:]+)?", text)
    assert found, text
    year, month, day = (int(part) for part in found.groups()[:3])
    if not month or not day:
        return None
    clock = span(found[4]) if found[4] else 0
    zone = found[5] if found[5] and found[5] != "Z" else "+00:00"
    offset = span(f"{zone.replace('+', '')}:00")
    # Python has no year 10000; the calendar repeats after 400 years
    cycles = max(0, year - 9600) // 400
    days = date(year - 400 * cycles, month, day).toordinal() + 146_097 * cycles - date(1970, 1, 1).toordinal()
    return days * 86_400 * _SECOND + clock - offset


def span(text: str) -> int:
    """Nanoseconds of a time, which may be negative or longer than a day."""
    hours, minutes, seconds = text.removesuffix("Z").lstrip("+-").split(":")
    whole, _, fraction = seconds.partition(".")
    number = ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * _SECOND + int(fraction.ljust(9, "0"))
    return -number if text.startswith("-") else number


def _same_text(value: Any, cell: Cell) -> bool:
    if cell.text is None:
        return _decoded(str(value), cell)
    return value == cell.text


def _decoded(text: str, cell: Cell) -> bool:
    """Bytes that travel as text, in one of three spellings."""
    raw = bytes.fromhex(cell.raw or "")
    ways = (raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode())
    return text in ways


def _same_float(value: float, cell: Cell) -> bool:
    shown = float(cell.text or "")
    return struct.pack(">d", value) == struct.pack(">d", shown)


def _same_narrow_float(value: float, cell: Cell) -> bool:
    return struct.pack(">f", value) == struct.pack(">f", float(cell.text or ""))


def _same_number(value: Any, cell: Cell) -> bool:
    return value == Decimal(cell.text or "")


def _same_scaled(value: Mapping[str, Any], cell: Cell) -> bool:
    unscaled = int.from_bytes(value["value"], "big", signed=True)
    return Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -value["scale"])) == Decimal(cell.text or "")


def _same_bits(value: bytes, cell: Cell) -> bool:
    return int.from_bytes(value, "little") == int(cell.text or "", 2)


def _same_shape(value: Mapping[str, Any], cell: Cell) -> bool:
    """The server's own form is the SRID in four bytes and then the well-known binary."""
    raw = bytes.fromhex(cell.raw or "")
    return (value["srid"] or 0, value["wkb"]) == (int.from_bytes(raw[:4], "little"), raw[4:])


def _same_json(value: str, cell: Cell) -> bool:
    """Spaces aside; numbers as they are written."""
    return _parsed(value) == _parsed(cell.text or "")


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str)


def _same_vector(value: list[float], cell: Cell) -> bool:
    shown = json.loads(cell.text or "")
    return [struct.pack(">f", each) for each in value] == [struct.pack(">f", each) for each in shown]


def _moment_in(unit: int) -> Callable[[Any, Cell], bool]:
    return lambda value, cell: value * unit == moment(cell.text or "")


def _span_in(unit: int) -> Callable[[Any, Cell], bool]:
    return lambda value, cell: value * unit == span(cell.text or "")


def _same_moment(value: str, cell: Cell) -> bool:
    return moment(value) == moment(cell.text or "")


def _same_span(value: str, cell: Cell) -> bool:
    return span(value) == span(cell.text or "")


def _same_duration(value: int, cell: Cell) -> bool:
    days, _, clock = (cell.text or "").partition(" ")
    return value * 1000 == abs(int(days)) * 86_400 * _SECOND * (-1 if days[0] == "-" else 1) + span(days[0] + clock)


_BY_WORD: Mapping[str, Callable[[Any, Cell], bool]] = {
    "boolean": lambda value, cell: str(int(value)) == cell.text,
    "int": _same_number,
    "long": _same_number,
    "float": _same_narrow_float,
    "double": _same_float,
    "bytes": lambda value, cell: value.hex().upper() == cell.raw,
}
_BY_SEMANTIC: Mapping[str, Callable[[Any, Cell], bool]] = {
    f"{_CONNECT}Decimal": _same_number,
    f"{_CONNECT}Date": _moment_in(86_400 * _SECOND),
    f"{_CONNECT}Time": _span_in(10**6),
    f"{_CONNECT}Timestamp": _moment_in(10**6),
    f"{_TIME}Date": _moment_in(86_400 * _SECOND),
    f"{_TIME}Time": _span_in(10**6),
    f"{_TIME}MicroTime": _span_in(10**3),
    f"{_TIME}NanoTime": _span_in(1),
    f"{_TIME}Timestamp": _moment_in(10**6),
    f"{_TIME}MicroTimestamp": _moment_in(10**3),
    f"{_TIME}NanoTimestamp": _moment_in(1),
    f"{_TIME}ZonedTimestamp": _same_moment,
    f"{_TIME}IsoDate": lambda value, cell: _same_moment(value.removesuffix("Z"), cell),
    f"{_TIME}IsoTimestamp": _same_moment,
    f"{_TIME}IsoTime": _same_span,
    f"{_TIME}MicroDuration": _same_duration,
    f"{_DATA}VariableScaleDecimal": _same_scaled,
    f"{_DATA}Bits": _same_bits,
    f"{_DATA}Json": _same_json,
    f"{_DATA}FloatVector": _same_vector,
    f"{_DATA}geometry.Point": _same_shape,
    f"{_DATA}geometry.Geometry": _same_shape,
}
