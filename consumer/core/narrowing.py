"""Whether a target column keeps values as they are, where PostgreSQL would round or cut them without a word.

Checked in front of the cast, whole columns at a time, and only where the target keeps less than the source may send.
"""

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import numpy as np
import polars as pl

from consumer.core import instants
from consumer.core.arrays import elements
from consumer.core.envelope import Column
from consumer.core.forms import Unfit
from consumer.core.literals import elements_of, fields_of
from consumer.core.meaning import Meaning
from consumer.core.texts import CLOCKS
from consumer.core.types import Carriage, Kind, carriage

_DAY_US = 86_400_000_000
_I64_MAX, _I64_MIN = 2**63 - 1, -(2**63)
# the digits of what rounds to fewer than numeric does, by the name of the type
_DIGITS = {"int2": 0, "int4": 0, "int8": 0, "oid": 0, "money": 2}
_WHOLES = frozenset({"int2", "int4", "int8", "oid"})
_EXACT = frozenset({"numeric", "money"})
_MOST_BYTES = {"name": 63, "char": 1}
_FLOATS = {"float4": pl.Float32(), "float8": pl.Float64()}
# those that polars rounds to
_MOST_DIGITS = 20
_REMEDY = "Widen the target column to what the source column holds."
_MORE_THAN_A_NUMBER = "Make the target column text: a number has no leading zeros, plus signs or blanks."
_ZONED = "Make the target column one with a time zone, or text."
_CUT = 'Make the target column text if the source can send text, or set `nanoseconds = "cut"` for the column.'
_COUNTED = ("time", "timestamp", "timestamptz", "interval")


def require_kept(series: pl.Series, form: pl.Series, how: Carriage, column: Column) -> None:
    """Raises Unfit where the target column would keep less of a value than there is.

    `series`: as decoded; `form`: as it is staged.
    """
    digits = _digits(how)
    if how.policy.nanoseconds == "reject":
        _whole_microseconds(series, form, how)
    if (how.meaning, how.target) in _TO_REALS:
        _vector(series, how.target)
    elif how.staging == "text":
        _parts(form, how.into, column)
        _text(form, how)
        _spelled(series, form, how.target)
    elif how.staging in _COUNTED:
        _counted(_microseconds(series, form, how), how)
    elif series.dtype.is_decimal():
        _decimal(series, how, column)
    elif (how.meaning, how.target) in _TO_FLOATS:
        _float(form if how.meaning is Meaning.UNSIGNED else series, how.target)
    elif how.staging in _FLOATS and digits is not None:
        _rounded(series, max(digits, 0))
    if digits is not None and digits < 0 and form.dtype.is_numeric():
        _multiple(form, digits)


_TO_FLOATS = {
    *((means, kind) for means in (Meaning.INTEGER, Meaning.UNSIGNED) for kind in ("float4", "float8")),
    (Meaning.DOUBLE, "float4"),
}
_TO_REALS = {
    (Meaning.DOUBLE_VECTOR, "vector"),
    (Meaning.DOUBLE_VECTOR, "halfvec"),
    (Meaning.FLOAT_VECTOR, "halfvec"),
    (Meaning.SPARSE_VECTOR, "sparsevec"),
}
_NANOSECONDS = {Meaning.TIME_NS, Meaning.TIMESTAMP_NS, Meaning.DURATION_NS}


def _whole_microseconds(series: pl.Series, form: pl.Series, how: Carriage) -> None:
    if how.meaning in _NANOSECONDS:
        # the extremes are infinities
        over = (series % 1000 != 0) & (series != _I64_MAX) & (series != _I64_MIN)
    elif how.staging == "text" and how.target in CLOCKS:
        over = form.str.contains(_beyond(6))
    else:
        return
    if over.any():
        raise Unfit("whole microseconds", "parts of one", _CUT)


def _rounded(series: pl.Series, digits: int) -> None:
    # it multiplies by a power of ten, which is exact for few digits only: whom it finds is looked at as text
    kept = series.round(min(digits, _MOST_DIGITS))
    if _more(series.filter(~kept.eq_missing(series)).cast(pl.String), digits):
        raise _too_many(digits)


