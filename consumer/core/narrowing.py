"""Whether a target column keeps values as they are, where PostgreSQL would round or cut them without a word.

Checked in front of the cast, whole columns at a time, and only where the target keeps less than the source may send.
"""

import polars as pl

from consumer.core.envelope import Column
from consumer.core.forms import Unfit
from consumer.core.meaning import Meaning
from consumer.core.types import Carriage

_DAY_US = 86_400_000_000
_I64_MAX, _I64_MIN = 2**63 - 1, -(2**63)
# the digits of what rounds to fewer than numeric does, by the name of the type
_DIGITS = {"int2": 0, "int4": 0, "int8": 0, "oid": 0, "money": 2}
_MOST_BYTES = {"name": 63, "char": 1}
_FLOATS = {"float4": pl.Float32(), "float8": pl.Float64()}
# more than a float has
_MOST_DIGITS = 20
_REMEDY = "Widen the target column to what the source column holds."
_COUNTED = ("time", "timestamp", "timestamptz")


def require_kept(series: pl.Series, form: pl.Series, how: Carriage, column: Column) -> None:
    """Raises Unfit where the target column would keep less of a value than there is.

    `series`: as decoded; `form`: as it is staged.
    """
    if how.staging == "text":
        _text(form, how)
    elif how.staging in _COUNTED:
        _counted(form, how)
    elif series.dtype.is_decimal():
        _decimal(series, how, column)
    elif (how.meaning, how.target) in _TO_FLOATS:
        _float(series, how.target)
    elif how.staging in _FLOATS and (digits := _digits(how)) is not None:
        kept = series.round(min(max(digits, 0), _MOST_DIGITS))
        if not kept.eq_missing(series).all():
            raise _too_many(digits)


_TO_FLOATS = {(Meaning.INTEGER, "float4"), (Meaning.INTEGER, "float8"), (Meaning.DOUBLE, "float4")}


def _text(form: pl.Series, how: Carriage) -> None:
    most = how.into.length
    if most is not None and (form.str.len_bytes() > most).any():
        # it cuts blanks at the end, and refuses all else by itself
        blank = (form.str.len_chars() > most) & (form.str.strip_chars_end(" ").str.len_chars() <= most)
        if blank.any():
            raise Unfit(f"at most {most} characters", "more, which are blanks", _REMEDY)
    most = _MOST_BYTES.get(how.target)
    if most is not None and (form.str.len_bytes() > most).any():
        raise Unfit(f"at most {most} bytes", "more", _REMEDY)
    digits = _digits(how)
    if digits is not None and form.str.contains(_beyond(digits)).any():
        raise _too_many(digits)


def _beyond(digits: int) -> str:
    """The pattern of a number that has digits which are not kept; fewer than none are in front of the point."""
    behind = rf"\.\d{{{max(digits, 0)}}}\d*[1-9]"
    return behind if digits >= 0 else rf"[1-9]\d{{0,{-digits - 1}}}(\.\d*)?$|{behind}"


def _counted(form: pl.Series, how: Carriage) -> None:
    """Microseconds, of which the target keeps some digits or the days alone."""
    unit = _DAY_US if how.target == "date" else 10 ** (6 - (how.into.digits if how.into.digits is not None else 6))
    if unit == 1:
        return
    over = (form % unit != 0) & (form != _I64_MAX) & (form != _I64_MIN)
    if over.any():
        raise Unfit("a day", "a time of day", _REMEDY) if how.target == "date" else _too_many(how.into.digits or 0)


def _decimal(series: pl.Series, how: Carriage, column: Column) -> None:
    if how.target in _FLOATS:
        _float(series, how.target)
    digits = _digits(how)
    if digits is None or digits >= (column.scale or 0):
        return
    if series.cast(pl.String).str.contains(_beyond(digits)).any():
        raise _too_many(digits)


def _float(series: pl.Series, kind: str) -> None:
    back = series.cast(_FLOATS[kind], strict=False).cast(series.dtype, strict=False)
    if not back.eq_missing(series).all():
        raise Unfit(f"a number that {kind} keeps", "one of more digits", _REMEDY)


def _digits(how: Carriage) -> int | None:
    return _DIGITS.get(how.target, how.into.digits)


def _too_many(digits: int) -> Unfit:
    return Unfit(f"at most {digits} digits behind the point", "more", _REMEDY)
