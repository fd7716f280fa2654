"""Checks of a table's columns: rules of the settings, compiled once for a schema and held against whole columns.

A rule says nothing about null (but `not_null` does), and nothing about a value that Debezium left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation, localcontext
from typing import Literal

import polars as pl

from consumer.core.envelope import Column
from consumer.core.fold import SEQ
from consumer.core.formats import PATTERNS, Format
from consumer.core.instants import INFINITE_DAY
from consumer.core.meaning import Meaning, meaning

_DAY_US, _I64_MAX = 86_400_000_000, 2**63 - 1

Limit = Decimal | datetime | date
Broken = Callable[[pl.Expr, int], pl.Expr]
"""Whether values break a rule, at a time in microseconds since 1970; null where nothing is said."""


_NOT_NULL = "not_null = true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings ask of one column."""

    not_null: bool = False
    min: Limit | None = None
    max: Limit | None = None
    length: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    allowed: tuple[str | int | bool, ...] | None = None
    format: Format | None = None
    past: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Check:
    """One rule of one column, as the settings say it."""

    column: str
    rule: str
    broken: Broken


class UnfitRule(ValueError):
    """A rule that can't be held against its column; the message says what it is for, and what was found."""

    def __init__(self, column: str, rule: str, expected: str, found: str) -> None:
        super().__init__(f"after.{column}: expected {expected} for the check {rule}, found {found}")


def check_pattern(pattern: str) -> None:
    """Raises ValueError for what is no regular expression that columns can be searched with."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"{pattern!r} is not a regular expression without look-around and back-references") from error


def is_empty(least: Limit | None, most: Limit | None) -> bool:
    """Whether no value is between two limits, or they are not of one kind."""
    if least is None or most is None:
        return False
    if isinstance(least, Decimal) or isinstance(most, Decimal):
        return not (isinstance(least, Decimal) and isinstance(most, Decimal) and least <= most)
    return _microseconds(least, "min") > _microseconds(most, "max")


def compiled(column: Column, rules: Rules) -> tuple[Check, ...]:
    """The checks of a column. Raises UnfitRule."""
    return tuple(_compiled(column, rules))


def never_null(checks: Sequence[Check]) -> frozenset[str]:
    """The columns that no row may have null in."""
    return frozenset(check.column for check in checks if check.rule == _NOT_NULL)


def broken(
    images: pl.DataFrame, checks: Sequence[Check], unavailable: Mapping[str, pl.Series], now: float
) -> dict[int, list[Check]]:
    """The checks that each row breaks, by its SEQ, for those that break any. `now` in seconds."""
    if not checks or images.is_empty():
        return {}
    at = int(now * 1_000_000)
    flags = images.select(
        check.broken(pl.col(check.column), at).alias(str(number)) for number, check in enumerate(checks)
    )
    found: dict[int, list[Check]] = {}
    for check, flag in zip(checks, flags, strict=True):
        if not flag.any():
            continue
        left_out = unavailable.get(check.column)
        rows = flag if left_out is None else flag & ~left_out
        for place in images[SEQ].filter(rows):
            found.setdefault(place, []).append(check)
    return found


def _compiled(column: Column, rules: Rules) -> Iterator[Check]:
    for each in fields(Rules):
        wanted = getattr(rules, each.name)
        if wanted is None or wanted is False:
            continue
        rule = f"{'in' if each.name == 'allowed' else each.name} = {_said(wanted)}"
        yield Check(column=column.name, rule=rule, broken=_RULES[each.name](column, wanted, rule))


def _said(wanted: object) -> str:
    if isinstance(wanted, bool):
        return str(wanted).lower()
    if isinstance(wanted, tuple):
        return f"[{', '.join(map(_said, wanted))}]"
    if isinstance(wanted, Decimal):
        return f"{wanted:f}"
    return f'"{wanted}"' if isinstance(wanted, str) else str(wanted)


def _not_null(column: Column, _: object, rule: str) -> Broken:
    return lambda values, now: values.is_null()


def _range(side: Literal["min", "max"]) -> Callable[[Column, Limit, str], Broken]:
    def compiled_range(column: Column, limit: Limit, rule: str) -> Broken:
        if isinstance(limit, Decimal):
            bound, is_float = _number(column, limit, rule, side), meaning(column) in _FLOATS
            return _beyond(side, lambda values: values, pl.lit(bound), nan=is_float)
        unit = _instant(column, rule, side)
        return _beyond(side, unit, pl.lit(_microseconds(limit, side)), nan=False)

    return compiled_range


def _beyond(side: str, form: Callable[[pl.Expr], pl.Expr], bound: pl.Expr, *, nan: bool) -> Broken:
    """No number is in no range."""

    def judged(values: pl.Expr, now: int) -> pl.Expr:
        out = form(values) < bound if side == "min" else form(values) > bound
        return out | values.is_nan() if nan else out

    return judged


_FLOATS = (Meaning.REAL, Meaning.DOUBLE)


def _number(column: Column, limit: Decimal, rule: str, side: str) -> object:
    """The limit as the column's own values are: the nearest one that is within it."""
    means = meaning(column)
    if means in _FLOATS:
        return float(limit)
    if means not in (Meaning.INTEGER, Meaning.DECIMAL):
        raise UnfitRule(column.name, rule, "a column of numbers with a fixed scale", means.value)
    scale = 0 if means is Meaning.INTEGER else column.scale or 0
    rounding = ROUND_CEILING if side == "min" else ROUND_FLOOR
    try:
        with localcontext(Context(prec=38)):
            bound = limit.quantize(Decimal(1).scaleb(-scale), rounding=rounding)
    except InvalidOperation as error:
        raise UnfitRule(column.name, rule, "a limit that the column could hold", "a longer number") from error
    if means is Meaning.DECIMAL:
        return bound
    if not -(2**63) <= bound < 2**63:
        raise UnfitRule(column.name, rule, "a limit that the column could hold", "a longer number")
    return int(bound)


