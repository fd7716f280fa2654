"""Avro columns into the columns that a binary COPY carries, whole columns at a time.

Dates and times are shifted integers (PostgreSQL counts from 2000-01-01), a uuid is its 16 bytes; no Python
date is ever made, so PostgreSQL's whole range passes: BC, years beyond 9999, 24:00, infinities.
Constants of infinity: Debezium's PostgreSQL connector sends pgjdbc's own (`PGStatement`), int64 extremes
in nanoseconds, and day numbers that wrap onto PostgreSQL's infinities under the int32 shift.
"""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl

from consumer.core.envelope import Column
from consumer.core.types import Carriage, Meaning

_DAYS = 10_957
_US = 946_684_800_000_000
_I64_MAX = 2**63 - 1
_I64_MIN = -(2**63)
_US_POSITIVE_INFINITY = 9_223_371_331_200_000_000
_US_NEGATIVE_INFINITY = -9_223_372_036_832_400_000


class NotCarried(ValueError):
    """A value has no binary form here; the column must travel as text for PostgreSQL to judge."""


def carried(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    """`series` as decoded, in the form that `how.staging` takes. Raises NotCarried."""
    if how.staging == "text":
        return _as_text(series, how.meaning, column)
    transform = _TRANSFORMS.get(how.meaning)
    return transform(series, how.staging) if transform else series


def _integer(series: pl.Series, staging: str) -> pl.Series:
    wanted = {"int2": pl.Int16, "int4": pl.Int32, "int8": pl.Int64}[staging]
    return _strict(series, wanted)


def _strict(series: pl.Series, wanted: Any) -> pl.Series:
    cast = series.cast(wanted, strict=False)
    if cast.null_count() != series.null_count():
        raise NotCarried(f"a value is outside the range of {wanted}")
    return cast


def _real(series: pl.Series, staging: str) -> pl.Series:
    return series.cast(pl.Float64) if staging == "float8" else series


def _date(series: pl.Series, _: str) -> pl.Series:
    # wraps: Debezium's two day numbers for infinity land exactly on PostgreSQL's
    return series - pl.Series([_DAYS], dtype=pl.Int32)


def _microseconds(series: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"x": series})
    x = pl.col("x")
    shifted = (
        pl.when(x >= _US_POSITIVE_INFINITY)
        .then(pl.lit(_I64_MAX))
        .when(x <= _US_NEGATIVE_INFINITY)
        .then(pl.lit(_I64_MIN))
        .otherwise(x - _US)
    )
    return frame.select(shifted.alias("x"))["x"]


def _timestamp_us(series: pl.Series, _: str) -> pl.Series:
    return _microseconds(series)


def _timestamp_ms(series: pl.Series, _: str) -> pl.Series:
    bound = series.clip(_US_NEGATIVE_INFINITY // 1000, _US_POSITIVE_INFINITY // 1000)
    return _microseconds(bound * 1000)


def _timestamp_ns(series: pl.Series, _: str) -> pl.Series:
    frame = pl.DataFrame({"x": series})
    x = pl.col("x")
    micros = pl.when(x.is_in([_I64_MAX, _I64_MIN])).then(x).otherwise(x // 1000)
    return _microseconds(frame.select(micros.alias("x"))["x"])


def _time_ms(series: pl.Series, _: str) -> pl.Series:
    return series.cast(pl.Int64) * 1000


def _time_ns(series: pl.Series, _: str) -> pl.Series:
    return series // 1000


def _uuid(series: pl.Series, _: str) -> pl.Series:
    digits = series.str.replace_all("-", "", literal=True)
    raw = digits.str.decode("hex", strict=False)
    sound = (series.str.len_bytes() == 36) & (raw.bin.size() == 16)
    if raw.null_count() != series.null_count() or not sound.fill_null(True).all():
        raise NotCarried("a value is not a uuid of 36 characters")
    return raw


def _zoned(series: pl.Series, _: str) -> pl.Series:
    sound = series.str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")
    if not sound.fill_null(True).all():
        raise NotCarried("a value is not an ISO 8601 time in UTC with at most six fractional digits")
    parsed = series.str.strip_chars_end("Z").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False, exact=True
    )
    if parsed.null_count() != series.null_count():
        raise NotCarried("a value is not a time of the calendar")
    return parsed.cast(pl.Int64) - _US


_TRANSFORMS: dict[Meaning, Callable[[pl.Series, str], pl.Series]] = {
    Meaning.INTEGER: _integer,
    Meaning.REAL: _real,
    Meaning.DATE: _date,
    Meaning.TIME_MS: _time_ms,
    Meaning.TIME_NS: _time_ns,
    Meaning.TIMESTAMP_MS: _timestamp_ms,
    Meaning.TIMESTAMP_US: _timestamp_us,
    Meaning.TIMESTAMP_NS: _timestamp_ns,
    Meaning.UUID: _uuid,
    Meaning.ZONED_TIMESTAMP: _zoned,
}


def _as_text(series: pl.Series, means: Meaning, column: Column) -> pl.Series:
    if series.dtype == pl.String:
        return _zoned_text(series) if means is Meaning.ZONED_TIMESTAMP else series
    if means is Meaning.WIDE_DECIMAL:
        scale = column.scale or 0
        return _each(series, lambda raw: _decimal_text(raw, scale))
    if means is Meaning.SCALED_DECIMAL:
        return _each(series, lambda value: _decimal_text(value["value"], value["scale"]))
    if means in _DURATIONS:
        return _each(series, lambda count: f"{Decimal(count).scaleb(_DURATIONS[means]):f} seconds")
    if series.dtype == pl.Binary:
        return _each(series, lambda raw: "\\x" + raw.hex())
    if series.dtype.is_nested():
        return _each(series, json_text)
    return series.cast(pl.String)


_DURATIONS = {Meaning.DURATION_US: -6, Meaning.DURATION_NS: -9}
"""The power of ten of each unit in seconds."""


def _each(series: pl.Series, form: Callable[[Any], str]) -> pl.Series:
    """The slow way for the few types that have no column-wise form."""
    return pl.Series([None if value is None else form(value) for value in series], dtype=pl.String)


def _decimal_text(raw: bytes, scale: int) -> str:
    unscaled = int.from_bytes(raw, "big", signed=True)
    sign, digits, _ = Decimal(unscaled).as_tuple()
    return f"{Decimal((sign, digits, -scale)):f}"


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
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value)


def _zoned_text(series: pl.Series) -> pl.Series:
    """Debezium writes years beyond 9999 with a plus sign and years before 1 AD as negative; PostgreSQL does not."""
    odd = series.str.contains(r"^[+-]")
    if not odd.any():
        return series
    return _each(series, _pg_time)


def _pg_time(text: str) -> str:
    if text.startswith("+"):
        return text[1:]
    if not text.startswith("-") or text == "-infinity":
        return text
    year, rest = text[1:].split("-", 1)
    # astronomical year 0 is 1 BC
    return f"{int(year) + 1:04d}-{rest} BC"
