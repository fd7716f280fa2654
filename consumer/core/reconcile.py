"""Source and target compared: ranges of keys, and what is said of a key that differs. Rules without I/O.

A range that differs is halved until its keys are few. A key that differs is only suspected, since the target is always
some moments behind: it is a difference when it differs at a position of the source that the target has passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Key = tuple[str, ...]
"""A key's values, each as PostgreSQL writes it."""


@dataclass(frozen=True, slots=True)
class Range:
    """Keys behind `after` up to `to`; None: from the first one, to the last one."""

    after: Key | None
    to: Key | None


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows a range has, and the sum of their digests."""

    rows: int
    digest: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A row at one moment: its digest, and a word that is another one after each write."""

    digest: int
    version: str


class Verdict(StrEnum):
    """What is said of a key."""

    SUSPECTED = "suspected"
    EQUAL = "equal"
    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    MOVING = "moving"


DIFFERENCES = (Verdict.MISSING, Verdict.EXTRA, Verdict.DIFFERENT)
"""What is a difference for sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Four looks at a row, in this order; None where it was not there.

    `source`: at a position of the source. `target`: when that had passed this position.
    """

    before: Seen | None
    source: Seen | None
    target: Seen | None
    after: Seen | None


def verdict(looks: Looks) -> Verdict:
    """What four looks say.

    Equal to either look at the source is equal. It is a difference for sure when the source's row was not written since
    the position that the target has passed, or when the target's was not although everything in front of it was
    applied. Else the row moves, and is looked at again.
    """
    if _same(looks.target, looks.source) or _same(looks.target, looks.after):
        return Verdict.EQUAL
    stood_there = looks.source is not None and _unwritten(looks.source, looks.after)
    stood_here = looks.target is not None and _unwritten(looks.before, looks.target)
    if not (stood_there or stood_here):
        return Verdict.MOVING
    if looks.target is None:
        return Verdict.MISSING
    return Verdict.EXTRA if looks.source is None else Verdict.DIFFERENT


def suspects(source: Mapping[Key, int], target: Mapping[Key, int]) -> list[Key]:
    """Keys of a range that only one side has, or of which the digests differ."""
    return sorted(key for key in source.keys() | target.keys() if source.get(key) != target.get(key))


def _same(one: Seen | None, other: Seen | None) -> bool:
    return (one is None and other is None) or (one is not None and other is not None and one.digest == other.digest)


def _unwritten(one: Seen | None, other: Seen | None) -> bool:
    return one is not None and other is not None and one.version == other.version
