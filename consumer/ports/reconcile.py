"""Rows of the source and of the target, asked for sums and digests; and how far the source's log has come here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from consumer.core.reconcile import Key, Range, Seen, Sum, Verdict


class NotComparable(Exception):
    """A table that can't be compared; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is compared of a table. `left_out`: columns that are not, each with why. `rows`: about how many there are.

    `sorted_apart`: a range can't be found by an index, so each one costs a look at the whole table.
    """

    source: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    left_out: Mapping[str, str]
    rows: int
    sorted_apart: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A position of the source's log, as PostgreSQL writes it."""

    lsn: str


class Rows(Protocol):
    """One side of a table. Raises HeadraceError."""

    def bound(self, after: Key | None, rows: int) -> Key | None:
        """The key of the last of so many rows behind a key; None when there are fewer."""
        ...

    def middle(self, of: Range) -> Key | None:
        """A key that halves a range, and is not its end; None where there is none."""
        ...

    def sum(self, of: Range) -> Sum:
        """Rows and digests of a range."""
        ...

    def digests(self, of: Range) -> Mapping[Key, int]:
        """The digest of each row of a range."""
        ...

    def seen(self, keys: Sequence[Key]) -> Mapping[Key, Seen]:
        """Those of the keys that are there, as one snapshot has them."""
        ...

    def columns(self, keys: Sequence[Key]) -> Mapping[Key, Mapping[str, int | None]]:
        """The digest of each column of these rows, by the source's names."""
        ...


class SourceRows(Rows, Protocol):
    """The source's side."""

    def tail(self, rows: int) -> Sequence[Key]:
        """The last keys."""
        ...

    def seen_at(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Seen], Mark]:
        """As `seen`, with a position of the log behind everything that was seen."""
        ...


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a table, and what is compared of it."""

    what: Compared
    source: SourceRows
    target: Rows


class Came(StrEnum):
    """How far the connector is with a position of the source's log."""

    NOT_YET = "not yet"
    RECEIVED = "received"
    CONFIRMED = "confirmed"


class Passing(Protocol):
    """How far the source's changes have come. Raises HeadraceError."""

    def came(self, mark: Mark) -> tuple[Came, str]:
        """Whether the connector has got all up to a mark, and whether it has confirmed that all of it is in Kafka.

        And a word for what it has confirmed, which is another one when that is more.
        """
        ...

    def ends(self, table: str) -> Mapping[int, int]:
        """Where the logs of a table's topic end now, by partition."""
        ...

    def reached(self, table: str, ends: Mapping[int, int]) -> bool:
        """Whether the stored positions have come there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A key of which something is to be kept; `columns`: those that differ."""

    key: Key
    verdict: Verdict
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A key that is looked at again, with the first looks of a round."""

    key: Key
    before: Seen | None = None
    source: Seen | None = None


class Keys(Protocol):
    """The keys of a step, kept with it: what is written here is written together with the step's progress."""

    def suspect(self, keys: Sequence[Key]) -> None:
        """Keys that differ, to be looked at again."""
        ...

    def suspected(self) -> list[Watched]:
        """All of them."""
        ...

    def begin(self, watched: Sequence[Watched]) -> None:
        """Their first looks of a round."""
        ...

    def judge(self, found: Sequence[Found]) -> None:
        """What is said of keys; those that are equal are forgotten."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many keys there are by verdict."""
        ...
