"""PostgreSQL's types as its catalog spells them, and which one holds what two of them hold."""

import re
from dataclasses import dataclass, replace

_FORM = re.compile(
    r"(?P<name>[^()\[\]]+?)\s*"
    r"(?:\(\s*(?P<limits>\d+\s*(?:,\s*-?\d+\s*)?)\))?"
    r"(?P<zone>\s+with(?:out)? time zone)?"
    r"(?P<array>(?:\[\])*)"
)
_SPELLED = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "decimal": "numeric",
    "varchar": "character varying",
    "bpchar": "character",
    "char": "character",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
# the digits that any of their values may need, and those that they hold in any case
_DIGITS = {"smallint": (5, 4), "integer": (10, 9), "bigint": (19, 18)}
_INTEGERS = tuple(_DIGITS)
_FLOATS = ("real", "double precision")
# whole numbers that they keep to the last digit
_KEPT = {"real": _INTEGERS[:1], "double precision": _INTEGERS[:2]}
_LIMITED = ("character", "character varying")
_CHARACTERS = (*_LIMITED, "text", "citext")
_CLOCKS = tuple(name for name in _SPELLED.values() if name.endswith("time zone"))
_MOST_DIGITS = 1000
_MICROSECONDS = 6
# what nobody takes for one another
_APART = frozenset({*_INTEGERS, "numeric", *_FLOATS, *_CLOCKS, "date", "boolean", "bytea", "uuid", "json", "jsonb"})
# what a text is not taken for; the others may be written as text at the source
_NO_TEXT = frozenset({*_INTEGERS, *_CLOCKS, "date", "boolean", "bytea"})
# what holds the other without being of its kind, as have and want
_TAKES = frozenset(
    {
        *((whole, "boolean") for whole in _INTEGERS),
        *((clock, "date") for clock in _CLOCKS if clock.startswith("timestamp")),
        *(("numeric", real) for real in _FLOATS),
        ("uuid", "bytea"),
        ("json", "jsonb"),
        ("jsonb", "json"),
    }
)


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type: its name as format_type has it, and its limits (characters, digits). `array`: any number of them."""

    name: str
    limits: tuple[int, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        limits = f"({','.join(map(str, self.limits))})" if self.limits else ""
        word, zone, rest = self.name.partition(" with")
        return (word + limits + zone + rest if self.name in _CLOCKS else self.name + limits) + "[]" * self.array

    @property
    def characters(self) -> bool:
        """Whether it holds texts as they are."""
        return not self.array and self.name in _CHARACTERS

    @property
    def clock(self) -> bool:
        """Whether it has digits of a second."""
        return not self.array and self.name in _CLOCKS


def sql_type(text: str) -> SqlType:
    """A type as it is written; what is no known form is a name that equals only itself."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return SqlType(text)
    name = found["name"] + (found["zone"] or "")
    limits = tuple(int(number) for number in (found["limits"] or "").split(",") if number)
    name = _SPELLED.get(found["name"].lower(), name) if found["zone"] is None else name
    if name == "numeric" and len(limits) == 1:
        limits = (*limits, 0)
    if name == "character" and not limits:
        # in a column's definition the bare word is one character
        limits = (1,) if found["name"].lower() != "bpchar" else ()
    return SqlType(name, limits, bool(found["array"]))


def joined(have: SqlType, want: SqlType) -> SqlType | None:
    """The least type that holds all of `have` and all of `want`; `have` itself where it does, or where nobody can tell.

    None where there is none: the two are of different kinds.
    """
    if have == want:
        return have
    if have.array or want.array:
        return _joined_arrays(have, want)
    if have.characters or want.characters:
        return _joined_texts(have, want)
    if _exact(have) and _exact(want):
        return _joined_numbers(have, want)
    if have.name == want.name and have.clock:
        return replace(have, limits=_more(have, want))
    if have.name in _FLOATS and want.name in _FLOATS:
        return max(have, want, key=lambda each: _FLOATS.index(each.name))
    return _taken(have, want)


def _joined_arrays(have: SqlType, want: SqlType) -> SqlType | None:
    if not (have.array and want.array):
        # a text may hold what is written of an array
        return have
    item = joined(replace(have, array=False), replace(want, array=False))
    return item and replace(item, array=True)


def _joined_texts(have: SqlType, want: SqlType) -> SqlType | None:
    if not have.characters:
        return None if have.name in _NO_TEXT else have
    if not want.characters or not have.limits or have.name not in _LIMITED:
        return have
    if not want.limits or want.name not in _LIMITED:
        return SqlType("text")
    if want.limits[0] <= have.limits[0]:
        return have
    both = have.name == want.name
    return SqlType(have.name if both else "character varying", want.limits)


def _exact(each: SqlType) -> bool:
    return each.name in _INTEGERS or each.name == "numeric"


def _joined_numbers(have: SqlType, want: SqlType) -> SqlType:
    if have.name in _INTEGERS and want.name in _INTEGERS:
        return max(have, want, key=lambda each: _INTEGERS.index(each.name))
    for each in (have, want):
        if each.name == "numeric" and not each.limits:
            return each
    (whole, scale), (needed, wanted) = _parts(have), _parts(want)
    if have.name in _INTEGERS:
        holds = wanted <= 0 and needed <= _DIGITS[have.name][1]
    else:
        holds = needed <= whole and wanted <= scale
    if holds:
        return have
    most, fraction = max(whole, needed), max(scale, wanted)
    return SqlType("numeric", (most + fraction, fraction) if most + fraction <= _MOST_DIGITS else ())


def _parts(number: SqlType) -> tuple[int, int]:
    """Digits in front of the point and behind it."""
    if number.name in _INTEGERS:
        return _DIGITS[number.name][0], 0
    precision, scale = number.limits
    return precision - scale, scale


def _more(have: SqlType, want: SqlType) -> tuple[int, ...]:
    """The digits of a second of the one that has more; none written is all that there are."""
    mine, theirs = (each.limits[0] if each.limits else _MICROSECONDS for each in (have, want))
    return have.limits if mine >= theirs else (theirs,)


def _taken(have: SqlType, want: SqlType) -> SqlType | None:
    if (have.name, want.name) in _TAKES or want.name in _KEPT.get(have.name, ()):
        return None if have.name == "numeric" and have.limits else have
    apart = have.name in _APART and want.name in _APART
    return None if apart and have.name != want.name else have
