"""How values of two columns are compared that need not have one type: the text that both sides make of a value.

A pair for which no such text is known is not compared, and that is said: a guess would report what is no difference.
"""

from dataclasses import dataclass
from enum import StrEnum


class Spelling(StrEnum):
    """A text that both servers make of a value. `consumer.edges.postgres.canonical` has the SQL."""

    PLAIN = "as PostgreSQL writes it"
    NUMBER = "as a number without zeros at its end"
    SINGLE = "as a float of single precision"
    DOUBLE = "as a float of double precision"
    BIT = "as true or false"
    PADDED = "without spaces at its end"
    DOCUMENT = "as jsonb"
    BYTES = "as the hash of its bytes"
    INSTANT = "as an instant in UTC"
    CLOCK = "as a time of day in UTC"
    LENGTH = "as a length of time in seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A column's type: its name in the catalog, that of a domain's base; of a bit string its length."""

    name: str
    length: int | None = None
    array: bool = False
    enum: bool = False


_INTEGERS = frozenset({"int2", "int4", "int8"})
_NUMBERS = _INTEGERS | {"numeric", "money"}
_FLOATS = frozenset({"float4", "float8"})
_TEXTS = frozenset({"text", "varchar", "citext", "name", "xml"})
# what keeps a text as it came
_VERBATIM = _TEXTS - {"xml"}
_JSON = frozenset({"json", "jsonb"})
_BITS = frozenset({"bit", "varbit"})
_INSTANTS = frozenset({"timestamp", "timestamptz"})
# what travels as the text that PostgreSQL writes of it; a text that comes to one need not be written so
_WRITTEN = frozenset(
    {"uuid", "inet", "cidr", "macaddr", "macaddr8", "ltree", "tsvector", "int4range", "int8range", "numrange"}
    | {"tsrange", "tstzrange", "daterange"}
)
# equal values of these may be written otherwise on the other side, also as parts of an array
_UNSURE_ITEMS = frozenset({"timetz", "interval", "bpchar", "money", "json", "jsonb"})
_BETWEEN = (
    (_NUMBERS, Spelling.NUMBER),
    (_JSON, Spelling.DOCUMENT),
    (_INSTANTS, Spelling.INSTANT),
    (_BITS, Spelling.PLAIN),
)


def spelling(source: Kind, target: Kind) -> Spelling | None:
    """How values of a source's column and of the target's that has them are spelled alike; None where nobody knows."""
    if source.array or target.array:
        return _of_arrays(source, target)
    if source.name == target.name:
        return _of_one(source)
    if source.enum or source.name in _WRITTEN | _TEXTS:
        return Spelling.PLAIN if target.enum or target.name in _VERBATIM else _to_padded(target)
    return _of_two(source, target)


def _of_arrays(source: Kind, target: Kind) -> Spelling | None:
    alike = source.array and target.array and source.name == target.name
    return Spelling.PLAIN if alike and source.name not in _UNSURE_ITEMS else None


def _of_one(kind: Kind) -> Spelling:
    by_name = {
        "numeric": Spelling.NUMBER,
        "money": Spelling.NUMBER,
        "bpchar": Spelling.PADDED,
        "jsonb": Spelling.DOCUMENT,
        "bytea": Spelling.BYTES,
        "timetz": Spelling.CLOCK,
        "interval": Spelling.LENGTH,
    }
    return by_name.get(kind.name, Spelling.PLAIN)


def _of_two(source: Kind, target: Kind) -> Spelling | None:
    names = {source.name, target.name}
    for family, said in _BETWEEN:
        if names <= family:
            return said
    if names <= _FLOATS:
        # what was narrowed on its way is looked at as narrow
        return Spelling.DOUBLE if source.name == "float4" else Spelling.SINGLE
    if source.name == "bpchar" and target.name in _TEXTS:
        return Spelling.PADDED
    if source.name in _BITS and target.name == "bool" and source.length == 1:
        return Spelling.BIT
    if source.name in _JSON and target.name in _TEXTS:
        return Spelling.PLAIN
    return None


def _to_padded(target: Kind) -> Spelling | None:
    return Spelling.PADDED if target.name == "bpchar" else None
