"""Trace contexts as the source has them in a column of its rows: Debezium's text of Java's properties."""

from collections.abc import Mapping

_NAMES = ("traceparent", "tracestate")
# characters; a context has some hundred
_LONGEST = 4096


def carried(text: str) -> Mapping[str, str]:
    """The W3C fields of a text like `#comment`, `traceparent=00-…`; what is neither is left out."""
    found = {}
    for line in text[:_LONGEST].splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not line.startswith(("#", "!")) and name.strip() in _NAMES:
            # a backslash keeps the next character as it is
            found[name.strip()] = value.strip().replace("\\", "")
    return found
