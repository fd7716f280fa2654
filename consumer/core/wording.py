"""Texts as people read them: of records, in which every character can be seen, and of times."""

import unicodedata
from datetime import datetime

HIDDEN = "(masked)"
"""What stands in the place of a value that is not shown."""


def clean(text: str) -> str:
    """A text whose characters can be seen, one by one: what would move, colour or turn round others is spelled."""
    return "".join(char if _is_plain(char) else ascii(char)[1:-1] for char in text)


def _is_plain(char: str) -> bool:
    return char == " " or char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def counted(number: int, word: str) -> str:
    """So many of something."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def lasting(seconds: float) -> str:
    """A length of time in one unit."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was, in one unit."""
    return f"{lasting((now - at).total_seconds())} ago"
