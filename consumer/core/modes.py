"""What a table does with changes where there is a choice."""

from dataclasses import dataclass
from enum import StrEnum


class OnTruncate(StrEnum):
    """What becomes of a table when the source's is truncated."""

    STOP = "stop"
    IGNORE = "ignore"
    APPLY = "apply"


class Mode(StrEnum):
    """What a table is."""

    ROWS = "rows"
    APPEND = "append"
    HISTORY = "history"
    MATCH = "match"


DELETED_AT = "#deleted_at"
"""The column of a staged delete that says when it was. No column can have such a name in Avro."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftDelete:
    """The column that says that a row is deleted, while the row stays: a flag, or `timed`, when that was."""

    column: str
    timed: bool
    cast: str


SOFT_TYPE = "timestamptz"
"""The type of that column in a table that is made here."""
