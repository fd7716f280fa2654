"""One block of a batch, and what it is when it is decoded: its images and deletes as columns, and which records are not
sound, and why. A block holds runs of one binding.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import polars as pl

from consumer.core.binding import Binding
from consumer.core.failure import Failure, blaming, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.moves import Halves, no_halves
from consumer.core.plan import Contexts, SourceTimes
from consumer.core.records import RecordRef
from consumer.core.runs import Run, origin, recorded
from consumer.core.stamps import Stamps


@dataclass(frozen=True, slots=True)
class Block:
    """Runs of one binding that stand at the same stage. A record's place counts through the runs, laid end to end."""

    binding: Binding
    runs: tuple[Run, ...]

    def __len__(self) -> int:
        return sum(run.end - run.start for run in self.runs)

    def keys(self) -> list[bytes | None]:
        """The records' keys."""
        return [key for run in self.runs for key in run.piece.keys[run.start : run.end]]

    def values(self) -> list[bytes | None]:
        """The records' values."""
        return [value for run in self.runs for value in run.piece.values[run.start : run.end]]

    def refs(self) -> Iterator[tuple[int, RecordRef]]:
        """Every record's place and origin."""
        place = 0
        for run in self.runs:
            for offset in run.piece.offsets[run.start : run.end]:
                yield place, RecordRef(run.piece.at, offset)
                place += 1

    def record(self, place: int) -> Record:
        """The record as it lay in its topic."""
        return recorded(self.runs, place)

    def with_header(self, places: Sequence[int], *names: str) -> list[int]:
        """Those of the records, given by rising places, that have such a header. It costs for each of them."""
        found: list[int] = []
        first = 0
        for run in self.runs:
            offsets, headers, last = run.piece.offsets, run.piece.headers, first + run.end - run.start
            here = places[bisect_left(places, first) : bisect_left(places, last)]
            found += [at for at in here if any(one in names for one, _ in headers(offsets[run.start + at - first]))]
            first = last
        return found

    def starts(self) -> set[int]:
        """The places at which its runs begin."""
        lengths = [run.end - run.start for run in self.runs]
        return {sum(lengths[:number]) for number in range(len(lengths))}

    def ref(self, place: int) -> RecordRef:
        """The record's origin."""
        return origin(self.runs, place)


@dataclass(frozen=True, slots=True)
class Data:
    """Framed data of a block, and their places in it."""

    places: Sequence[int] = ()
    framed: Sequence[bytes] = ()

    @staticmethod
    def of(every: Sequence[bytes | None], places: Sequence[int]) -> "Data":
        """Those of all; what is missing is empty."""
        if len(places) == len(every) and None not in every:
            return Data(places, cast(Sequence[bytes], every))
        return Data(places, [every[place] or b"" for place in places])


def valued(values: Sequence[bytes | None]) -> Sequence[int]:
    """The places of what is no tombstone."""
    if None not in values:
        return range(len(values))
    return [place for place, value in enumerate(values) if value is not None]


@dataclass(slots=True)
class Decoded:
    """A block's changes: `images` (every column, SEQ) and `deletes` (identity, SEQ), both by rising place.

    Both have the version column too, where the binding has one.

    `unavailable`: by column, which images hold no value for it. `judged`: the columns of which some of these have nulls
    that the row there judges; the images say which ones, under `mark`. `long`: those of them in which some of these are
    written unless the row has a long value. `never_null`: those of them in which a null that
    is one breaks a check. `out`: the records that are not sound, by place.
    `ops`: the operations seen. `times`: of the sources; `stamps`: those of each record, as in `Plan`. `ignored`:
    records that mean nothing. `halves`: those of key changes. `truncates`: the places of truncates, and `truncated`:
    the greatest position of theirs, where positions matter. `rowless`: the records that go out without their rows.
    """

    images: pl.DataFrame
    deletes: pl.DataFrame
    unavailable: Mapping[str, pl.Series] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()
    long: frozenset[str] = frozenset()
    never_null: frozenset[str] = frozenset()
    ops: frozenset[str] = frozenset()
    times: SourceTimes = field(default_factory=dict)
    stamps: Sequence[Stamps] = ()
    ignored: int = 0
    truncates: Sequence[int] = ()
    truncated: int | None = None
    halves: Halves = field(default_factory=no_halves)
    contexts: Contexts = ()
    out: dict[int, Failure] = field(default_factory=dict)
    rowless: frozenset[int] = frozenset()


class Barred(Exception):
    """The block holds a record in front of which its partition has to stop; `kind` says why."""

    def __init__(self, place: int, kind: str) -> None:
        super().__init__(f"{kind} at {place}")
        self.place = place
        self.kind = kind


class Recut(Exception):
    """The block's runs are to be cut in front of these places, since some of its records stand between others."""

    def __init__(self, places: Collection[int]) -> None:
        super().__init__(f"{len(places)} places")
        self.places = places


def unsound(kind: str, operation: str, reason: str, field: str = "") -> Failure:
    """Why a record is not sound, and which field of it, if it is one."""
    return blaming(failed(KINDS[kind], "planner", operation, reason), field)