_UNITS: dict[Meaning, Callable[[pl.Expr], pl.Expr]] = {
    Meaning.DATE: lambda days: _of_days(days.cast(pl.Int64)),
    Meaning.TIMESTAMP_MS: lambda count: count.clip(-(2**63) // 1000 + 1, (2**63 - 1) // 1000) * 1000,
    Meaning.TIMESTAMP_US: lambda count: count,
    Meaning.TIMESTAMP_NS: lambda count: count // 1000,
    Meaning.ZONED_TIMESTAMP: lambda text: _of_text(text),
}


def _of_days(days: pl.Expr) -> pl.Expr:
    """Days that microseconds can't count are far before or far behind all others; so are the source's infinities."""
    most = _I64_MAX // _DAY_US
    counted = days.clip(-most, most) * _DAY_US
    return pl.when(days == INFINITE_DAY).then(pl.lit(_I64_MAX, dtype=pl.Int64)).otherwise(counted)


def _of_text(text: pl.Expr) -> pl.Expr:
    """Instants that the calendar of the column library can't hold are far before or far behind all others."""
    parsed = text.str.strip_chars_end("Z").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False, exact=True
    )
    far_ahead = text.str.contains(r"^(\+|infinity$)")
    return (
        pl.when(text.str.starts_with("-"))
        .then(pl.lit(-(2**63) + 1))
        .when(far_ahead)
        .then(pl.lit(2**63 - 1))
        .otherwise(parsed.cast(pl.Int64))
    )


def _instant(column: Column, rule: str, side: str) -> Callable[[pl.Expr], pl.Expr]:
    found = _UNITS.get(meaning(column))
    if found is None:
        raise UnfitRule(column.name, rule, "a column of dates or timestamps", meaning(column).value)
    return found


def _microseconds(limit: datetime | date, side: str) -> int:
    """Of a day as a whole: its beginning as the least, its end as the most."""
    if not isinstance(limit, datetime):
        start = datetime(limit.year, limit.month, limit.day, tzinfo=UTC)
        return _since_1970(start) + (_DAY_US - 1 if side == "max" else 0)
    return _since_1970(limit if limit.tzinfo else limit.replace(tzinfo=UTC))


def _since_1970(at: datetime) -> int:
    passed = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


# somewhere it is this much later than in UTC
_FURTHEST_EAST = 14 * 3_600_000_000


def _past(column: Column, _: object, rule: str) -> Broken:
    unit = _instant(column, rule, "max")
    # what has no time zone may be of any
    ahead = 0 if meaning(column) is Meaning.ZONED_TIMESTAMP else _FURTHEST_EAST
    return lambda values, now: unit(values) > now + ahead


def _size(column: Column, rule: str) -> Callable[[pl.Expr], pl.Expr]:
    """Characters of a text, bytes of what is none."""
    if column.avro in _TEXTS:
        return lambda values: values.cast(pl.String).str.len_chars()
    if column.avro == "bytes" and meaning(column) is Meaning.BYTES:
        return lambda values: values.bin.size()
    raise UnfitRule(column.name, rule, "a column of texts or bytes", meaning(column).value)


_TEXTS = ("string", "enum")


def _length(column: Column, wanted: int, rule: str) -> Broken:
    size = _size(column, rule)
    return lambda values, now: size(values) != wanted


def _min_length(column: Column, wanted: int, rule: str) -> Broken:
    size = _size(column, rule)
    return lambda values, now: size(values) < wanted


def _max_length(column: Column, wanted: int, rule: str) -> Broken:
    size = _size(column, rule)
    return lambda values, now: size(values) > wanted


def _pattern(column: Column, wanted: str, rule: str) -> Broken:
    if column.avro not in _TEXTS:
        raise UnfitRule(column.name, rule, "a column of texts", meaning(column).value)
    return lambda values, now: ~values.cast(pl.String).str.contains(wanted)


def _format(column: Column, wanted: Format, rule: str) -> Broken:
    return _pattern(column, PATTERNS[wanted], rule)


def _allowed(column: Column, wanted: Sequence[str | int | bool], rule: str) -> Broken:
    means = meaning(column)
    kind: type = str if column.avro in _TEXTS else {Meaning.INTEGER: int, Meaning.BOOLEAN: bool}.get(means, type(None))
    if kind is type(None):
        raise UnfitRule(column.name, rule, "a column of texts, integers or booleans", means.value)
    if any(type(each) is not kind for each in wanted):
        raise UnfitRule(column.name, rule, "values of the column's type", f"others, for {means.value}")
    if kind is str:
        return lambda values, now: ~values.cast(pl.String).is_in(list(wanted))
    return lambda values, now: ~values.is_in(list(wanted))


_RULES: dict[str, Callable[..., Broken]] = {
    "not_null": _not_null,
    "min": _range("min"),
    "max": _range("max"),
    "length": _length,
    "min_length": _min_length,
    "max_length": _max_length,
    "pattern": _pattern,
    "allowed": _allowed,
    "format": _format,
    "past": _past,
}
