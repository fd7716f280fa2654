"""Times as people give them: ago, or by the calendar."""

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(text: str | None) -> datetime | None:
    """A time, or a time ago. Raises typer.BadParameter."""
    if text is None:
        return None
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither a time nor a number with s, m, h or d") from error
