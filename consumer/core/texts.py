"""Columns as text that PostgreSQL's own input reads into the target's type."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from consumer.core import instants, spatial, spelling
from consumer.core.bits import digits
from consumer.core.decimals import decimal_text
from consumer.core.envelope import Column
from consumer.core.forms import Unfit, each_text, not_money
from consumer.core.meaning import Meaning, meaning
from consumer.core.types import Carriage

_JSONS = frozenset({"json", "jsonb"})
_ZERO_BYTES = {"strip": "", "escape": "\\u0000"}
_WORDS = {"POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}
"""Debezium's words for infinity where decimals are strings."""


def as_text(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    """Every value as text in the spelling of the target's type."""
    form = _spelled(series, how, column)
    # PostgreSQL would round
    cut = how.policy.nanoseconds == "cut" and how.target in CLOCKS
    return form.str.replace(r"(\.\d{6})\d+", "$1") if cut else form


def _spelled(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    if series.dtype == pl.String:
        return _text(series, how)
    if how.target == "interval" and how.meaning in instants.UNITS:
        return each_text(series, spelling.seconds(instants.UNITS[how.meaning]))
    form = _FORMS.get(how.meaning)
    if form is not None and (how.target not in _JSONS or how.meaning in _DECIMALS):
        return each_text(series, form(how, column))
    if how.meaning is Meaning.BOOLEAN:
        return series.cast(pl.Int8).cast(pl.String)
    if how.meaning is Meaning.BYTES:
        return series.cast(pl.String)
    if series.dtype == pl.Binary:
        return each_text(series, _hex)
    if how.meaning is Meaning.ARRAY and column.item is not None:
        return each_text(series, _array(how, column.item))
    if series.dtype.is_nested():
        return each_text(series, json_text)
    return series.cast(pl.String)


def _text(series: pl.Series, how: Carriage) -> pl.Series:
    if how.policy.zero_bytes != "reject":
        series = series.str.replace_all("\0", _ZERO_BYTES[how.policy.zero_bytes], literal=True)
    if how.meaning is Meaning.NUMBER_TEXT:
        return _finite_money(series.replace(_WORDS)) if how.target == "money" else series.replace(_WORDS)
    if how.meaning is Meaning.JSON and how.target == "hstore":
        return each_text(series, _hstore_of_json)
    if how.meaning in _INSTANTS and how.target not in _AS_WRITTEN:
        series = spelling.iso(series)
    return series


def _finite_money(series: pl.Series) -> pl.Series:
    if series.str.contains(r"(?i)^\s*[+-]?(nan|inf(inity)?)\s*$").any():
        raise not_money()
    return series


_INSTANTS = frozenset({Meaning.ZONED_TIMESTAMP, Meaning.ISO_DATE, Meaning.ISO_TIMESTAMP})
CLOCKS = frozenset({"time", "timetz", "timestamp", "timestamptz", "interval"})
"""Types that keep microseconds."""
_AS_WRITTEN = frozenset({"text", "varchar", "bpchar", "name", "citext", "json", "jsonb"})


def hstore(value: dict[str, str | None]) -> str:
    """A map as hstore reads it."""
    return ",".join(f"{_quoted(key)}=>{'NULL' if part is None else _quoted(part)}" for key, part in value.items())


def _hstore_of_json(text: str) -> str:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise _no_hstore("one nested without end") from error
    except ValueError as error:
        raise _no_hstore("what is no JSON") from error
    if not isinstance(value, dict) or not all(part is None or isinstance(part, str) for part in value.values()):
        raise _no_hstore("another")
    return hstore(value)


def _no_hstore(found: str) -> Unfit:
    return Unfit("a JSON object of texts, for an hstore", found, "Make the target column jsonb.")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _vector(values: Any) -> str:
    return f"[{','.join(map(_number, values))}]"


def _float_vector(values: Any) -> str:
    return f"[{','.join(_number(np.float32(value)) for value in values)}]"


def _sparse_vector(value: Any) -> str:
    entries = value["vector"]
    pairs = entries.items() if isinstance(entries, dict) else ((entry["key"], entry["value"]) for entry in entries)
    inside = ",".join(f"{key}:{_number(part)}" for key, part in sorted((int(key), part) for key, part in pairs))
    return f"{{{inside}}}/{value['dimensions']}"


def _number(value: Any) -> str:
    """The shortest digits that are the same number."""
    return str(value).removesuffix(".0")


def _hex(raw: bytes) -> str:
    return "\\x" + raw.hex()


def _map(how: Carriage, _: Column) -> Callable[[Any], str]:
    return hstore if how.target == "hstore" else json_text


def _bits(how: Carriage, column: Column) -> Callable[[Any], str]:
    return digits(column, varying=False)


def _plain(form: Callable[[Any], str]) -> Callable[[Carriage, Column], Callable[[Any], str]]:
    return lambda how, column: form


_FORMS: dict[Meaning, Callable[[Carriage, Column], Callable[[Any], str]]] = {
    Meaning.WIDE_DECIMAL: lambda how, column: lambda raw: decimal_text(raw, column.scale or 0),
    Meaning.SCALED_DECIMAL: _plain(lambda value: decimal_text(value["value"], value["scale"])),
    Meaning.MAP: _map,
    Meaning.BITS: _bits,
    Meaning.DATE_PARTS: _plain(spelling.date),
    Meaning.TIME_PARTS: _plain(spelling.time),
    Meaning.ZONED_TIME_PARTS: _plain(spelling.time),
    Meaning.TIMESTAMP_PARTS: _plain(spelling.timestamp),
    Meaning.ZONED_TIMESTAMP_PARTS: _plain(spelling.timestamp),
    Meaning.DURATION_PARTS: _plain(spelling.duration),
    Meaning.POINT: _plain(spatial.ewkb_text),
    Meaning.GEOMETRY: _plain(spatial.ewkb_text),
    Meaning.GEOGRAPHY: _plain(spatial.ewkb_text),
    Meaning.DOUBLE_VECTOR: _plain(_vector),
    Meaning.FLOAT_VECTOR: _plain(_float_vector),
    Meaning.SPARSE_VECTOR: _plain(_sparse_vector),
}


# texts of them are numbers of JSON too
_DECIMALS = frozenset({Meaning.WIDE_DECIMAL, Meaning.SCALED_DECIMAL})


def _array(how: Carriage, item: Column) -> Callable[[Any], str]:
    """As JSON, with elements in digits of their own where decoded ones have others."""
    means = meaning(item)
    if means is Meaning.REAL:
        return lambda values: json_text([None if one is None else float(str(np.float32(one))) for one in values])
    if means in _DECIMALS:
        form = _FORMS[means](how, item)
        return lambda values: json_text([None if one is None else form(one) for one in values])
    return json_text


def json_text(value: object) -> str:
    """A value that no column type holds, as JSON text with bytes in hex (`\\x00`)."""
    return json.dumps(_finite(value), default=_json_value, ensure_ascii=False, allow_nan=False)


def _finite(value: object) -> object:
    """JSON has no words for NaN and infinities, so they become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple | pl.Series):
        return [_finite(part) for part in value]
    return value


def _json_value(value: object) -> object:
    return _hex(value) if isinstance(value, bytes) else str(value)
