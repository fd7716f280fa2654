"""What the carriers have in common: how they say that a value does not pass, and the slow way through a column."""

import struct
from collections.abc import Callable
from typing import Any, TypeVar

import polars as pl

_Form = TypeVar("_Form")


class NotCarried(ValueError):
    """A value has no binary form here; the column must travel as text for PostgreSQL to judge."""


class Unfit(ValueError):
    """A value that its target column can't hold as it is: what was expected, what was found (never the value).

    `at`: the path of its field, where that is known.
    """

    def __init__(self, expected: str, found: str, remedy: str, *, at: str = "") -> None:
        super().__init__(f"{at or 'a value'}: expected {expected}, found {found}")
        self.expected = expected
        self.found = found
        self.remedy = remedy
        self.at = at


def not_money() -> Unfit:
    """PostgreSQL refuses the cast of infinities as something that it can't do, which would stop the table."""
    return Unfit("an amount of money", "an infinity or no number", "Make the target column numeric.")


def each_text(series: pl.Series, form: Callable[[Any], str]) -> pl.Series:
    """The slow way to text, for types that have no column-wise form. Raises what `form` raises, or Unfit."""
    return pl.Series(_each(series, form), dtype=pl.String)


def each_bytes(series: pl.Series, form: Callable[[Any], bytes]) -> pl.Series:
    """The slow way to a binary form. Raises what `form` raises, or Unfit."""
    return pl.Series(_each(series, form), dtype=pl.Binary)


def _each(series: pl.Series, form: Callable[[Any], _Form]) -> list[_Form | None]:
    try:
        return [None if value is None else form(value) for value in series]
    except (KeyError, TypeError, AttributeError, struct.error) as error:
        remedy = "Look at the record with its writer schema; exclude the column at the source."
        raise Unfit("all parts of a value of its type", "one without some of them", remedy) from error
