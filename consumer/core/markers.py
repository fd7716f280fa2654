"""Debezium's placeholder for a value that the log did not carry, in all its shapes."""

import base64
import json
from typing import Literal

import polars as pl

UNAVAILABLE = "__debezium_unavailable_value"
"""Debezium's default placeholder for an unchanged TOASTed column that the log did not carry."""

_BYTES = UNAVAILABLE.encode()
_HSTORE = json.dumps({UNAVAILABLE: UNAVAILABLE}, separators=(",", ":"))
_MAP = {UNAVAILABLE: UNAVAILABLE}
# arrays: one element that is the text, its bytes, or a name-based uuid of it; numbers, one for each of its bytes
_LISTS = ((UNAVAILABLE,), (_BYTES,), ("b68a35a7-17ad-35b3-af2a-ae46edb4545a",), tuple(_BYTES))
_ENCODED = {
    "base64": base64.b64encode(_BYTES).decode(),
    "base64-url-safe": base64.urlsafe_b64encode(_BYTES).decode(),
    "hex": _BYTES.hex(),
}


def unavailable(
    series: pl.Series, binary: Literal["base64", "base64-url-safe", "hex"] | None = None
) -> pl.Series | None:
    """Which rows hold the placeholder instead of a value, in any of its shapes, or None when no row does.

    `binary`: how the column's bytes are written as text.
    """
    kind = series.dtype
    if kind == pl.String:
        # as a text of its own, and as an hstore in JSON form
        mask = (series == UNAVAILABLE) | (series == _HSTORE)
        if binary is not None:
            mask |= series == _ENCODED[binary]
    elif kind == pl.Binary:
        # bare bytes would be compared as a list of numbers
        mask = series == pl.Series([_BYTES], dtype=pl.Binary)
    elif isinstance(kind, pl.List):
        mask = _unavailable_list(series)
    elif isinstance(kind, pl.Map):
        mask = pl.Series([value == _MAP for value in series], dtype=pl.Boolean)
    else:
        return None
    return mask.fill_null(False) if mask.any() else None


def _unavailable_list(series: pl.Series) -> pl.Series:
    lengths = series.list.len()
    likely = lengths.is_in([1, len(UNAVAILABLE)]).fill_null(False)
    if not likely.any():
        return likely
    whole = [is_placeholder(value.to_list()) if maybe else False for value, maybe in zip(series, likely, strict=True)]
    return pl.Series(whole, dtype=pl.Boolean)


def is_placeholder(value: object) -> bool:
    """Whether a value of any type is one."""
    if isinstance(value, list):
        return tuple(value) in _LISTS
    if isinstance(value, dict):
        return value == _MAP
    return isinstance(value, str | bytes) and value in (UNAVAILABLE, _BYTES)
