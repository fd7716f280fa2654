"""Dates, times and intervals as texts that PostgreSQL reads, from ISO 8601 texts and from their parts.

Debezium writes years beyond 9999 with a plus sign and years before 1 AD as zero and below; PostgreSQL does neither.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from consumer.core.forms import each_text

_INFINITIES = {
    # what Debezium's constants of infinity are in isostring mode
    "+294247-01-10T04:00:25.2Z": "infinity",
    "-290308-12-21T19:59:27.6Z": "-infinity",
    "-5877611-06-21Z": "infinity",
    "-5877611-06-22Z": "-infinity",
    # and in structured mode
    "POSITIVE_INFINITY": "infinity",
    "NEGATIVE_INFINITY": "-infinity",
}
_YEAR = re.compile(r"(-\d+|0000)-(.*)")
Parts = Mapping[str, Any]


def iso(series: pl.Series) -> pl.Series:
    """ISO 8601 texts of dates and instants; most are PostgreSQL's own form too."""
    odd = series.str.contains(r"^([+-]|0000)")
    return each_text(series, _spelled) if odd.any() else series


def _spelled(text: str) -> str:
    if text in _INFINITIES:
        return _INFINITIES[text]
    found = _YEAR.fullmatch(text)
    return _year(int(found[1]), found[2]) if found else text.removeprefix("+")


def _year(year: int, rest: str) -> str:
    """A year of astronomers, in which 0 is 1 BC, with what follows it."""
    if year > 0:
        return f"{year:04d}-{rest}"
    # a date's zone would not be read in front of BC
    return f"{1 - year:04d}-{rest if 'T' in rest else rest.removesuffix('Z')} BC"


def date(value: Parts) -> str:
    """From year, month and day."""
    return _special(value) or _year(value["year"], f"{value['month']:02d}-{value['day']:02d}")


def time(value: Parts) -> str:
    """From hour to nanosecond, with the offset where there is one."""
    return _clock(value) + _offset(value)


def timestamp(value: Parts) -> str:
    """From year to nanosecond, with the offset where there is one."""
    day = f"{value['month'] or 0:02d}-{value['day'] or 0:02d}"
    return _special(value) or _year(value["year"], f"{day}T{_clock(value)}{_offset(value)}")


def seconds(unit: int) -> Callable[[int], str]:
    """Counts of so many nanoseconds as an interval of seconds."""
    parts = 1_000_000_000 // unit
    digits = len(str(parts)) - 1

    def said(number: int) -> str:
        whole, rest = divmod(abs(number), parts)
        return f"{'-' * (number < 0)}{whole}.{rest:0{digits}} seconds"

    return said


def duration(value: Parts) -> str:
    """From years to nanoseconds, each with its sign."""
    months = f"{value['years'] or 0} years {value['months'] or 0} mons {value['days'] or 0} days"
    nanos = (value["seconds"] or 0) * 1_000_000_000 + (value["nanos"] or 0)
    sign = "-" if nanos < 0 else ""
    seconds = f"{sign}{abs(nanos) // 1_000_000_000}.{abs(nanos) % 1_000_000_000:09d} seconds"
    return f"{months} {value['hours'] or 0} hours {value['minutes'] or 0} mins {seconds}"


def _special(value: Parts) -> str | None:
    special = value["specialValue"]
    return None if special is None else _INFINITIES.get(special, special)


def _clock(value: Parts) -> str:
    return f"{value['hour']:02d}:{value['minute']:02d}:{value['second']:02d}.{value['nanos'] or 0:09d}"


def _offset(value: Parts) -> str:
    seconds = value.get("offsetSeconds")
    if seconds is None:
        return ""
    size = abs(seconds)
    return f"{'-' if seconds < 0 else '+'}{size // 3600:02d}:{size // 60 % 60:02d}:{size % 60:02d}"
