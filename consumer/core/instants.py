"""Dates and times as the shifted integers of PostgreSQL's binary form, whole columns at a time.

PostgreSQL counts from 2000-01-01. No Python date is ever made, so its whole range passes: BC, years beyond 9999, 24:00,
infinities. Constants of infinity: Debezium's PostgreSQL connector sends pgjdbc's own (`PGStatement`), int64 extremes in
nanoseconds, and day numbers that wrap onto PostgreSQL's infinities under the int32 shift.
"""

import numpy as np
import polars as pl
import pyarrow as pa

from consumer.core.forms import NotCarried
from consumer.core.meaning import Meaning

_DAYS = 10_957
INFINITE_DAY = _DAYS + 2**31 - 1 - 2**32
"""What Debezium's PostgreSQL connector counts for the date infinity: the most days behind 2000, wrapped."""
_US = 946_684_800_000_000
_I64_MAX = 2**63 - 1
_I64_MIN = -(2**63)
# no time of PostgreSQL, and not its infinity, so that it refuses it
_OUTSIDE = _I64_MIN + 1
_US_POSITIVE_INFINITY = 9_223_372_036_825_200_000
_US_NEGATIVE_INFINITY = -9_223_372_036_832_400_000
_MS_POSITIVE_INFINITY, _MS_NEGATIVE_INFINITY = _US_POSITIVE_INFINITY // 1000, _US_NEGATIVE_INFINITY // 1000
# the first instant that shifted neither wraps nor is an infinity
_US_FIRST = _I64_MIN + _US + 1
_MS_FIRST, _MS_LAST = -9_223_372_036_854_775, 9_223_372_036_854_775
_INTERVAL = np.dtype([("us", ">i8"), ("days", ">i4"), ("months", ">i4")])
UNITS = {
    Meaning.TIME_MS: 1_000_000,
    Meaning.TIME_US: 1_000,
    Meaning.TIME_NS: 1,
    Meaning.DURATION_US: 1_000,
    Meaning.DURATION_NS: 1,
}
"""The nanoseconds of what is counted."""


def date(series: pl.Series) -> pl.Series:
    """Days since 1970."""
    # wraps: Debezium's two day numbers for infinity land exactly on PostgreSQL's
    return series - pl.Series([_DAYS], dtype=pl.Int32)


def timestamp_us(series: pl.Series) -> pl.Series:
    """Microseconds since 1970."""
    return _shifted(series, pl.col("x") - _US, _US_POSITIVE_INFINITY, _US_NEGATIVE_INFINITY, _US_FIRST)


def timestamp_ms(series: pl.Series) -> pl.Series:
    """Milliseconds since 1970: some are PostgreSQL's last years, whose microseconds since 1970 are no 64-bit number."""
    ms = pl.col("x") - _US // 1000
    us = pl.when(ms > _MS_LAST).then(_OUTSIDE).otherwise(ms * 1000)
    return _shifted(series, us, _MS_POSITIVE_INFINITY, _MS_NEGATIVE_INFINITY, _MS_FIRST + _US // 1000)


def timestamp_ns(series: pl.Series) -> pl.Series:
    """Nanoseconds since 1970; PostgreSQL has no parts of a microsecond."""
    return _shifted(series, pl.col("x") // 1000 - _US, _I64_MAX, _I64_MIN, _I64_MIN)


def _shifted(series: pl.Series, shifted: pl.Expr, infinity: int, negative: int, first: int) -> pl.Series:
    x = pl.col("x")
    form = (
        pl.when(x == infinity)
        .then(pl.lit(_I64_MAX))
        .when(x == negative)
        .then(pl.lit(_I64_MIN))
        .when(x < first)
        .then(pl.lit(_OUTSIDE))
        .otherwise(shifted)
    )
    return pl.DataFrame({"x": series}).select(form.alias("x"))["x"]


def microseconds(series: pl.Series, unit: int) -> pl.Series:
    """Counts of so many nanoseconds as microseconds."""
    counts = series.cast(pl.Int64)
    if unit < 1000:
        # what is left out of a span makes it shorter, also of one below zero
        return counts // 1000 + ((counts < 0) & (counts % 1000 != 0)).cast(pl.Int64)
    return counts if unit == 1000 else counts * (unit // 1000)


def interval(series: pl.Series, unit: int) -> pl.Series:
    """Counts of so many nanoseconds as intervals that have neither days nor months."""
    counts = microseconds(series, unit)
    rows = np.zeros(len(counts), _INTERVAL)
    rows["us"] = counts.fill_null(0).to_numpy()
    return binary(rows, counts)


def binary(rows: np.ndarray, like: pl.Series) -> pl.Series:
    """The bytes of each row, null where the other column is."""
    fixed = pa.Array.from_buffers(pa.binary(rows.dtype.itemsize), len(rows), [None, pa.py_buffer(rows)])
    return blanked(pl.Series(fixed.cast(pa.large_binary())), like)


def blanked(series: pl.Series, like: pl.Series) -> pl.Series:
    """The same with nulls where the other column has them."""
    return pl.select(pl.when(like.is_not_null()).then(series)).to_series() if like.null_count() else series


def zoned(series: pl.Series) -> pl.Series:
    """ISO 8601 text in UTC."""
    sound = series.str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")
    if not sound.fill_null(True).all():
        raise NotCarried("a value is not an ISO 8601 time in UTC with at most six fractional digits")
    parsed = series.str.strip_chars_end("Z").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False, exact=True
    )
    if parsed.null_count() != series.null_count():
        raise NotCarried("a value is not a time of the calendar")
    return parsed.cast(pl.Int64) - _US
