"""That target tables have other names, as a reading of settings says what came of it, and found in that again."""

from collections.abc import Collection

_SAID = "tables that got another name"
# between names, and between this and whatever else is said
_COMMA, _BEHIND = ", ", "; "


def said(tables: Collection[str]) -> str:
    """In words; nothing of none."""
    return f"{_SAID}: {_COMMA.join(tables)}" if tables else ""


def brought(outcome: str) -> set[str]:
    """The names that a reading has brought. A name with a comma or semicolon and a blank is not found."""
    parts = [part for part in outcome.split(_BEHIND) if part.startswith(f"{_SAID}: ")]
    return {name for part in parts for name in part.removeprefix(f"{_SAID}: ").split(_COMMA)}
