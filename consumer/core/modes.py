"""What a table does with changes where there is a choice."""

from enum import StrEnum


class OnTruncate(StrEnum):
    """What becomes of a table when the source's is truncated."""

    STOP = "stop"
    IGNORE = "ignore"
    APPLY = "apply"
