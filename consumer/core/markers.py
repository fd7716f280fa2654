"""What a source writes in the place of a value that its log did not carry, such as an unchanged TOASTed column.

Debezium has one text for it (`unavailable.value.placeholder`), which takes another shape in each type of column. In
all of them the value is unknown: the column is left alone, and the shape never reaches a table.
"""

import base64
import json
import uuid
from collections.abc import Sequence
from hashlib import md5
from typing import Any

import polars as pl

UNAVAILABLE = "__debezium_unavailable_value"
"""Debezium's default."""

_HEX = "hex:"


class BadPlaceholder(ValueError):
    """A placeholder that no connector can have."""


def placeholder_bytes(setting: str) -> bytes:
    """The bytes of a placeholder as a connector is told it: a text, or `hex:` and digits. Raises BadPlaceholder."""
    if not setting.startswith(_HEX):
        raw = setting.encode()
    else:
        try:
            raw = bytes.fromhex(setting.removeprefix(_HEX))
        except ValueError as error:
            raise BadPlaceholder(f"a placeholder that begins with {_HEX} goes on with pairs of digits") from error
    if not raw:
        # each empty text would be taken for it
        raise BadPlaceholder("a placeholder can't be empty")
    return raw


class Placeholders:
    """Knows the shapes of some placeholders, each as the connector is told it. Raises BadPlaceholder."""

    def __init__(self, settings: Sequence[str] = (UNAVAILABLE,)) -> None:
        raws = [placeholder_bytes(setting) for setting in settings]
        self._binary = tuple(dict.fromkeys(raws))
        self._texts = tuple(dict.fromkeys(text for raw in raws for text in _texts(raw)))
        self._nested = tuple(dict.fromkeys(text for raw in raws for text in _nested(raw)))
        self._lists = {value for raw in raws for value in _lists(raw)}
        self._sizes = sorted({len(value) for value in self._lists})
        self._firsts = {value[0] for value in self._lists}

    def mask(self, series: pl.Series, *, nested: bool = False) -> pl.Series | None:
        """Which rows hold a placeholder instead of a value, or None when no row does.

        `nested`: the values are the JSON text of a type that no column has.
        """
        kind = series.dtype
        if kind == pl.String:
            mask = _one_of(series, (*self._texts, *self._nested) if nested else self._texts)
        elif kind == pl.Binary:
            mask = _one_of(series, self._binary)
        elif isinstance(kind, pl.Map) and not kind.value.is_nested():
            mask = self._listed(series.map.entries())
        elif isinstance(kind, pl.List) and _flat(kind.inner):
            mask = self._listed(series)
        else:
            return None
        return mask.fill_null(False) if mask.any() else None

    def _listed(self, series: pl.Series) -> pl.Series:
        # value by value only where size and first element fit
        likely = series.list.len().is_in(self._sizes).fill_null(False)
        if not likely.any():
            return likely
        firsts = [_plain(value) in self._firsts for value in series.filter(likely).list.first()]
        places = likely.arg_true().filter(pl.Series(firsts, dtype=pl.Boolean))
        whole = [place for place in places if tuple(map(_plain, series[place])) in self._lists]
        return pl.Series(range(len(series))).is_in(whole)


def _flat(kind: Any) -> bool:
    """Whether an element may be one of a placeholder, of which none holds more than an entry's two texts."""
    parts = [field.dtype for field in kind.fields] if isinstance(kind, pl.Struct) else [kind]
    return not any(part.is_nested() for part in parts)


def _one_of(series: pl.Series, values: Sequence[Any]) -> pl.Series:
    # a comparison looks at length and first bytes, and costs less than a hash of each value
    mask = series == _literal(values[0], series.dtype)
    for value in values[1:]:
        mask |= series == _literal(value, series.dtype)
    return mask


def _literal(value: Any, kind: pl.DataType) -> pl.Series:
    # bare bytes would be compared as a list of numbers
    return pl.Series([value], dtype=kind)


def _plain(element: Any) -> Any:
    """An element of a list; the entry of a map as its key and value."""
    return tuple(element.values()) if isinstance(element, dict) else element


def _texts(raw: bytes) -> tuple[str, ...]:
    """As a text of its own, as the modes of binary columns spell it, and as an hstore in JSON form."""
    text = _text(raw)
    hstore = json.dumps({text: text}, separators=(",", ":"), ensure_ascii=False)
    return text, base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex(), hstore


def _nested(raw: bytes) -> tuple[str, ...]:
    """As JSON text of what is no column: quoted, as bytes, and as a list or map of those."""
    text = _text(raw)
    words = [text, "\\x" + raw.hex()]
    values = [*words, *([word] for word in words), _numbers(raw), {text: text}]
    return tuple(json.dumps(value, ensure_ascii=False) for value in values)


def _lists(raw: bytes) -> list[tuple[Any, ...]]:
    """Arrays: one element that is the text, its bytes, or a uuid of it; numbers, one for each byte. A map's entry."""
    text = _text(raw)
    named = uuid.UUID(bytes=md5(raw, usedforsecurity=False).digest(), version=3)
    return [(text,), (raw,), (str(named),), tuple(_numbers(raw)), ((text, text),)]


def _numbers(raw: bytes) -> list[int]:
    # Java's bytes have a sign
    return [byte - 256 if byte > 127 else byte for byte in raw]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
