"""What is said to Debezium so that it reads some rows of a table again: a signal with a condition on their keys.

The condition is SQL that runs at the source, so a key's value stands in it only as a literal that can't be read as
anything else; what can't be written so is refused.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from consumer.core.envelope import Column
from consumer.core.meaning import Meaning, meaning

MOST_KEYS = 500
"""Most keys of a signal: its condition is planned at the source with every chunk that is read."""
_NUMBERS = frozenset({Meaning.INTEGER})
_TEXTS = frozenset({Meaning.TEXT, Meaning.UUID, Meaning.ENUM})
_LONGEST = 1000
# what would need a word about the server's character set, could end a line of its log, or can't be sent
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# what means something else in a regular expression of Java
_SPECIAL = re.compile(r"([\\^$.|?*+()\[\]{}])")


class Dialect(StrEnum):
    """The source's SQL."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


class Unquotable(ValueError):
    """A key that can't be written as SQL for sure; the message names its column, and never its value."""


def literal(dialect: Dialect, column: Column, value: object) -> str:
    """A key column's value as a literal of the source's SQL. Raises Unquotable."""
    kind = meaning(column)
    if value is None:
        raise Unquotable(f"key column {column.name} is null")
    if kind in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind is Meaning.BOOLEAN and isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if kind in _TEXTS and isinstance(value, str):
        return quoted(dialect, column.name, value)
    raise Unquotable(f"key column {column.name} has a type of which no literal is made ({kind.value})")


def condition(dialect: Dialect, columns: Sequence[str], keys: Sequence[Sequence[str]]) -> str:
    """The rows of these keys, whose values are literals."""
    names = [_identifier(dialect, name) for name in columns]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(key[0] for key in keys)})"
    rows = ", ".join(f"({', '.join(key)})" for key in keys)
    return f"({', '.join(names)}) IN ({rows})"


def collection(dialect: Dialect, names: Mapping[str, str | None]) -> str:
    """What the connector calls a table, by the names of its source block, for exactly this one. Raises Unquotable."""
    first = names.get("schema") if dialect is Dialect.POSTGRESQL else names.get("db")
    if not first or not names.get("table"):
        raise Unquotable("the source's name of its table is not known")
    # the connector takes it for a regular expression
    return _SPECIAL.sub(r"\\\1", f"{first}.{names['table']}")


def signal(identity: str, table: str, where: str) -> bytes:
    """The record's value: an ad-hoc incremental snapshot of some rows of a table."""
    data = {
        "type": "INCREMENTAL",
        "data-collections": [table],
        "additional-conditions": [{"data-collection": table, "filter": where}],
    }
    return json.dumps({"id": identity, "type": "execute-snapshot", "data": data}).encode()


def whole(identity: str, table: str) -> bytes:
    """The same of all rows of a table."""
    data = {"type": "INCREMENTAL", "data-collections": [table]}
    return json.dumps({"id": identity, "type": "execute-snapshot", "data": data}).encode()


def portions(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Keys by signal."""
    for start in range(0, len(keys), MOST_KEYS):
        yield keys[start : start + MOST_KEYS]


def quoted(dialect: Dialect, column: str, value: str) -> str:
    """A text as a literal of the source's SQL. Raises Unquotable."""
    if len(value) > _LONGEST:
        raise Unquotable(f"key column {column} has more than {_LONGEST} characters")
    if _ODD.search(value):
        raise Unquotable(f"key column {column} has control characters")
    if "\\" not in value:
        return "'" + value.replace("'", "''") + "'"
    if dialect is Dialect.MYSQL:
        # what a backslash means depends on the server's sql_mode
        raise Unquotable(f"key column {column} has a backslash")
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _identifier(dialect: Dialect, name: str) -> str:
    mark = '"' if dialect is Dialect.POSTGRESQL else "`"
    return mark + name.replace(mark, mark * 2) + mark
