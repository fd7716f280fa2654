"""How values of a source look to people: dates as dates, bytes in hexadecimal, and nothing longer than can be read."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from consumer.core.envelope import Column
from consumer.core.meaning import Meaning, meaning

LONGEST_TEXT = 4096
"""Most characters of one text."""
MOST_ITEMS = 200
"""Most items of one list or object."""
DEEPEST = 30
"""Most lists and objects within one another."""

_FIRST_DAY = date(1970, 1, 1)
_DAY = 86_400


def shown(value: Any, column: Column) -> Any:
    """A value as the codec of edits reads it, in the words of people; what has none stays as it is."""
    if value is None:
        return None
    if column.avro == "array" and column.item is not None and isinstance(value, list):
        item = column.item
        return [shown(each, item) for each in value]
    form = _FORMS.get(meaning(column))
    try:
        return form(value) if form is not None else value
    except (ValueError, OverflowError, TypeError):
        # what no calendar has, such as an infinity
        return value


def bounded(value: Any, depth: int = 0) -> Any:
    """A value no longer than can be read: what was cut off is said in its place."""
    if depth > DEEPEST:
        return "… (nested more deeply)"
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… ({len(value) - LONGEST_TEXT} more characters)"
    if isinstance(value, list):
        more = [f"… ({len(value) - MOST_ITEMS} more)"] if len(value) > MOST_ITEMS else []
        return [bounded(each, depth + 1) for each in value[:MOST_ITEMS]] + more
    if isinstance(value, Mapping):
        some = dict(list(value.items())[:MOST_ITEMS])
        rest = {"…": f"{len(value) - MOST_ITEMS} more"} if len(value) > MOST_ITEMS else {}
        return {bounded(str(name)): bounded(each, depth + 1) for name, each in some.items()} | rest
    return value


def _days(value: int) -> str:
    return (_FIRST_DAY + timedelta(days=value)).isoformat()


def _since_1970(unit: int) -> Callable[[int], str]:
    """Counts of a second's so many parts."""

    def form(value: int) -> str:
        seconds, rest = divmod(value, unit)
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        return at.isoformat(sep=" ")[:19] + _part(rest, unit)

    return form


def _of_day(unit: int) -> Callable[[int], str]:
    def form(value: int) -> str:
        seconds, rest = divmod(value, unit)
        if not 0 <= seconds <= _DAY:
            raise ValueError("no time of a day")
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{_part(rest, unit)}"

    return form


def _part(rest: int, unit: int) -> str:
    digits = str(unit + rest)[1:].rstrip("0")
    return f".{digits}" if digits else ""


def _hex(value: str) -> str:
    return "\\x" + b64decode(value, validate=True).hex()


_FORMS: Mapping[Meaning, Callable[[Any], Any]] = {
    Meaning.DATE: _days,
    Meaning.TIME_MS: _of_day(1_000),
    Meaning.TIME_US: _of_day(1_000_000),
    Meaning.TIME_NS: _of_day(1_000_000_000),
    Meaning.TIMESTAMP_MS: _since_1970(1_000),
    Meaning.TIMESTAMP_US: _since_1970(1_000_000),
    Meaning.TIMESTAMP_NS: _since_1970(1_000_000_000),
    Meaning.BYTES: _hex,
}
