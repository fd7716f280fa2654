"""Avro columns into the columns that a binary COPY carries, whole columns at a time."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import polars as pl

from consumer.core import instants, spatial
from consumer.core.arrays import elements, packed
from consumer.core.bits import varbit
from consumer.core.envelope import Column
from consumer.core.forms import NotCarried, Unfit, each_bytes, not_money
from consumer.core.meaning import Meaning
from consumer.core.narrowing import require_kept
from consumer.core.texts import as_text
from consumer.core.types import Carriage

_DECODED: dict[str, Callable[[str], bytes]] = {
    "base64": lambda text: base64.b64decode(text, validate=True),
    # the padding may be there or not
    "base64-url-safe": lambda text: base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True),
    "hex": bytes.fromhex,
}


def carried(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    """`series` as decoded, in the form that `how.staging` takes. Raises NotCarried, or Unfit."""
    if how.item is not None:
        return _array(series, how.item, column)
    form = _form(series, how, column)
    require_kept(series, form, how, column)
    return form


def _form(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    if how.staging == "text":
        return as_text(series, how, column)
    transform = _TRANSFORMS.get(how.meaning)
    return transform(series, how, column) if transform else series


def _array(series: pl.Series, item: Carriage, column: Column) -> pl.Series:
    if series.dtype == pl.String:
        # of an EnumSet, which is empty or joined by commas
        series = series.str.split(",").set(series == "", [])
    return packed(series, carried(elements(series), item, column.item or column), item.staging)


def _integer(series: pl.Series, how: Carriage, _: Column) -> pl.Series:
    if how.staging == "bool":
        return _zero_or_one(series)
    wanted: Any = {"int2": pl.Int16, "int4": pl.Int32, "int8": pl.Int64}[how.staging]
    cast = series.cast(wanted, strict=False)
    if cast.null_count() != series.null_count():
        raise NotCarried(f"a value is outside the range of {wanted}")
    return cast


def _zero_or_one(series: pl.Series) -> pl.Series:
    """As MySQL has its booleans, in a `tinyint(1)`."""
    if not series.is_in([0, 1]).fill_null(True).all():
        raise Unfit("0 or 1", "another number", "Make the target column an integer.")
    return series.cast(pl.Boolean)


def _boolean(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    return series if how.staging == "bool" else _integer(series, how, column)


def _unsigned(series: pl.Series, _: Carriage, __: Column) -> pl.Series:
    x = pl.col("x").cast(pl.Int128)
    whole = pl.when(x < 0).then(x + pl.lit(1 << 64, dtype=pl.Int128)).otherwise(x)
    return pl.DataFrame({"x": series}).select(whole.cast(pl.Decimal(20, 0)))["x"]


def _real(series: pl.Series, how: Carriage, _: Column) -> pl.Series:
    if how.target == "money" and not series.is_finite().fill_null(True).all():
        raise not_money()
    return series.cast(pl.Float64) if how.staging == "float8" else series


def _time(series: pl.Series, how: Carriage, _: Column) -> pl.Series:
    form = instants.interval if how.staging == "interval" else instants.microseconds
    return form(series, instants.UNITS[how.meaning])


def _uuid(series: pl.Series, _: Carriage, __: Column) -> pl.Series:
    digits = series.str.replace_all("-", "", literal=True)
    raw = digits.str.decode("hex", strict=False)
    sound = (series.str.len_bytes() == 36) & (raw.bin.size() == 16)
    if raw.null_count() != series.null_count() or not sound.fill_null(True).all():
        raise NotCarried("a value is not a uuid of 36 characters")
    return raw


def _bytes(series: pl.Series, how: Carriage, _: Column) -> pl.Series:
    if series.dtype == pl.String:
        series = _decoded(series, how)
    if how.staging == "uuid" and not (series.bin.size() == 16).fill_null(True).all():
        raise NotCarried("a value has not the 16 bytes of a uuid")
    return series


def _decoded(series: pl.Series, how: Carriage) -> pl.Series:
    assert how.policy.binary is not None, "texts become bytes only where it is set how"
    try:
        return each_bytes(series, _DECODED[how.policy.binary])
    except (binascii.Error, ValueError) as error:
        remedy = "Compare the column's setting `binary` with the connector's binary.handling.mode."
        raise Unfit(f"bytes as {how.policy.binary}", "a text that is none", remedy) from error


def _bits(series: pl.Series, how: Carriage, column: Column) -> pl.Series:
    return each_bytes(series, varbit(column, varying=how.target == "varbit"))


def _shape(series: pl.Series, how: Carriage, _: Column) -> pl.Series:
    return each_bytes(series, spatial.NATIVE[how.staging])


_Transform = Callable[[pl.Series, Carriage, Column], pl.Series]


def _plain(form: Callable[[pl.Series], pl.Series]) -> _Transform:
    return lambda series, how, column: form(series)


_TRANSFORMS: dict[Meaning, _Transform] = {
    Meaning.BOOLEAN: _boolean,
    Meaning.INTEGER: _integer,
    Meaning.UNSIGNED: _unsigned,
    Meaning.REAL: _real,
    Meaning.DOUBLE: _real,
    Meaning.DATE: _plain(instants.date),
    Meaning.TIME_MS: _time,
    Meaning.TIME_US: _time,
    Meaning.TIME_NS: _time,
    Meaning.TIMESTAMP_MS: _plain(instants.timestamp_ms),
    Meaning.TIMESTAMP_US: _plain(instants.timestamp_us),
    Meaning.TIMESTAMP_NS: _plain(instants.timestamp_ns),
    Meaning.ZONED_TIMESTAMP: _plain(instants.zoned),
    Meaning.DURATION_US: lambda series, how, _: instants.interval(series, instants.UNITS[how.meaning]),
    Meaning.DURATION_NS: lambda series, how, _: instants.interval(series, instants.UNITS[how.meaning]),
    Meaning.UUID: _uuid,
    Meaning.BYTES: _bytes,
    Meaning.BITS: _bits,
    Meaning.POINT: _shape,
    Meaning.GEOMETRY: _shape,
    Meaning.GEOGRAPHY: _shape,
    Meaning.CIRCLE: lambda series, how, _: each_bytes(series, spatial.circle),
    Meaning.LINE: lambda series, how, _: each_bytes(series, spatial.line),
}
