"""Trace contexts as records have them: in a header, or in a column, as Debezium's text of Java's properties."""

import re
from collections.abc import Mapping, Sequence

from consumer.core.records import Header

_NAMES = ("traceparent", "tracestate")
# characters; a context has some hundred
_LONGEST = 4096
_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_of(headers: Sequence[Header]) -> str | None:
    """The id of the trace that a record is of, by its W3C header; none where that says none."""
    said = next((value for name, value in headers if name == _NAMES[0]), None)
    found = _PARENT.fullmatch(said or b"")
    return found[1].decode() if found else None


def carried(text: str) -> Mapping[str, str]:
    """The W3C fields of a text like `#comment`, `traceparent=00-…`; what is neither is left out."""
    found = {}
    for line in text[:_LONGEST].splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not line.startswith(("#", "!")) and name.strip() in _NAMES:
            # a backslash keeps the next character as it is
            found[name.strip()] = value.strip().replace("\\", "")
    return found