def _multiple(form: pl.Series, digits: int) -> None:
    """Of numbers that keep fewer digits than none: rounded in front of the point."""
    over = form.cast(pl.String).str.contains(_beyond(digits)) if form.dtype.is_decimal() else form % 10**-digits != 0
    if over.any():
        raise _too_many(digits)


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
    if digits is not None and _more(form, digits):
        raise _too_many(digits)
    if how.target in _FLOATS and not all(_is_float(text, how.target) for text in form.drop_nulls()):
        raise _no_float(how.target)
    if how.target in _VECTORS and not _keeps(how.target, form):
        raise Unfit(f"numbers that a {how.target} keeps", "some of more digits", _REMEDY)
    if how.target == "date" and (form.str.contains(_CLOCK) & ~form.str.contains(_MIDNIGHT)).any():
        raise _a_time_of_day()
    if how.target in _UNZONED and (form.str.contains(_OFFSET) | form.str.contains(_ZONE)).any():
        raise Unfit("a time without an offset", "one with an offset", _ZONED)
    if how.target in _MOMENTS and form.str.contains(_RELATIVE).any():
        raise Unfit("a moment", "a word for the one at which it is read", "Make the target column text.")


# PostgreSQL would count a negative one down from the largest
_UNSIGNED = frozenset({"oid", "xid", "cid", "xid8"})
_UNSIGNED_WHOLE = r"^(0|[1-9][0-9]*)$"
_WHOLE = r"^(0|-?[1-9][0-9]*)$"
# with an exponent, as Debezium's texts of numbers may have one; zeros at the end are no part of a number
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$|^(NaN|NAN|-?Infinity)$"
_NO_ZERO = r"^-[0.]+([eE]|$)"
# what a server may take for a number; the rest it refuses itself, row by row in one look
_TAKEN = r"(?i)^\s*[+-]?([0-9._a-fox]*[0-9][0-9._a-fox]*|inf|infinity|nan)(e[+-]?[0-9_]+)?\s*$"


def _spelled(series: pl.Series, form: pl.Series, kind: str) -> None:
    """What was a text at the source, and becomes a number, says no more than the number does: '007' is not 7."""
    if series.dtype != pl.String:
        return
    if kind in _WHOLES | _UNSIGNED:
        odd = ~form.str.contains(_UNSIGNED_WHOLE if kind in _UNSIGNED else _WHOLE)
    elif kind in _FLOATS:
        odd = ~form.str.contains(_NUMBER)
    elif kind in _EXACT:
        odd = ~form.str.contains(_NUMBER) | form.str.contains(_NO_ZERO)
    else:
        return
    if kind != "money":
        odd &= form.str.contains(_TAKEN)
    if odd.any():
        expected = "a whole number" if kind in _WHOLES | _UNSIGNED else "a number"
        raise Unfit(f"{expected} as it is written back", "another text", _MORE_THAN_A_NUMBER)


def _parts(form: pl.Series, kind: Kind, column: Column) -> None:
    """Of texts of arrays and rows each element and field is to be kept as a text of its own would be."""
    if kind.item is not None:
        _part([element for text in form.drop_nulls() for element in elements_of(text)], kind.item, column)
    elif kind.fields:
        rows = [fields_of(text) for text in form.drop_nulls()]
        for place, field in enumerate(kind.fields):
            _part([row[place] for row in rows if place < len(row)], field, column)


def _part(texts: list[str | None], kind: Kind, column: Column) -> None:
    series = pl.Series(texts, dtype=pl.String)
    require_kept(series, series, carriage(Column(name=column.name, avro="string"), kind), column)


_CLOCK = r"\d:\d|\dT\d"
_MIDNIGHT = r"[T ]00:?00(:?00(\.0+)?)?\s*(Z|[+-]00(:?00)?)?( BC)?$"
_UNZONED = {"timestamp", "time"}
_OFFSET = r"(:\d\d(\.\d+)?|[T ]\d\d)\s*[+-][\d:]*[1-9]"
# America/New_York; those without a place are few, and no words of a date
_ZONE = r"(?i)[a-z]+/[a-z_]+|\d\s*([ecmp][sd]t|cest|bst|jst|[aw]e[sd]?t|eet|msk)\s*$"
_MOMENTS = frozenset({"date", "time", "timetz", "timestamp", "timestamptz"})
_RELATIVE = r"(?i)\b(now|today|tomorrow|yesterday)\b"


_NEAR: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("float4", "vector", "sparsevec"), np.float32),
    # written back as the real that it is
    "halfvec": lambda text: np.float32(np.float16(text)),
}


def _is_float(text: str, kind: str) -> bool:
    """Whether the float that a number becomes is written as that number; what is no number is PostgreSQL's to judge."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return True
    with np.errstate(over="ignore"):
        near = _NEAR.get(kind, float)(text)
    return not exact.is_finite() or Decimal(str(near)) == exact


_VECTORS = frozenset({"vector", "halfvec", "sparsevec"})
# the places of a sparse vector's numbers, and how many there are
_PLACES = r"\d+\s*:|/\s*\d+"
_A_NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"


def _keeps(kind: str, texts: pl.Series) -> bool:
    """Whether all numbers of vectors' texts are what they become there is written as."""
    numbers = texts.str.replace_all(_PLACES, " ").str.extract_all(_A_NUMBER).explode().drop_nulls()
    near = numbers.cast(pl.Float32, strict=False)
    if kind == "halfvec":
        with np.errstate(over="ignore"):
            near = pl.Series(near.to_numpy().astype(np.float16).astype(np.float32))
    # there are many, and most are written in the same way
    alike = near.cast(pl.String).str.strip_suffix(".0").eq_missing(numbers)
    return all(_is_float(number, kind) for number in numbers.filter(~alike))


