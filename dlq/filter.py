"""Whether a record's values are meant: a field, a comparison, and a value. Nothing of a person's is ever evaluated.

Values are compared as they are shown (`dlq/showing.py`): numbers as numbers, texts of digits with a point too, since
decimals are shown so; everything else as text, so that dates and times have their order.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

LONGEST = 1000
"""Most characters of a field and of a value."""
MOST = 20
"""Most conditions of one filter."""

_ROOTS = ("key", "before", "after", "source", "op", "ts_ms", "transaction")
_NOT_THERE = object()
_DECIMAL = re.compile(r"-?\d+\.\d+")
_WORDS = re.compile(
    r"\s*(?P<field>[^=<>!]+?)"
    r"(?:\s*(?P<sign>!=|=|<|>)(?![=<>])\s*(?P<value>.*)|\s+contains\s+(?P<part>.*)|\s+is\s+null\s*)",
    re.DOTALL | re.IGNORECASE,
)


class Comparison(StrEnum):
    """How a value is held against the one that is given. `contains`: a part of a text, an item of a list."""

    IS = "="
    IS_NOT = "!="
    LESS = "<"
    MORE = ">"
    CONTAINS = "contains"
    IS_NULL = "is null"


class BadFilter(ValueError):
    """A condition that can't be meant; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `field`: a path as `after.price`, `key.id` or `op`. Raises BadFilter."""

    field: str
    comparison: Comparison
    value: str = ""

    def __post_init__(self) -> None:
        if self.field.split(".")[0] not in _ROOTS:
            raise BadFilter(f"a field begins with one of {', '.join(_ROOTS)}")
        if max(len(self.field), len(self.value)) > LONGEST:
            raise BadFilter(f"a field and a value have at most {LONGEST} characters")
        if self.comparison is Comparison.IS_NULL and self.value:
            raise BadFilter("whether a value is null is asked without a value")

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether it is so of a record; of a field that is not there nothing is so."""
        found = _at(record, self.field)
        if found is _NOT_THERE:
            return False
        match self.comparison:
            case Comparison.IS_NULL:
                return found is None
            case Comparison.IS:
                return _same(found, self.value)
            case Comparison.IS_NOT:
                return not _same(found, self.value)
            case Comparison.CONTAINS:
                return _contains(found, self.value)
            case Comparison.LESS:
                return _order(found, self.value) < 0
            case Comparison.MORE:
                return _order(found, self.value) > 0


def condition(text: str) -> Condition:
    """A condition as people write it: `after.total > 100`, `op = d`, `after.name is null`. Raises BadFilter."""
    found = _WORDS.fullmatch(text)
    if found is None:
        raise BadFilter(f"a condition is FIELD, one of {', '.join(Comparison)}, and a value")
    if found["sign"]:
        return Condition(found["field"], Comparison(found["sign"]), found["value"])
    if found["part"] is not None:
        return Condition(found["field"], Comparison.CONTAINS, found["part"])
    return Condition(found["field"], Comparison.IS_NULL)


def matches(conditions: Sequence[Condition], key: Mapping[str, Any] | None, value: Mapping[str, Any] | None) -> bool:
    """Whether all conditions hold of a record, by its key and value as they are shown."""
    record = {**(value or {}), **({} if key is None else {"key": key})}
    return all(condition.holds(record) for condition in conditions)


def _at(record: Mapping[str, Any], path: str) -> Any:
    """What stands at a path; names may have dots themselves, so the longest that is there counts."""
    here: Any = record
    parts = path.split(".")
    while parts:
        for end in range(len(parts), 0, -1):
            name = ".".join(parts[:end])
            if isinstance(here, Mapping) and name in here:
                here, parts = here[name], parts[end:]
                break
        else:
            return _NOT_THERE
    return here


def _same(found: Any, value: str) -> bool:
    if found is None or isinstance(found, Mapping | list):
        return False
    text = _text(found)
    if _is_number(found) or _DECIMAL.fullmatch(text):
        return _number(value) == _number(text)
    return text == value


def _contains(found: Any, value: str) -> bool:
    if isinstance(found, list):
        return any(_same(item, value) for item in found)
    if isinstance(found, Mapping):
        return value in found
    return found is not None and value in _text(found)


def _order(found: Any, value: str) -> int:
    """Below zero where the value that was found comes first; what has no order is in the middle of none."""
    if found is None or isinstance(found, Mapping | list | bool):
        return 0
    ours, theirs = _number(_text(found)), _number(value)
    if ours is not None and theirs is not None:
        return (ours > theirs) - (ours < theirs)
    if _is_number(found):
        return 0
    text = _text(found)
    return (text > value) - (text < value)


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(found: Any) -> str:
    return str(found).lower() if isinstance(found, bool) else str(found)