def _beyond(digits: int) -> str:
    """The pattern of a number that has digits which are not kept; fewer than none are in front of the point."""
    behind = rf"\.\d{{{max(digits, 0)}}}\d*[1-9]"
    return behind if digits >= 0 else rf"[1-9]\d{{0,{-digits - 1}}}(\.\d*)?$|{behind}"


def _more(form: pl.Series, digits: int) -> bool:
    """Whether some of the texts have digits which are not kept; those that don't stand where they count are moved."""
    moved = form.str.contains(_MOVED)
    over = form.str.contains(_beyond(digits)) & ~moved
    return over.any() or any(_least(text) < -digits for text in form.filter(moved))


# 12E-3, 1_0.0_1
_MOVED = r"[\d.][eE_][-+\d]"


def _least(text: str) -> float:
    """The power of ten of the last digit that is no nought; what is no number is PostgreSQL's to judge."""
    try:
        _, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return math.inf
    last = next((place for place, digit in enumerate(reversed(digits)) if digit), None)
    return math.inf if last is None or not isinstance(exponent, int) else exponent + last


def _microseconds(series: pl.Series, form: pl.Series, how: Carriage) -> pl.Series:
    # an interval is staged as bytes
    return instants.microseconds(series, instants.UNITS[how.meaning]) if how.staging == "interval" else form


def _counted(form: pl.Series, how: Carriage) -> None:
    """Microseconds, of which the target keeps some digits or the days alone."""
    unit = _DAY_US if how.target == "date" else 10 ** (6 - (how.into.digits if how.into.digits is not None else 6))
    if unit == 1:
        return
    over = (form % unit != 0) & (form != _I64_MAX) & (form != _I64_MIN)
    if over.any():
        raise _a_time_of_day() if how.target == "date" else _too_many(how.into.digits or 0)


def _decimal(series: pl.Series, how: Carriage, column: Column) -> None:
    if how.target in _FLOATS:
        # the way back shows digits that the float has and nobody wrote
        odd = series.filter(~_back(series, how.target).eq_missing(series)).cast(pl.String)
        if not all(_is_float(text, how.target) for text in odd):
            raise _no_float(how.target)
    digits = _digits(how)
    if digits is None or digits >= (column.scale or 0):
        return
    if series.cast(pl.String).str.contains(_beyond(digits)).any():
        raise _too_many(digits)


def _vector(series: pl.Series, kind: str) -> None:
    """Numbers that become reals, or half of them. The source writes reals in their shortest digits, of which there are
    nine at most: numbers of so few pass, the others are compared with the real's."""
    numbers = elements(series.struct.field("vector")).struct.field("value") if kind == "sparsevec" else elements(series)
    sent = numbers.drop_nulls().cast(pl.Float64).to_numpy()
    with np.errstate(all="ignore"):
        near = sent.astype(np.float32)
        if kind == "halfvec":
            lost = sent[near.astype(np.float16).astype(np.float64) != sent]
        else:
            scale = 10.0 ** (8 - np.floor(np.log10(np.abs(sent))))
            odd = (near != sent) & ((np.rint(sent * scale) / scale != sent) | (near == 0) | np.isinf(near))
            digits = pl.Series(near[odd]).cast(pl.String).cast(pl.Float64).to_numpy()
            lost = sent[odd][digits != sent[odd]]
    if len(lost):
        raise Unfit(f"numbers that a {kind} keeps", "some of more digits", _REMEDY)


def _float(series: pl.Series, kind: str) -> None:
    if not _back(series, kind).eq_missing(series).all():
        raise _no_float(kind)


def _back(series: pl.Series, kind: str) -> pl.Series:
    """What the floats that numbers become are as such numbers."""
    return series.cast(_FLOATS[kind], strict=False).cast(series.dtype, strict=False)


def _digits(how: Carriage) -> int | None:
    return _DIGITS.get(how.target, how.into.digits)


def _too_many(digits: int) -> Unfit:
    return Unfit(f"at most {digits} digits behind the point", "more", _REMEDY)


def _no_float(kind: str) -> Unfit:
    return Unfit(f"a number that {kind} keeps", "one of more digits", _REMEDY)


def _a_time_of_day() -> Unfit:
    return Unfit("a day", "a time of day", _REMEDY)
